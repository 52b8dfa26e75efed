"""What calls of the office return: why records are kept, corrected values, cases. Frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias

from strongroom.results import NotDone
from strongroom.values import Plain

CaseKind: TypeAlias = Literal["access", "correction", "erasure", "objection", "grievance", "disclosure"]
CaseStep: TypeAlias = Literal[
    "verify", "reject", "evaluate", "decide", "send_back", "release", "carry_out", "answer"
]
"""What can be done about a case that was received."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What one rule of retention says of one record."""

    rule: str
    kind: str
    """`keep` for a minimum, `limit` for a maximum."""
    law: str
    start: date | None
    """The day it counts from; None when it does not run."""
    until: date | None
    """Its last day."""
    holds: bool
    """It forbids erasing today."""
    explanation: str


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A legal hold on a record."""

    hold_id: str
    reference: str
    person: str


@dataclass(frozen=True, slots=True)
class Explained:
    """Until when a record is kept, why, and under which rules. Of an erased one little is left to say."""

    token: str
    type: str | None
    subject: str | None
    state: str
    summary: str
    may_erase: bool
    must_erase: bool
    keep_until: date | None
    """The last day of the latest minimum."""
    erase_by: date | None
    """The last day of the earliest maximum."""
    due: date | None
    """The first day on which it has to go."""
    announced: datetime | None
    """When it goes, where that was announced."""
    holds: tuple[HeldBy, ...]
    clocks: tuple[Clock, ...]

    @property
    def problem(self) -> None:
        """No problem."""
        return


@dataclass(frozen=True, slots=True)
class Replaced:
    """A token that stands for another value now; the one before is shredded."""

    token: str
    version: int
    masked: Plain
    receipt: str
    tell: tuple[str, ...]
    """Recipients who were given the value before, and are to be told."""


@dataclass(frozen=True, slots=True)
class CaseAct:
    """One thing that somebody did about a case, with its document."""

    act: str
    person: str
    credential: str
    at: datetime
    document: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Case:
    """Where a case stands."""

    case_id: str
    kind: str
    subject: str
    state: str
    waits_for: tuple[str, ...]
    """What can be done about it now."""
    received: date
    due: date | None
    answered: date | None
    decision: str | None
    """SHA-256 of what was decided: a release names it."""
    sent_back: str | None
    """Why the last decision came back, until there is another."""
    late_days: int
    """Days past its due date; told by the queue alone."""
    acts: tuple[CaseAct, ...]
    """All of them from `case`, the latest from `act_on_case`, none from the queue."""
    receipt: str | None
    """Of opening or acting; none when it was looked at."""


ExplainedItem: TypeAlias = Explained | NotDone
