"""Audit logs as files: plain or gzipped, rotated or growing, each known by its first line, not by its name.

A position counts bytes as they were written, so that a file which was compressed meanwhile goes on where it
was left. Only whole lines are taken.
"""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

_GZIP = b"\x1f\x8b"
LONGEST = 16 << 20
"""Bytes of one line that are read: ours have 240 items at most. A longer one is an incident."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and where its file goes on behind it. One without an end is the beginning of a longer one."""

    file: str
    text: bytes
    end: int


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file with at least one whole line."""

    path: Path
    name: str
    """Of its content: the same for a file that was renamed, copied or compressed."""

    def lines(self, start: int = 0) -> Iterator[Line]:
        """Its whole lines from a position on. Raises: OSError, EOFError when it is not what it was."""
        with open_log(self.path) as file:
            if start and file.seek(0, 2) < start:
                raise EOFError
            file.seek(start)
            yield from whole_lines(file, self.name, start)

    def size(self) -> int:
        """Its bytes as they were written."""
        with open_log(self.path) as file:
            return file.seek(0, 2)


def open_log(path: Path) -> BinaryIO:
    """Open a log, whatever its name says. Raises: OSError."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return cast("BinaryIO", gzip.open(path, "rb")) if packed else path.open("rb")


def whole_lines(file: BinaryIO, name: str, at: int) -> Iterator[Line]:
    """The lines from here on that have an end."""
    while text := file.readline(LONGEST):
        more = 0 if text.endswith(b"\n") else _rest_of_line(file, text)
        if more is None:
            return
        at += len(text) + more
        yield Line(name, text, at)


def _rest_of_line(file: BinaryIO, begun: bytes) -> int | None:
    """How many bytes a line goes on that is too long to be read; None while it has no end yet."""
    more, part = 0, begun
    while len(part) == LONGEST and not part.endswith(b"\n"):
        part = file.readline(LONGEST)
        more += len(part)
    return more if part.endswith(b"\n") else None


def name_of(first: bytes) -> str:
    """The name of a file that begins so."""
    return sha256(first).hexdigest()[:32]


def log_file(path: Path) -> LogFile | None:
    """The file at `path`, or None while it has no whole line. Raises: OSError."""
    with open_log(path) as file:
        first = file.readline(LONGEST)
    return LogFile(path, name_of(first)) if first.endswith(b"\n") or len(first) == LONGEST else None


def log_files(paths: Sequence[Path]) -> list[LogFile]:
    """The files at these paths, each content once, a folder's in place of the folder. Raises: OSError."""
    each = [one for path in paths for one in (sorted(path.iterdir()) if path.is_dir() else [path])]
    found = [file for path in each if path.is_file() and (file := log_file(path)) is not None]
    return list({file.name: file for file in found}.values())


def kin(path: Path) -> list[LogFile]:
    """A growing log's older parts beside it, itself last. Raises: OSError."""
    older = [one for one in path.parent.glob(f"{path.stem}*") if one != path and one.is_file()]
    older.sort(key=lambda one: one.stat().st_mtime)
    return log_files([*older, *([path] if path.exists() else [])])
