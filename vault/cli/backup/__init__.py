"""Copies of both databases, and what brings them back."""
