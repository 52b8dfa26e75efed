"""Receipts: what a caller keeps of an access, read strictly. Bytes: docs/FORMATS.md §5.3. Pure.

Whether the log holds what a receipt says is another question (proofs.py).
"""

import base64
import re
from dataclasses import dataclass

from vault.log.event import entry
from vault.log.malformed import Malformed

_FORM = re.compile(r"rcp_([A-Za-z0-9_-]{172})", re.ASCII)
_VERSION = b"\x01"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Which event, what it commits to, and the signed list it stands in."""

    event_id: bytes
    commitment: bytes
    list_id: bytes
    signature: bytes

    @property
    def entry(self) -> bytes:
        """The leaf of the log that this receipt speaks of."""
        return entry(self.event_id, self.commitment)


def read_receipt(text: str) -> Receipt:
    """Read a receipt. Raises: Malformed."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise Malformed("a receipt reads rcp_ and 172 characters of base64url")
    raw = base64.urlsafe_b64decode(found[1])  # 129 bytes in 172 characters: no other spelling
    if raw[:1] != _VERSION:
        raise Malformed("not a receipt of version 1")
    return Receipt(raw[1:17], raw[17:49], raw[49:65], raw[65:])


def time_of(event_id: bytes) -> int:
    """When an event was stamped, in µs since 1970: its id begins with that."""
    return int.from_bytes(event_id[:7])
