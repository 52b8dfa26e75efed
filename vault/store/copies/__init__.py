"""Copies of both databases: read in one moment, written back where rows are missing."""
