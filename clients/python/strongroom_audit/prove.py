"""One run of `proof`: which entry is meant, and what its proof shows."""

import base64
import binascii
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import typer

from strongroom_audit.check import check_proof
from strongroom_audit.faults import BadSignature, Malformed
from strongroom_audit.verifier.bodies import parse, read_id, show_id
from strongroom_audit.verifier.notes import read_key, read_proof
from strongroom_audit.verifier.tree import ENTRY_BYTES

Subject = tuple[str | None, str | None, Path | None, str | None]
"""Receipt, entry in hexadecimal, file of the body, salt in hexadecimal."""
_RECEIPT = re.compile(r"rcp_([A-Za-z0-9_-]{172})", re.ASCII)
_LARGEST = 1 << 20


def prove(file: Path, *, keys: Sequence[str], witnesses: Sequence[str], subject: Subject) -> list[str]:
    """Check a proof; lines that say what it shows. Raises: Fault."""
    text = _text(file)
    entry = _entry(subject) or _extra(text)
    if entry is None:
        raise typer.BadParameter("say which event: --receipt, --body with --salt, or --entry")
    trusted = [read_key(one) for one in keys]
    proven = check_proof(text, entry, keys=trusted, witnesses=[read_key(one) for one in witnesses])
    missing = {read_key(one).name for one in witnesses} - set(proven.witnesses)
    if missing:
        raise BadSignature(f"not signed by witness {', '.join(sorted(missing))}", where="checkpoint")
    place = f"{show_id('evt', entry[1:17])} is event #{proven.index} of {proven.checkpoint.origin}"
    lines = [f"verified: {place}, under the checkpoint of {proven.checkpoint.size:,} events"]
    return lines + [f"witnessed by {name}" for name in proven.witnesses]


def _text(file: Path) -> str:
    with file.open("rb") as stream:
        raw = stream.read(_LARGEST)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Malformed("not text", where=file.name) from None


def _entry(subject: Subject) -> bytes | None:
    receipt, entry, body, salt = subject
    if receipt is not None:
        return read_receipt(receipt)
    if entry is not None:
        return _hex(entry, ENTRY_BYTES, "--entry")
    if body is not None:
        if salt is None:
            raise typer.BadParameter("--body goes with --salt")
        return _committed(body.read_bytes(), _hex(salt, 32, "--salt"))
    return None


def read_receipt(text: str) -> bytes:
    """The entry a receipt speaks of (docs/FORMATS.md §5.3). Raises: Malformed."""
    found = _RECEIPT.fullmatch(text.strip())
    if found is None:
        raise Malformed("a receipt reads rcp_ and 172 characters", where="receipt")
    return base64.urlsafe_b64decode(found[1])[:ENTRY_BYTES]


def _committed(body: bytes, salt: bytes) -> bytes:
    try:
        event_id = parse(body).get("event_id")
        raw = read_id("evt", event_id if isinstance(event_id, str) else "")
    except ValueError as error:
        raise Malformed(f"the body is not as it was recorded ({error})", where="body") from None
    return b"\x01" + raw + sha256(salt + body).digest()


def _extra(text: str) -> bytes | None:
    """The entry a proof carries itself, if it does."""
    extra = read_proof(text).extra
    return extra if len(extra) == ENTRY_BYTES else None


def _hex(text: str, length: int, name: str) -> bytes:
    try:
        raw = binascii.unhexlify(text)
    except ValueError:
        raw = b""
    if len(raw) != length:
        raise typer.BadParameter(f"{name} has {length} bytes in hexadecimal")
    return raw
