"""Passwords of database roles: the server gets a verifier, and weak ones do not get that far."""

import pytest

from keys.errors import Misconfigured
from keys.roles import scram_verifier


@pytest.mark.parametrize(
    "password", ["short", "x" * 15, "пароль-достаточно-длинный", "tab\tin the middle of it"]
)
def test_a_weak_or_foreign_password_is_refused(password: str):
    """Too short, or outside what every client spells the same: refused without a word of it."""
    with pytest.raises(Misconfigured) as refusal:
        scram_verifier(password, salt=bytes(16))
    assert password not in str(refusal.value)


def test_a_verifier_holds_nothing_of_its_password():
    """Another salt makes another verifier, and neither holds the password."""
    first, second = (scram_verifier("correct horse battery", salt=bytes([n]) * 16) for n in (1, 2))
    assert first.startswith("SCRAM-SHA-256$4096:")
    assert first.partition("$")[2].split("$")[1] != second.partition("$")[2].split("$")[1]
    assert "correct" not in first + second
