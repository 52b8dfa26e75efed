"""Whether a value has to stay, may go or must go, until when and under which law. Decides nothing else.

Law runs on civil days. The last day of a period belongs to it: what is kept until 31 March may go on 1 April.
A minimum always wins over a maximum. Of holds that people put on, this knows nothing: ask for them beside it.
"""

from dataclasses import dataclass, field
from datetime import date

from vault.model.grants import CLASSES
from vault.model.names import FIELD_TYPE
from vault.retention import words
from vault.retention.calendar import ONE_DAY, written
from vault.retention.facts import Facts, Run, applies, run_of
from vault.retention.rules import Clock, Keep, Limit, Retention, RetentionError


@dataclass(frozen=True, slots=True)
class Reading:
    """What one clock says of one value."""

    clock: Clock
    run: Run | None
    """None when it does not run."""
    waits: bool
    """A minimum that holds without a last day, until the relationship has ended."""
    apart: bool
    """It is about other subjects."""
    today: date
    """Chooses the words of the sentence."""

    @property
    def start(self) -> date | None:
        """The day it counts from; None when it does not run."""
        return self.run.start if self.run is not None else None

    @property
    def end(self) -> date | None:
        """Its last day: a minimum still holds on it, a maximum still permits it."""
        return self.run.end if self.run is not None else None

    @property
    def sentence(self) -> str:
        """What it says, in words."""
        if self.apart:
            return words.apart(self.clock)
        if self.run is None:
            return words.waiting(self.clock, blocks=self.waits)
        return words.running(self.clock, self.run, over=self.today > self.run.end)

    def holds(self, today: date) -> bool:
        """Whether it forbids erasing. A maximum never does, nor a minimum that does not run."""
        runs = self.end is not None and today <= self.end
        return isinstance(self.clock, Keep) and (self.waits or runs)


@dataclass(frozen=True, slots=True)
class EraseNow:
    """No minimum holds: the person's wish is carried out."""

    def __str__(self) -> str:
        return "Erase now: no law asks to keep it."


@dataclass(frozen=True, slots=True)
class ArchiveUntil:
    """A minimum holds: kept out of use to its last day; None while the relationship has no end."""

    until: date | None
    law: str

    def __str__(self) -> str:
        until = (
            "the relationship has ended and its period is over" if self.until is None else written(self.until)
        )
        return f"Archive until {until}: {self.law}."


Proposal = EraseNow | ArchiveUntil


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every clock that is about a value, minimums first, and what follows for any day."""

    readings: tuple[Reading, ...]
    keep_until: date | None = field(init=False, repr=False, compare=False)
    """The last day of the latest minimum that runs or ran; None when none does."""
    erase_by: date | None = field(init=False, repr=False, compare=False)
    """The last day of the earliest maximum that runs or ran, whatever the minimums say."""
    waits: bool = field(init=False, repr=False, compare=False)
    """Whether a minimum holds that has no last day yet."""

    def __post_init__(self) -> None:
        # Once: a run over many values asks for them again and again.
        ends = [(type(one.clock), one.run.end) for one in self.readings if one.run is not None]
        keep_until = max((end for kind, end in ends if issubclass(kind, Keep)), default=None)
        erase_by = min((end for kind, end in ends if issubclass(kind, Limit)), default=None)
        object.__setattr__(self, "keep_until", keep_until)
        object.__setattr__(self, "erase_by", erase_by)
        object.__setattr__(self, "waits", any(one.waits for one in self.readings))

    @property
    def erasable_from(self) -> date | None:
        """The day after `keep_until`; None when no minimum runs, or one has no last day yet."""
        until = self.keep_until
        return None if until is None or self.waits else until + ONE_DAY

    @property
    def due_from(self) -> date | None:
        """The first day on which it must be erased: every minimum and the earliest maximum are over."""
        by = self.erase_by
        return None if by is None or self.waits else max(by, self.keep_until or by) + ONE_DAY

    def may_erase(self, today: date) -> bool:
        """Whether no minimum holds."""
        return not self.waits and (self.keep_until is None or today > self.keep_until)

    def must_erase(self, today: date) -> bool:
        """Whether a maximum has passed and no minimum holds."""
        return self._passed(today) and self.may_erase(today)

    def must_archive(self, today: date) -> bool:
        """Whether a maximum has passed and a minimum holds."""
        return self._passed(today) and not self.may_erase(today)

    def proposal(self, today: date) -> Proposal:
        """What to do when the person asks for erasure."""
        holding = [one for one in self.readings if one.holds(today)]
        if not holding:
            return EraseNow()
        last = max(holding, key=lambda one: (one.waits, one.end or date.min))
        return ArchiveUntil(last.end, last.clock.law)

    def _passed(self, today: date) -> bool:
        return self.erase_by is not None and today > self.erase_by


def judge(retention: Retention, *, field_type: str, field_class: str, facts: Facts, today: date) -> Verdict:
    """Read every clock that is about this value. `today`, a day in its zone, only chooses the words.

    Raises: RetentionError for a class or type that cannot be: what nobody knows is not erased.
    """
    if type(today) is not date:
        raise RetentionError("a day, without a time", "today")
    if field_class not in CLASSES:
        raise RetentionError(f"a class is one of {', '.join(CLASSES)}", "field_class")
    if FIELD_TYPE.fullmatch(field_type) is None:
        raise RetentionError("a field type is written [a-z0-9_]{1,32}", "field_type")
    clocks: tuple[Clock, ...] = (*retention.keeps, *retention.limits)
    about = [clock for clock in clocks if clock.covers(field_class=field_class, field_type=field_type)]
    return Verdict(tuple(_read(clock, facts, retention, today) for clock in about))


def _read(clock: Clock, facts: Facts, retention: Retention, today: date) -> Reading:
    if not applies(clock, facts):
        return Reading(clock, None, waits=False, apart=True, today=today)
    run = run_of(clock, facts, retention)
    blocks = run is None and isinstance(clock, Keep) and clock.blocks_until_anchor
    return Reading(clock, run, waits=blocks, apart=False, today=today)
