"""Strongroom's service: personal data in, opaque tokens out, every access on record."""
