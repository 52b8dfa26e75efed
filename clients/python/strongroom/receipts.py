"""Receipts, as far as a caller needs to know them: which event of the log one speaks of."""

import base64
import re

from strongroom.errors import Misused

_RECEIPT = re.compile(r"rcp_([A-Za-z0-9_-]{172})", re.ASCII)
_EVENT = re.compile(r"evt_[0-7][0-9a-hjkmnp-tv-z]{25}", re.ASCII)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def event_of(receipt_or_event_id: str) -> str:
    """The event's id, `evt_…`. Raises: Misused."""
    if _EVENT.fullmatch(receipt_or_event_id):
        return receipt_or_event_id
    found = _RECEIPT.fullmatch(receipt_or_event_id)
    raw = base64.urlsafe_b64decode(found[1]) if found else b""
    if raw[:1] != b"\x01":
        raise Misused("bad_receipt", "Pass a receipt (rcp_…) or the id of an event (evt_…).")
    number = int.from_bytes(raw[1:17])
    return "evt_" + "".join(_ALPHABET[number >> bit & 31] for bit in range(125, -1, -5))
