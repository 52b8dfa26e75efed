"""Retention rules for tests about other things: nothing is kept by law, so what is erased is gone."""

from vault.retention.load import parse_toml
from vault.retention.rules import to_canonical

KEEPS_NOTHING = """
version = 1
profile = "tests"
title = "Nothing is kept by law"
timezone = "Asia/Kolkata"
year_starts = "04-01"

[limit.a_century]
law = "none"
classes = ["payment", "tax", "identity", "contact", "usage"]
anchor = "collected"
years = 100
"""
KEEPS_NOTHING_SIGNED = to_canonical(parse_toml(KEEPS_NOTHING))
"""The same as a register holds it."""
