"""The bill of cryptographic materials: ages and periods are told as they are."""

from datetime import UTC, datetime, timedelta

import pytest

from vault.service.inventory import PERIODS, USES, Card, component, read_card

NOW = datetime(2026, 11, 7, tzinfo=UTC)
FLAGS = {"exportable": False, "allow_plaintext_backup": False, "deletion_allowed": False}
VERSIONS = {"latest_version": 2, "min_decryption_version": 1, "min_encryption_version": 0}


def card(days: int, name: str = "kek-acme") -> Card:
    made = int((NOW - timedelta(days=days)).timestamp())
    told = {"type": "aes256-gcm96", "keys": {"1": 1, "2": made}, **VERSIONS, **FLAGS}
    return read_card(name, told)


@pytest.mark.parametrize(
    ("days", "fate"), [(0, "ok"), (334, "ok"), (335, "due"), (364, "due"), (365, "overdue")]
)
def test_a_key_falls_due(days: int, fate: str):
    """A key is ok until a month before its period ends, then due, then overdue, by its newest version."""
    assert card(days).fate(NOW) == fate


def test_times_of_signing_keys_are_read():
    """The key server tells a signing key's times with nine digits of a second."""
    made = {"creation_time": "2026-11-07T10:11:12.123456789Z", "public_key": "x"}
    told = {"type": "ed25519", "keys": {"1": made, "2": made}, **VERSIONS, **FLAGS}
    assert read_card("worker-reveal", told).made == datetime(2026, 11, 7, 10, 11, 12, tzinfo=UTC)


def test_a_key_without_times_is_not_called_fresh():
    """Where the key server tells no time, the age is unknown; a key that is kept for ever is not due."""
    told = {"type": "hmac", **VERSIONS, **FLAGS}
    index, idem = read_card("bidx-acme-pan", told), read_card("idem-acme", told)
    assert (index.fate(NOW), idem.fate(NOW)) == ("unknown", "kept")
    names = [one["name"] for one in component(index, NOW)["properties"]]
    assert "strongroom:age-days" not in names


@pytest.mark.parametrize("flag", FLAGS)
def test_a_key_that_may_leave_is_said_to(flag: str):
    """Exportable, open to plaintext backup, or deletable: the bill says so."""
    told = {"type": "hmac", **VERSIONS, **FLAGS, flag: True}
    assert read_card("idem-acme", told).may_leave


def test_each_kind_has_a_period_and_a_use():
    """No kind of key is without either."""
    assert set(PERIODS) == set(USES)
