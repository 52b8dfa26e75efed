"""What can be wrong with a log, and the exit code a scheduled job gets for it.

Fault
├─ Unreached       10  the vault did not answer, or would not let us in
├─ HistoryChanged  11  the log contradicts what it signed, or what was mirrored, before
├─ Altered         12  an event, or its place, is not what was recorded
│  └─ RootDiffers  12  the entries do not give the signed root, and nothing closer can be named
├─ Gap             13  something that must be there is missing
├─ BadSignature    14  a checkpoint, list, worker or key that nobody we trust signed
├─ Malformed       15  bytes that cannot be read as what they should be
└─ Unusable        16  the mirror's folder cannot be used: another process has it, disk full, no mirror

Faults are raised where nothing can go on, and collected where the rest is worth checking too.
"""

from collections.abc import Sequence

VERIFIED = 0


class Fault(Exception):
    """One thing that is wrong: what, and where."""

    exit_code = 1
    word = "fault"
    rank = 9
    """Which of several faults speaks for all: the lowest."""

    def __init__(self, what: str, *, where: str = "") -> None:
        super().__init__(what, where)
        self.what, self.where = what, where

    def __str__(self) -> str:
        return f"{self.word}: {self.where}: {self.what}" if self.where else f"{self.word}: {self.what}"


class Unreached(Fault):
    exit_code, word, rank = 10, "cannot reach", 7
    status: int | None = None
    """The HTTP status of the refusal, where there was an answer."""
    code: str = ""
    """The problem's code, likewise."""


class HistoryChanged(Fault):
    exit_code, word, rank = 11, "history changed", 1


class Altered(Fault):
    exit_code, word, rank = 12, "event altered", 2


class RootDiffers(Altered):
    word, rank = "event altered", 6


class Gap(Fault):
    exit_code, word, rank = 13, "gap", 4


class BadSignature(Fault):
    exit_code, word, rank = 14, "bad signature", 3


class Malformed(Fault):
    exit_code, word, rank = 15, "malformed", 5


class Unusable(Fault):
    exit_code, word, rank = 16, "mirror unusable", 8


def exit_code(faults: Sequence[Fault]) -> int:
    """The code of the fault that speaks for all; 0 when there is none."""
    return min(faults, key=lambda fault: fault.rank).exit_code if faults else VERIFIED
