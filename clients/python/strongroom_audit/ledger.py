"""Payment ledgers: CSV with a header, or JSON lines, with the columns reference, token, receipt.

A cell that is not what its column holds is never kept: a ledger may have an account number in a wrong place.
"""

import base64
import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from strongroom_audit.faults import Malformed
from strongroom_audit.verifier.tree import ENTRY_BYTES

COLUMNS = ("reference", "token", "receipt")
_REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_NUMBER = re.compile(r"[._:-]*(?:[0-9][._:-]*){9,}", re.ASCII)
"""Nine digits and more by themselves: a telephone or account number, not a reference."""
_RECEIPT = re.compile(r"rcp_([A-Za-z0-9_-]{172})", re.ASCII)
_TOKEN = re.compile(r"tok_[a-z0-9_]{1,32}_[0-9a-hjkmnp-tv-z]{28}", re.ASCII)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_WEIGHTS = [pow(10, place, 1021) for place in range(64)]
_LONGEST = 64 * 1024


@dataclass(slots=True)
class Row:
    """One payment: what the ledger says, and the first thing found against it."""

    line: int
    reference: str = ""
    token: str = ""
    entry: bytes = b""
    list_id: bytes = b""
    finding: str = ""
    seen: bool = False
    """Whether a readable event of its receipt came by."""


def rows(path: Path) -> Iterator[Row]:
    """The rows of a ledger, one at a time. Raises: Malformed for a file that is none; OSError."""
    with path.open("rb") as file:
        yield from _csv(file, path.name) if path.suffix.lower() == ".csv" else _json(file, path.name)


def _csv(file: IO[bytes], name: str) -> Iterator[Row]:
    reader = csv.reader(_lines(file, name), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        if any(header.count(column) != 1 for column in COLUMNS):
            raise Malformed(f"the first line names the columns {', '.join(COLUMNS)}, each once", where=name)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                named = dict(zip(header, (cell.strip() for cell in cells), strict=False))
                yield _row(reader.line_num, named)
    except csv.Error as error:
        raise Malformed(f"not CSV ({error})", where=f"{name}, line {reader.line_num}") from None


def _json(file: IO[bytes], name: str) -> Iterator[Row]:
    for number, line in enumerate(_lines(file, name), start=1):
        if not line.strip():
            continue
        try:
            named = json.loads(line)
        except (ValueError, RecursionError):
            named = None
        yield _row(number, named if isinstance(named, dict) else {})


def _row(line: int, named: Mapping[str, object]) -> Row:
    reference, token, receipt = (named.get(column) for column in COLUMNS)
    if not isinstance(reference, str) or not isinstance(token, str):
        return Row(line, finding="malformed_row")
    if not _REFERENCE.fullmatch(reference) or _NUMBER.fullmatch(reference) or not _is_token(token):
        return Row(line, finding="malformed_row")
    if receipt is None or receipt == "":
        return Row(line, reference, token, finding="no_receipt")
    found = _RECEIPT.fullmatch(receipt) if isinstance(receipt, str) else None
    raw = base64.urlsafe_b64decode(found[1]) if found else b""
    if raw[:1] != b"\x01":
        return Row(line, reference, token, finding="malformed_receipt")
    return Row(line, reference, token, raw[:ENTRY_BYTES], raw[ENTRY_BYTES : ENTRY_BYTES + 16])


def _is_token(text: str) -> bool:
    """Form and check characters (docs/FORMATS.md §1): a mistyped token is not taken for another one."""
    if not _TOKEN.fullmatch(text):
        return False
    head = text[:-2]
    total = sum(ord(char) * weight for char, weight in zip(reversed(head), _WEIGHTS, strict=False)) % 1021
    return text[-2:] == _ALPHABET[total >> 5] + _ALPHABET[total & 31]


def _lines(file: IO[bytes], name: str) -> Iterator[str]:
    number = 0
    while raw := file.readline(_LONGEST + 1):
        number += 1
        where = f"{name}, line {number}"
        if len(raw) > _LONGEST:
            raise Malformed("longer than 64 KiB", where=where)
        try:
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise Malformed("not UTF-8", where=where) from None
