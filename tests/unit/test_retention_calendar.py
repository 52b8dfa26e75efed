"""Claims about the law's calendar, at its edges."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from vault.retention.calendar import (
    LAST_DAY,
    LAST_INSTANT,
    MonthDay,
    NoSuchDay,
    add_months,
    day_of,
    financial_year,
    first_on_or_after,
    read_month_day,
    written,
)

INDIA = ZoneInfo("Asia/Kolkata")
APRIL = MonthDay(4, 1)


def instant(*at: int) -> int:
    """Microseconds since 1970 of a UTC time."""
    return (datetime(*at, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("utc", "day", "year"),
    [
        ((2027, 3, 31, 18, 29, 59, 999_999), date(2027, 3, 31), "2026-27"),
        ((2027, 3, 31, 18, 30), date(2027, 4, 1), "2027-28"),
        ((2027, 3, 31, 23, 59, 59), date(2027, 4, 1), "2027-28"),
        ((2027, 4, 1, 0, 0), date(2027, 4, 1), "2027-28"),
        ((2027, 3, 30, 18, 30), date(2027, 3, 31), "2026-27"),
    ],
)
def test_the_financial_year_turns_at_midnight_in_india(utc, day, year):
    """An instant belongs to its Indian day: from 18:30 UTC on 31 March it is in the new year."""
    assert day_of(instant(*utc), INDIA) == day
    assert str(financial_year(day, APRIL)) == year


def test_a_day_is_exact_to_the_microsecond_and_far_away():
    """No instant is rounded into another day; the first and the last one have days."""
    last = instant(2262, 4, 11, 18, 29, 59, 999_999)
    assert [day_of(last + n, INDIA).day for n in (0, 1)] == [11, 12]
    assert day_of(0, INDIA) == date(1970, 1, 1)
    assert day_of(LAST_INSTANT, ZoneInfo("UTC")) == LAST_DAY
    assert day_of(0, ZoneInfo("America/New_York")) == date(1969, 12, 31)


def test_a_day_follows_summer_time():
    """In Brussels a day ends at 22:00 UTC in summer and at 23:00 UTC in winter."""
    brussels = ZoneInfo("Europe/Brussels")
    assert day_of(instant(2026, 7, 31, 22), brussels) == date(2026, 8, 1)
    assert day_of(instant(2026, 12, 31, 22, 59, 59), brussels) == date(2026, 12, 31)
    assert day_of(instant(2026, 12, 31, 23), brussels) == date(2027, 1, 1)


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 48, date(2032, 2, 29)),
        (date(2027, 2, 28), 12, date(2028, 2, 28)),
        (date(2096, 2, 29), 48, date(2100, 2, 28)),
        (date(2026, 8, 31), 1, date(2026, 9, 30)),
        (date(2026, 8, 31), 2, date(2026, 10, 31)),
        (date(2026, 12, 31), 72, date(2032, 12, 31)),
        (date(2026, 11, 30), 1, date(2026, 12, 30)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2026, 5, 4), 1_200, date(2126, 5, 4)),
    ],
)
def test_months_end_on_their_day_or_the_last_one(day, months, then):
    """The same day of the later month; where that month is too short, its last day."""
    assert add_months(day, months) == then


@pytest.mark.parametrize(
    ("month_day", "day", "first"),
    [
        ("12-31", date(2027, 4, 1), date(2027, 12, 31)),
        ("12-31", date(2028, 1, 1), date(2028, 12, 31)),
        ("12-31", date(2027, 12, 31), date(2027, 12, 31)),
        ("03-31", date(2027, 4, 1), date(2028, 3, 31)),
        ("04-01", date(2027, 4, 1), date(2027, 4, 1)),
        ("02-29", date(2027, 1, 1), date(2027, 2, 28)),
        ("02-29", date(2028, 1, 1), date(2028, 2, 29)),
        ("02-29", date(2027, 3, 1), date(2028, 2, 29)),
    ],
)
def test_a_due_date_is_the_first_one_not_past(month_day, day, first):
    """The day itself counts; 02-29 is the last of February in any year."""
    assert first_on_or_after(read_month_day(month_day), day) == first


@pytest.mark.parametrize(
    ("day", "starts", "first", "last", "name"),
    [
        (date(2027, 3, 31), "04-01", date(2026, 4, 1), date(2027, 3, 31), "2026-27"),
        (date(2027, 4, 1), "04-01", date(2027, 4, 1), date(2028, 3, 31), "2027-28"),
        (date(2100, 1, 1), "04-01", date(2099, 4, 1), date(2100, 3, 31), "2099-00"),
        (date(2026, 12, 31), "01-01", date(2026, 1, 1), date(2026, 12, 31), "2026"),
        (date(2028, 2, 29), "03-01", date(2027, 3, 1), date(2028, 2, 29), "2027-28"),
        (date(2027, 4, 5), "04-06", date(2026, 4, 6), date(2027, 4, 5), "2026-27"),
    ],
)
def test_a_financial_year_has_its_first_and_last_day(day, starts, first, last, name):
    """Years start on the day they are told to, leap years and calendar years included."""
    year = financial_year(day, read_month_day(starts))
    assert (year.first, year.last, str(year)) == (first, last, name)


@pytest.mark.parametrize("text", ["", "4-1", "13-01", "00-10", "02-30", "04-31", "04-00", "12-31 ", "१२-३१"])
def test_what_is_no_day_of_the_year_is_refused(text):
    """A day of the year is written MM-DD in ASCII and exists."""
    with pytest.raises(NoSuchDay):
        read_month_day(text)
    with pytest.raises(NoSuchDay):
        MonthDay(2, 30)


def test_a_day_of_the_year_survives_its_text():
    """What is read prints the same."""
    assert str(read_month_day("02-29")) == "02-29"


def test_a_letter_writes_days_in_english():
    """Whatever the machine's language, the month has its English name."""
    assert [written(date(2035, 3, 31)), written(date(2027, 12, 1))] == ["31 March 2035", "1 December 2027"]
