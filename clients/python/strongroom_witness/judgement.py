"""Whether a signed checkpoint may be cosigned after the one cosigned before. Pure.

A proof that does not hold shows nothing about the log: anybody can send a false proof with a true checkpoint.
A fork is proven by two things the log signed: two roots at one size, or a proof that leads from another old
root to the new signed one.
"""

from dataclasses import dataclass

from strongroom_audit.verifier.notes import Checkpoint

from strongroom_witness.consistency import EMPTY_ROOT, roots_by_proof
from strongroom_witness.submission import Submission


@dataclass(frozen=True, slots=True)
class Last:
    """The checkpoint cosigned last; before the first, that of the empty tree."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    note: str = ""
    time: int = 0


@dataclass(frozen=True, slots=True)
class Continues:
    """It may be cosigned."""


@dataclass(frozen=True, slots=True)
class OtherSize:
    """The log speaks of another size than the one cosigned last."""


@dataclass(frozen=True, slots=True)
class Unproven:
    """Nothing shows that it continues what was cosigned."""


@dataclass(frozen=True, slots=True)
class Forked:
    """The log signed two histories."""

    how: str
    same_size: bool


Verdict = Continues | OtherSize | Unproven | Forked


def judge(last: Last, head: Checkpoint, asked: Submission) -> Verdict:
    """The verdict on `head`, whose signature holds and whose size is not below `asked.old`."""
    if head.size == last.size and head.root != last.root:
        return Forked(f"two roots at size {head.size}", same_size=True)
    if asked.old != last.size:
        return OtherSize()
    if asked.old in {0, head.size}:
        return Unproven() if asked.path else Continues()
    shown = roots_by_proof(last.size, head.size, old_root=last.root, path=asked.path)
    if shown is None or shown[1] != head.root:
        return Unproven()
    if shown[0] != last.root:
        how = f"the tree of {head.size} does not begin with the one of {last.size}"
        return Forked(how, same_size=False)
    return Continues()
