"""When a request must be answered: whole days of the civil calendar where the law is at home. Pure."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from types import MappingProxyType

GRIEVANCE_DAYS = 90
"""DPDP Rules 2025, rule 14: the most there is. No setting makes it longer."""

DAYS: Mapping[str, int] = MappingProxyType(
    {"access": 30, "correction": 30, "erasure": 30, "objection": 30, "grievance": GRIEVANCE_DAYS}
)
"""Days by kind of case, where the tenant has no others. A disclosure is due when the order says so."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def civil_day(at: int, zone: tzinfo) -> date:
    """The day that `at` (µs since 1970) falls on in `zone`."""
    return (_EPOCH + timedelta(microseconds=at)).astimezone(zone).date()


def due_day(kind: str, received: date, days: Mapping[str, int]) -> date | None:
    """The last day for an answer; the day of receipt does not count. None for a kind without a period."""
    period = days.get(kind)
    if period is None:
        return None
    return received + timedelta(days=min(period, GRIEVANCE_DAYS) if kind == "grievance" else period)
