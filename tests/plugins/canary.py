"""Looks for a plaintext where none may be: in files, however they spell it."""

import base64
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_CHUNK = 8 << 20
_LATE = 2.0
"""Seconds by which a file system's times may be behind."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was there before a canary was: it cannot hold it, and need not be searched again and again."""

    time: float = 0.0
    lengths: Mapping[Path, int] | None = None
    """Of logs, to which one only ever adds."""

    @classmethod
    def now(cls, places: Iterable[Path]) -> Self:
        """As it is now in these files, and beneath these folders."""
        logs = [file for place in places for file in ([place] if place.is_file() else place.glob("*.log"))]
        return cls(time.time(), {file: file.stat().st_size for file in logs})

    def of(self, file: Path) -> int | None:
        """How much of a file was there; None, if all of it was."""
        if file.stat().st_mtime < self.time - _LATE:
            return None
        return (self.lengths or {}).get(file, 0)


def spellings(canary: str) -> list[bytes]:
    """A text as itself, in hex, in UTF-16, and in Base64 at each of its three alignments."""
    raw = canary.encode()
    found = [raw, raw.hex().encode(), canary.encode("utf-16-le")]
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + raw)
        # Its ends depend on the neighbours; the middle does not.
        found.append(whole[4:-4])
    return found


def holders(canaries: Iterable[str], places: Iterable[Path], before: Before = Before()) -> list[Path]:
    """The files, or the files beneath the folders, that hold any of the canaries in what is new in them."""
    wanted = [spelling for canary in canaries for spelling in spellings(canary)]
    files = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*")))]
    return [file for file in files if file.is_file() and _holds(file, wanted, before.of(file))]


def _holds(file: Path, wanted: list[bytes], start: int | None) -> bool:
    if start is None:
        return False
    longest = max(map(len, wanted), default=0)
    tail = b""
    with file.open("rb") as content:
        content.seek(start)
        while part := content.read(_CHUNK):
            piece = tail + part
            if any(one in piece for one in wanted):
                return True
            tail = piece[-longest:]
    return False
