"""Budgets: how much one credential may open for one purpose, and at which hours. Frozen; counted elsewhere.

A budget is named after a purpose, or after `export` or `disclose`, which have none. An hour is one of UTC, a
day is a civil day of the budget's time zone.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vault.model.grants import PURPOSE

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST = 1_000_000_000
"""The largest number a limit may have."""
MOST_CREDENTIALS = 256
DAY = 24 * 60
UNPURPOSED = frozenset({"export", "disclose"})
"""Verbs that open values for no purpose; their budgets carry their name."""
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,32}){0,2}", re.ASCII)
_CREDENTIAL = re.compile(r"[a-z0-9_-]{1,32}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_US, _MINUTE_US = 3_600_000_000, 60_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """At most so much; None: no limit of this kind."""

    subjects_per_hour: int | None = None
    subjects_per_day: int | None = None
    values_per_minute: int | None = None

    def within(self, other: "Limits") -> "Limits":
        """The narrower of both, limit by limit."""
        return Limits(*(_least(getattr(self, name), getattr(other, name)) for name in LIMITS))


LIMITS = tuple(one.name for one in fields(Limits))


@dataclass(frozen=True, slots=True)
class Hours:
    """From one minute of the day until before another, on some days of the week; else `outside` holds."""

    days: frozenset[str]
    since: int
    until: int
    """Minutes since midnight, `until` up to 1440; it is the later one."""
    outside: Limits | None = None
    """None: refused."""

    def minutes(self) -> frozenset[int]:
        """The minutes of the week that are inside."""
        return frozenset(
            DAYS.index(day) * DAY + minute for day in self.days for minute in range(self.since, self.until)
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """What one credential may open for one purpose."""

    limits: Limits
    timezone: str = "UTC"
    hours: Hours | None = None
    credentials: Mapping[str, Limits] = field(default_factory=dict)
    """Narrower limits, by the credential's name without its tenant."""

    def day(self, instant: int) -> int:
        """The number of the civil day of an instant (µs since 1970)."""
        return self._local(instant).toordinal()

    def limits_at(self, name: str, instant: int) -> Limits | None:
        """What holds for a credential at an instant; None: nothing is opened now."""
        limits = self.limits.within(self.credentials.get(name, Limits()))
        if self.hours is None or self._inside(self.hours, instant):
            return limits
        return None if self.hours.outside is None else limits.within(self.hours.outside)

    def _inside(self, hours: Hours, instant: int) -> bool:
        local = self._local(instant)
        minute = local.hour * 60 + local.minute
        return DAYS[local.weekday()] in hours.days and hours.since <= minute < hours.until

    def _local(self, instant: int) -> datetime:
        return (_EPOCH + timedelta(microseconds=instant)).astimezone(ZoneInfo(self.timezone))


def hour(instant: int) -> int:
    """The number of the hour of an instant."""
    return instant // _HOUR_US


def minute(instant: int) -> int:
    """The number of the minute of an instant."""
    return instant // _MINUTE_US


def faults(name: str, budget: Budget) -> Iterator[tuple[str, str]]:
    """Each rule that a budget breaks: (where, rule)."""
    where = f"budgets.{name}" if PURPOSE.fullmatch(name) else "budgets"
    if not _is_zone(budget.timezone):
        yield f"{where}.timezone", "no time zone of this name in the machine's database"
    yield from _limits_faults(where, budget.limits)
    if budget.hours is not None:
        yield from _hours_faults(f"{where}.hours", budget.hours)
    if len(budget.credentials) > MOST_CREDENTIALS:
        yield f"{where}.credentials", f"at most {MOST_CREDENTIALS} entries"
    for credential, limits in budget.credentials.items():
        if _CREDENTIAL.fullmatch(credential) is None:
            yield f"{where}.credentials", "a credential is written [a-z0-9_-]{1,32}, without its tenant"
            return
        yield from _limits_faults(f"{where}.credentials.{credential}", limits)
    said = [given(one) for one in budget.credentials.values()]
    if not all(said) or not (given(budget.limits) or said or budget.hours):
        yield where, "a budget, and each credential in it, limits something"


def given(limits: Limits) -> dict[str, Any]:
    """The limits that are set, by name."""
    return {name: value for name in LIMITS if (value := getattr(limits, name)) is not None}


def to_dict(budget: Budget) -> dict[str, Any]:
    """A budget as plain data, without what it does not say."""
    data: dict[str, Any] = given(budget.limits)
    if budget.timezone != "UTC":
        data["timezone"] = budget.timezone
    if budget.hours is not None:
        data["hours"] = _hours_dict(budget.hours)
    if budget.credentials:
        data["credentials"] = {name: given(limits) for name, limits in budget.credentials.items()}
    return data


def clock(minutes: int) -> str:
    """A minute of the day as HH:MM."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _hours_dict(hours: Hours) -> dict[str, Any]:
    return {
        "days": [day for day in DAYS if day in hours.days],
        "from": clock(hours.since),
        "until": clock(hours.until),
        "outside": "refuse" if hours.outside is None else given(hours.outside),
    }


def _limits_faults(where: str, limits: Limits) -> Iterator[tuple[str, str]]:
    for name, value in given(limits).items():
        if type(value) is not int or not 1 <= value <= MOST:
            yield f"{where}.{name}", f"a whole number from 1 to {MOST}"


def _hours_faults(where: str, hours: Hours) -> Iterator[tuple[str, str]]:
    if not hours.days or not hours.days <= set(DAYS):
        yield f"{where}.days", f"some of {', '.join(DAYS)}"
    if not 0 <= hours.since < hours.until <= DAY:
        yield where, "from is earlier than until, both on one day, written HH:MM"
    if hours.outside is not None:
        yield from _limits_faults(f"{where}.outside", hours.outside)
        if not given(hours.outside):
            yield f"{where}.outside", "refuse, or limits"


def _least(a: int | None, b: int | None) -> int | None:
    given = [one for one in (a, b) if one is not None]
    return min(given) if given else None


def _is_zone(name: str) -> bool:
    try:
        return _ZONE.fullmatch(name) is not None and ZoneInfo(name) is not None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
