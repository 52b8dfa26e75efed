"""`Retention`: what the law keeps, what it ends, from when and how long. Frozen, checked at birth, hashed.

A minimum (`Keep`) says until when a value stays, a maximum (`Limit`) until when it may. Minimums win.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vault.model import canonical
from vault.model.grants import CLASSES
from vault.model.names import FIELD_TYPE
from vault.retention.calendar import LAST_INSTANT, MonthDay, day_of

Anchor = Literal["collected", "last_processed", "relationship_ended", "invoice_year"]
When = Literal["always", "invoiced", "not_invoiced"]
ANCHORS: tuple[Anchor, ...] = ("collected", "last_processed", "relationship_ended", "invoice_year")
WHENS: tuple[When, ...] = ("always", "invoiced", "not_invoiced")

PROVABLE_MONTHS = 12
"""The log keeps who opened what for at least twelve full months: a longer silence could not be shown."""

LONGEST_MONTHS = 1_200
_PROFILE = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,32}){0,2}", re.ASCII)
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]{1,200}")
_MOST = 64


class RetentionError(ValueError):
    """The rules, or the facts, are none. `rule` says what is wrong, `where` names the table or key."""

    def __init__(self, rule: str, where: str = "") -> None:
        super().__init__(f"{where}: {rule}" if where else rule)
        self.rule = rule
        self.where = where


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A period that the law counts for some classes of field, from something that happens."""

    name: str
    law: str
    classes: frozenset[str]
    anchor: Anchor
    types: frozenset[str] = frozenset()
    """Only these types of the classes; none named is all."""
    due: MonthDay | None = None
    """With `invoice_year`: counted from the first such day after the year, not from its end."""
    years: int = 0
    months: int = 0
    when: When = "always"

    @property
    def length(self) -> int:
        """The whole period in months."""
        return 12 * self.years + self.months

    def covers(self, *, field_class: str, field_type: str) -> bool:
        """Whether the clock is about values of this type."""
        return field_class in self.classes and (not self.types or field_type in self.types)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep(Clock):
    """A minimum: until its last day is over the value is not erased."""

    blocks_until_anchor: bool = False
    """Whether it forbids erasing before the relationship has ended, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Clock):
    """A maximum: after its last day the value is erased, or archived while a minimum holds."""


@dataclass(frozen=True, slots=True)
class Retention:
    """The rules of one profile. `hash` is the SHA-256 (hex) of its canonical JSON and stands in every act.

    The order of the clocks does not count: they are sorted by name.

    Raises: RetentionError when they break a rule, so that every Retention there is holds them.
    """

    profile: str
    title: str
    timezone: str
    year_starts: MonthDay
    keeps: tuple[Keep, ...]
    limits: tuple[Limit, ...]
    zone: ZoneInfo = field(init=False, repr=False, compare=False)
    hash: str = field(init=False, default="", compare=False)

    def __post_init__(self) -> None:
        _check(self)
        for name in ("keeps", "limits"):
            object.__setattr__(self, name, tuple(sorted(getattr(self, name), key=lambda clock: clock.name)))
        object.__setattr__(self, "zone", _zone(self.timezone))
        object.__setattr__(self, "hash", sha256(to_canonical(self)).hexdigest())

    def day(self, instant: int) -> date:
        """The day on which the law sees an instant (µs since 1970 UTC). Raises: RetentionError."""
        if type(instant) is not int or not 0 <= instant <= LAST_INSTANT:
            raise RetentionError("an instant is in microseconds since 1970, up to the year 8999")
        return day_of(instant, self.zone)


def _check(retention: Retention) -> None:
    if _PROFILE.fullmatch(retention.profile) is None:
        raise RetentionError("a profile is written [a-z][a-z0-9_]{0,31}", "profile")
    if _TEXT.fullmatch(retention.title) is None:
        raise RetentionError("one line of 1 to 200 characters", "title")
    if retention.year_starts.day > 28:
        raise RetentionError("a financial year starts on a day that every month has", "year_starts")
    clocks = [("keep", clock) for clock in retention.keeps] + [("limit", clock) for clock in retention.limits]
    if not 1 <= len(clocks) <= _MOST:
        raise RetentionError(f"1 to {_MOST} clocks, keep and limit together")
    if len({clock.name for _, clock in clocks}) != len(clocks):
        raise RetentionError("two clocks have one name")
    for kind, clock in clocks:
        where = f"{kind}.{clock.name}" if _NAME.fullmatch(clock.name) else kind
        _check_scope(where, clock)
        _check_time(where, clock)


def _check_scope(where: str, clock: Clock) -> None:
    if _NAME.fullmatch(clock.name) is None:
        raise RetentionError("a clock is written [a-z][a-z0-9_]{0,63}", where)
    if _TEXT.fullmatch(clock.law) is None:
        raise RetentionError("one line of 1 to 200 characters", f"{where}.law")
    if not clock.classes or not clock.classes <= set(CLASSES):
        raise RetentionError(f"at least one class of {', '.join(CLASSES)}", f"{where}.classes")
    if len(clock.types) > _MOST or any(FIELD_TYPE.fullmatch(name) is None for name in clock.types):
        raise RetentionError(f"at most {_MOST} field types, each written [a-z0-9_]{{1,32}}", f"{where}.types")
    if clock.when not in WHENS:
        raise RetentionError(f"one of {', '.join(WHENS)}", f"{where}.when")


def _check_time(where: str, clock: Clock) -> None:
    if clock.anchor not in ANCHORS:
        raise RetentionError(f"one of {', '.join(ANCHORS)}", f"{where}.anchor")
    for part in ("years", "months"):
        if type(getattr(clock, part)) is not int or not 0 <= getattr(clock, part) <= LONGEST_MONTHS:
            raise RetentionError(f"a whole number from 0 to {LONGEST_MONTHS}", f"{where}.{part}")
    if not 1 <= clock.length <= LONGEST_MONTHS:
        raise RetentionError("a clock runs for 1 month to 100 years", where)
    if clock.anchor == "last_processed" and clock.length > PROVABLE_MONTHS:
        raise RetentionError("counted from the last processing, at most 12 months can be proven", where)
    if clock.anchor == "invoice_year" and clock.when == "not_invoiced":
        raise RetentionError("a clock of the invoice year needs an invoice", f"{where}.when")
    if clock.due is not None and clock.anchor != "invoice_year":
        raise RetentionError("only a clock of the invoice year has a due date", f"{where}.due")
    if isinstance(clock, Keep) and clock.blocks_until_anchor and clock.anchor != "relationship_ended":
        raise RetentionError(
            "only a clock of the relationship's end can wait", f"{where}.blocks_until_anchor"
        )


def _zone(name: str) -> ZoneInfo:
    """Read from the machine's time zone database, as a module is; a machine without one is refused."""
    try:
        if _ZONE.fullmatch(name) is not None:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise RetentionError("no time zone of this name in the machine's database", "timezone")


def to_canonical(retention: Retention) -> bytes:
    """The rules as canonical JSON: what is signed, stored and hashed."""
    return canonical.dump(to_dict(retention))


def to_dict(retention: Retention) -> dict[str, Any]:
    """The rules as plain data; `from_canonical` reads them back."""
    return {
        "v": 1,
        "profile": retention.profile,
        "title": retention.title,
        "timezone": retention.timezone,
        "year_starts": str(retention.year_starts),
        "keep": _clock_dicts(retention.keeps),
        "limit": _clock_dicts(retention.limits),
    }


def _clock_dicts(clocks: Iterable[Clock]) -> dict[str, Any]:
    return {clock.name: _clock_dict(clock) for clock in clocks}


def _clock_dict(clock: Clock) -> dict[str, Any]:
    told: dict[str, Any] = {
        "law": clock.law,
        "classes": sorted(clock.classes),
        "types": sorted(clock.types),
        "anchor": clock.anchor,
        "years": clock.years,
        "months": clock.months,
        "when": clock.when,
    }
    if clock.due is not None:
        told["due"] = str(clock.due)
    if isinstance(clock, Keep):
        told["blocks_until_anchor"] = clock.blocks_until_anchor
    return told
