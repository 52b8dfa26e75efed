"""What is known of one value and its subject, and from when to when a clock runs over it. Judges nothing."""

from dataclasses import dataclass
from datetime import date

from vault.retention.calendar import (
    FIRST_DAY,
    LAST_DAY,
    LAST_INSTANT,
    ONE_DAY,
    FinancialYear,
    add_months,
    financial_year,
    first_on_or_after,
)
from vault.retention.rules import Clock, Retention, RetentionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the clocks count from. Instants are µs since 1970 UTC; dates are days in the profile's zone.

    Raises: RetentionError when one lies outside the calendar.
    """

    collected: int
    last_processed: int | None = None
    """The last opening or change on record; None when there is none, or none that the log still holds."""
    ended: date | None = None
    """The last day of the relationship; None while it lasts."""
    invoices: tuple[date, ...] = ()
    """The days of the subject's invoices, in any order."""

    def __post_init__(self) -> None:
        for part in ("collected", "last_processed"):
            instant = getattr(self, part)
            known = type(instant) is int and 0 <= instant <= LAST_INSTANT
            if not known and (instant is not None or part == "collected"):
                raise RetentionError("an instant is in microseconds since 1970, up to the year 8999", part)
        if self.ended is not None:
            _check_day(self.ended, "ended")
        for invoice in self.invoices:
            _check_day(invoice, "invoices")

    @property
    def touched(self) -> int:
        """When the value was last processed. Collecting it is processing, too."""
        return max(self.collected, self.last_processed or 0)


@dataclass(frozen=True, slots=True)
class Run:
    """A clock that runs: from the day it counts from, to its last day."""

    start: date
    end: date
    year: FinancialYear | None = None
    """The year of the last invoice, when the clock counts from it."""


def applies(clock: Clock, facts: Facts) -> bool:
    """Whether the clock is about subjects like this one, with or without an invoice."""
    return clock.when == "always" or (clock.when == "invoiced") == bool(facts.invoices)


def run_of(clock: Clock, facts: Facts, retention: Retention) -> Run | None:
    """How the clock runs; None when what it counts from has not happened."""
    if clock.anchor == "invoice_year":
        return _over_the_books(clock, facts, retention)
    start = _anchor(clock, facts, retention)
    return None if start is None else Run(start, add_months(start, clock.length))


def _anchor(clock: Clock, facts: Facts, retention: Retention) -> date | None:
    if clock.anchor == "relationship_ended":
        return facts.ended
    return retention.day(facts.collected if clock.anchor == "collected" else facts.touched)


def _over_the_books(clock: Clock, facts: Facts, retention: Retention) -> Run | None:
    """Whole years from the end of the last invoice's year; from a due date, as from any other day."""
    if not facts.invoices:
        return None
    year = financial_year(max(facts.invoices), retention.year_starts)
    if clock.due is None:
        return Run(year.last, add_months(year.following, clock.length) - ONE_DAY, year)
    due = first_on_or_after(clock.due, year.following)
    return Run(due, add_months(due, clock.length), year)


def _check_day(day: date, where: str) -> None:
    if type(day) is not date or not FIRST_DAY <= day <= LAST_DAY:
        raise RetentionError("a day, without a time, from 1900 to 8999", where)
