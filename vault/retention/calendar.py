"""The law's calendar: civil days, financial years, months and where they end. Knows of no law.

Dates are days in the zone of a profile. The zones come from the time zone database of the machine.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

FIRST_DAY = date(1900, 1, 1)
LAST_DAY = date(8999, 12, 31)
"""Days that a fact may name: the longest period after the last one still has a date."""

ONE_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
LAST_INSTANT = (datetime(9000, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND - 1

_MONTH_DAY = re.compile(r"([0-9]{2})-([0-9]{2})", re.ASCII)
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


class NoSuchDay(ValueError):
    """The text names no day of the year."""


@dataclass(frozen=True, slots=True, order=True)
class MonthDay:
    """A day that comes every year. 02-29 is the last of February, in every year.

    Raises: NoSuchDay.
    """

    month: int
    day: int

    def __post_init__(self) -> None:
        try:
            date(2000, self.month, self.day)  # a leap year
        except (ValueError, TypeError):
            raise NoSuchDay("a day of the year is written MM-DD") from None

    def __str__(self) -> str:
        return f"{self.month:02}-{self.day:02}"

    def of(self, year: int) -> date:
        """This day of that year."""
        return _clamped(year, self.month, self.day)


@dataclass(frozen=True, slots=True)
class FinancialYear:
    """A year as the books count it: from `first` to the day before `following` begins."""

    first: date
    following: date

    @property
    def last(self) -> date:
        """The last day of the year."""
        return self.following - ONE_DAY

    def __str__(self) -> str:
        if self.first.year == self.last.year:
            return str(self.first.year)
        return f"{self.first.year}-{self.last.year % 100:02}"


def read_month_day(text: str) -> MonthDay:
    """Read "MM-DD". Raises: NoSuchDay."""
    match = _MONTH_DAY.fullmatch(text)
    if match is None:
        raise NoSuchDay("a day of the year is written MM-DD")
    return MonthDay(int(match[1]), int(match[2]))


def start_of(day: date, zone: ZoneInfo) -> int:
    """When a day begins in the zone, in µs since 1970."""
    return (datetime(day.year, day.month, day.day, tzinfo=zone) - _EPOCH) // _MICROSECOND


def day_of(instant: int, zone: ZoneInfo) -> date:
    """The civil day of an instant (µs since 1970 UTC, 0 to LAST_INSTANT) in a zone."""
    return (_EPOCH + instant * _MICROSECOND).astimezone(zone).date()


def add_months(day: date, months: int) -> date:
    """The same day that many months later; where that month is too short, its last day."""
    years, month = divmod(day.month - 1 + months, 12)
    return _clamped(day.year + years, month + 1, day.day)


def first_on_or_after(month_day: MonthDay, day: date) -> date:
    """The first such day of a year that is not before `day`."""
    this_year = month_day.of(day.year)
    return this_year if this_year >= day else month_day.of(day.year + 1)


def financial_year(day: date, starts: MonthDay) -> FinancialYear:
    """The year that `day` lies in, where every year begins on `starts`."""
    this_year = starts.of(day.year)
    first = this_year if this_year <= day else starts.of(day.year - 1)
    return FinancialYear(first, starts.of(first.year + 1))


def written(day: date) -> str:
    """A day as a letter writes it: 31 March 2035."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _clamped(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        return date(year + month // 12, month % 12 + 1, 1) - ONE_DAY
