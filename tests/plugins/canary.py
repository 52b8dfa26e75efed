"""Looks for a plaintext where none may be: in files, however they spell it."""

import base64
from collections.abc import Iterable
from pathlib import Path

_CHUNK = 8 << 20


def spellings(canary: str) -> list[bytes]:
    """A text as itself, in hex, in UTF-16, and in Base64 at each of its three alignments."""
    raw = canary.encode()
    found = [raw, raw.hex().encode(), canary.encode("utf-16-le")]
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + raw)
        # Its ends depend on the neighbours; the middle does not.
        found.append(whole[4:-4])
    return found


def holders(canaries: Iterable[str], places: Iterable[Path]) -> list[Path]:
    """The files, or the files beneath the folders, that hold any of the canaries."""
    wanted = [spelling for canary in canaries for spelling in spellings(canary)]
    files = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*")))]
    return [file for file in files if file.is_file() and _holds(file, wanted)]


def _holds(file: Path, wanted: list[bytes]) -> bool:
    longest = max(map(len, wanted), default=0)
    tail = b""
    with file.open("rb") as content:
        while part := content.read(_CHUNK):
            piece = tail + part
            if any(one in piece for one in wanted):
                return True
            tail = piece[-longest:]
    return False
