"""What no payload may hold at all: sensitive authentication data (PCI DSS v4.0.1 requirement 3.3.1).

Card verification codes, PINs and track data may not be stored after authorisation even encrypted, so
they are refused before anything is parsed further, whatever the field they come in.
"""

import re
import unicodedata

from vault.fields.codes import codes

_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")
_VERIFICATION = codes(
    "cvv cvv2 icvv dcvv cvc cvc2 csc cid cav cav2 cvn cvn2 cvvcode cvccode cvvnumber cardcvv cardcvc "
    "cardcsc cardverification cardverificationvalue cardverificationcode cardverificationnumber "
    "cardsecuritycode cardsecuritynumber cardcode securitycode verificationvalue "
)
_PIN = codes(
    "pin pinblock encryptedpin encryptedpinblock encpin encpinblock pinoffset pvv cardpin atmpin "
    "debitpin mpin tpin upipin pinnumber pinverificationvalue "
)
_TRACK = codes(
    "track track1 track2 track3 trackdata track1data track2data track3data trackone tracktwo magstripe "
    "magstripedata magneticstripe magneticstripedata stripedata swipedata track2equivalentdata "
)
_NAMED = {
    **dict.fromkeys(_TRACK, "track_data"),
    **dict.fromkeys(_PIN, "pin"),
    **dict.fromkeys(_VERIFICATION, "card_verification_code"),
}
# ISO/IEC 7813. Track 1: format B, number ^ name ^ expiry and service code. Track 2: number = expiry and more.
_TRACK_1 = re.compile(r"%?[Bb][0-9]{12,19}\^[^^\n]{2,26}\^[0-9]{4}")
_TRACK_2 = re.compile(r";[0-9]{12,19}=[0-9]{4,}|(?<![0-9])[0-9]{12,19}=[0-9]{7,}")


MOST_NODES = 5_000
"""Texts, members and lists looked at. What is larger is no value of any type, and is refused as that."""


def forbidden_payload(value: object) -> str | None:
    """Say which kind of sensitive authentication data a decoded JSON payload holds, or None.

    Answers `card_verification_code`, `pin` or `track_data`, never a key or a value. Keys are compared in
    lower case without punctuation, at any depth; a member called `type` counts by its value, too. Text
    that reads as track data is refused under any key.

    `pin` is refused although Indians also call the postal code that; `pincode`, `pin_code` and
    `postal_code` are not: a four-digit PIN must not slip in as a loosely named address.
    """
    waiting = [value]
    looked = 0
    while waiting and looked < MOST_NODES:  # a stack of our own: deep nesting must not exhaust Python's
        current = waiting.pop()
        looked += 1
        found = None
        if isinstance(current, str):
            found = _track_text(current)
        elif isinstance(current, dict):
            found = _forbidden_members(current)
            waiting.extend(current.values())
        elif isinstance(current, list | tuple):
            waiting.extend(current)
        if found is not None:
            return found
    return None


def names_forbidden_data(name: str) -> str | None:
    """Say which kind of sensitive authentication data `name` is the name of, or None."""
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name[:64])
    return _NAMED.get(_NOT_ALPHANUMERIC.sub("", name.lower()))


def _forbidden_members(members: dict[object, object]) -> str | None:
    for key, value in members.items():
        if not isinstance(key, str):
            continue
        found = names_forbidden_data(key) or _track_text(key)
        if found is None and key == "type" and isinstance(value, str):
            found = names_forbidden_data(value)
        if found is not None:
            return found
    return None


def _track_text(text: str) -> str | None:
    if "^" in text and _TRACK_1.search(text):
        return "track_data"
    return "track_data" if "=" in text and _TRACK_2.search(text) else None
