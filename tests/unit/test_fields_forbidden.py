"""Sensitive authentication data is found wherever it hides in a payload."""

import pytest

from vault.fields import BUILT_IN, forbidden_payload
from vault.fields.forbidden import MOST_NODES

TRACK_1 = "%B4111111111111111^RAO/ASHA^29121010000000000?"
TRACK_2 = ";4111111111111111=29121010000000000?"


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"cvv": "123"}, "card_verification_code"),
        (
            {"items": [{"type": "bank_account", "value": {"number": "1", "CVV-2": 1}}]},
            "card_verification_code",
        ),
        ({"card_security_code": None}, "card_verification_code"),
        ({"ｃｖｃ": "1"}, "card_verification_code"),
        ({"items": [{"type": "cvv", "value": "123"}]}, "card_verification_code"),
        ({"a": [[{"Pin": 1234}]]}, "pin"),
        ({"pin_block": "x"}, "pin"),
        ({"UPI-PIN": "1234"}, "pin"),
        ({"Track 2": "x"}, "track_data"),
        ({"note": TRACK_1}, "track_data"),
        ({"note": f"swiped {TRACK_2} ok"}, "track_data"),
        ({"note": TRACK_2.strip(";?")}, "track_data"),
        ([TRACK_2], "track_data"),
        (TRACK_2, "track_data"),
        ({TRACK_2: 1}, "track_data"),
    ],
)
def test_authentication_data_is_found(payload, kind):
    """Codes, PINs and tracks are found under any spelling, at any depth, in keys and in text."""
    assert forbidden_payload(payload) == kind


@pytest.mark.parametrize(
    "payload",
    [
        {"pincode": "560003", "pin_code": "560003", "PIN Code": "560003", "postal_code": "560003"},
        {"shipping": "x", "pinned": True, "tracking_id": "y", "cidade": "z"},
        {"value": "4111111111111111"},
        {"value": "a=b^c^d", "formula": "123456789012=12"},
        {"type": "pan", "value": "cvv"},
        {"items": [{"type": kind.name, "value": kind.example} for kind in BUILT_IN.values()]},
        None,
        17,
        "",
    ],
)
def test_ordinary_payload_passes(payload):
    """Postal codes and everything a sign-up sends are not mistaken for authentication data."""
    assert forbidden_payload(payload) is None


def test_deep_payload_does_not_exhaust_the_stack():
    """Nesting far beyond Python's recursion limit is searched to the bottom."""
    payload = {"cvv": "1"}
    for _ in range(4_000):
        payload = [payload]
    assert forbidden_payload(payload) == "card_verification_code"


def test_payload_no_type_could_hold_is_not_searched_for_ever():
    """A list of a million nothings is looked at as far as a value could go; its type refuses the rest."""
    assert forbidden_payload([[]] * MOST_NODES + [{"cvv": "1"}]) == "card_verification_code"
    assert forbidden_payload([{"cvv": "1"}] + [[]] * MOST_NODES) is None
