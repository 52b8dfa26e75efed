"""A log that is being written: its new lines, through every way in which logs are rotated."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from vault.cli.reconcile.files import Line, kin, log_file, whole_lines


class Cut(Exception):
    """Lines that were there are gone, and in no file beside it."""


class Growing:
    """Follows one path. `read` answers what is new, and goes on in the next file once one is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._name = ""
        self._at = 0

    def read(self) -> Iterator[Line]:
        """Every whole line that is new. Raises: Cut, once; reading goes on with what is there now."""
        if self._file is None and not self._open():
            return
        if self._was_emptied():
            yield from self._from_copy()
            self._begin_again()
        yield from self._rest()
        if self._was_moved():
            yield from self._rest()  # what was written between the last look and the move
            self.close()
            if self._open():
                yield from self._rest()

    def go_on(self, read: Mapping[str, int]) -> None:
        """Skip what was read of this file before: `{name: bytes}`."""
        if self._file is not None or self._open():
            self._at = read.get(self._name, 0)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _open(self) -> bool:
        try:
            found = log_file(self.path)
            if found is None:
                return False
            self._file = self.path.open("rb")
        except FileNotFoundError:
            return False
        self._name, self._at = found.name, 0
        return True

    def _rest(self) -> Iterator[Line]:
        if self._file is None:
            return
        self._file.seek(self._at)
        for line in whole_lines(self._file, self._name, self._at):
            self._at = line.end
            yield line

    def _was_moved(self) -> bool:
        """Another file has taken the path, and has something in it."""
        if self._file is None:
            return False
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        here = os.fstat(self._file.fileno())
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino) and there.st_size > 0

    def _was_emptied(self) -> bool:
        """The file was copied away and cut to nothing, and may have grown since."""
        if self._file is None or self._at == 0:
            return False
        if os.fstat(self._file.fileno()).st_size < self._at:
            return True
        try:
            found = log_file(self.path)
        except FileNotFoundError:
            return False  # it was moved, and nothing has taken its place yet
        return found is not None and found.name != self._name and not self._was_moved()

    def _from_copy(self) -> Iterator[Line]:
        """What was written before the file was emptied. Raises: Cut."""
        copy = next((one for one in kin(self.path) if one.name == self._name and one.path != self.path), None)
        try:
            for line in copy.lines(self._at) if copy is not None else ():
                self._at = line.end
                yield line
        except (OSError, EOFError):
            copy = None
        if copy is None:
            self._begin_again()
            raise Cut(f"{self.path} was emptied, and no copy of what it held is beside it")

    def _begin_again(self) -> None:
        self.close()
        self._open()
