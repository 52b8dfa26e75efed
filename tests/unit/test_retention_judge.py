"""Claims about verdicts: until when a value stays, from when it may or must go, and the words for it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from vault.fields import BUILT_IN
from vault.retention.calendar import LAST_INSTANT, MonthDay
from vault.retention.facts import Facts
from vault.retention.judge import ArchiveUntil, EraseNow, Verdict, judge
from vault.retention.load import profiles
from vault.retention.rules import Keep, Limit, Retention, RetentionError

IN, EU = profiles()["in"], profiles()["eu"]
TODAY = date(2026, 11, 25)
DAY = timedelta(days=1)
CLOCK = {"name": "clock", "law": "The Act", "classes": frozenset({"tax"})}


def instant(*at: int) -> int:
    """Microseconds since 1970 of a UTC time."""
    return (datetime(*at, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


SIGNED_UP = instant(2025, 9, 25, 12)
CUSTOMER = Facts(
    collected=SIGNED_UP,
    last_processed=instant(2026, 11, 2, 9),
    invoices=(date(2026, 5, 4), date(2025, 10, 1)),
)


def of(facts: Facts, field_type: str = "pan", today: date = TODAY, rules: Retention = IN) -> Verdict:
    field_class = BUILT_IN[field_type].field_class
    return judge(rules, field_type=field_type, field_class=field_class, facts=facts, today=today)


def one(clock: Keep | Limit) -> Retention:
    """Rules with one clock."""
    keeps, limits = ((clock,), ()) if isinstance(clock, Keep) else ((), (clock,))
    return replace(IN, keeps=keeps, limits=limits)


def said(verdict: Verdict) -> dict[str, str]:
    return {reading.clock.name: reading.sentence for reading in verdict.readings}


def test_an_abandoned_sign_up_is_overdue_after_a_year():
    """An e-mail collected fourteen months ago and never used again may go, and must."""
    verdict = of(Facts(collected=SIGNED_UP), "email")
    assert (verdict.keep_until, verdict.erase_by) == (date(2026, 9, 25), date(2026, 9, 25))
    assert verdict.due_from == verdict.erasable_from == date(2026, 9, 26)
    assert verdict.must_erase(TODAY)
    assert verdict.proposal(TODAY) == EraseNow()


def test_a_fresh_sign_up_stays_its_year():
    """A wish to erase within a year of the last processing is answered by archiving until it is over."""
    verdict = of(Facts(collected=SIGNED_UP, last_processed=instant(2026, 3, 31, 18, 30)), "email")
    assert verdict.proposal(TODAY) == ArchiveUntil(date(2027, 4, 1), "DPDP Rules 2025 r. 8(3)")
    assert not verdict.may_erase(date(2027, 4, 1))
    assert verdict.must_erase(date(2027, 4, 2))


@pytest.mark.parametrize("field_type", ["bank_account", "pan", "gstin", "person_name", "postal_address"])
def test_what_the_books_need_is_archived_until_their_date(field_type):
    """Bank account, PAN, GSTIN, name and address of an invoiced customer stay eight financial years."""
    verdict = of(replace(CUSTOMER, ended=date(2026, 6, 1)), field_type)
    assert verdict.keep_until == date(2035, 3, 31)
    proposed = verdict.proposal(TODAY)
    assert isinstance(proposed, ArchiveUntil)
    assert proposed.until == date(2035, 3, 31)
    assert "Companies Act 2013 s. 128(5)" in proposed.law
    assert verdict.erase_by == date(2027, 6, 1)
    assert [verdict.must_archive(date(2027, 6, d)) for d in (1, 2)] == [False, True]
    assert verdict.must_archive(date(2035, 3, 31))
    assert verdict.must_erase(date(2035, 4, 1))


def test_the_contact_data_of_a_customer_who_left_go_after_a_year():
    """The e-mail of an invoiced customer is held neither by the books nor beyond a year after the end."""
    verdict = of(replace(CUSTOMER, ended=date(2026, 11, 2)), "email")
    assert (verdict.keep_until, verdict.erase_by) == (date(2027, 11, 2), date(2027, 11, 2))
    assert verdict.due_from == date(2027, 11, 3)


def test_a_customer_who_stays_keeps_his_contact_data():
    """While the relationship lasts an invoiced customer's e-mail is not overdue after a silent year."""
    quiet = replace(CUSTOMER, last_processed=None)
    assert not of(quiet, "email").must_erase(TODAY)
    assert of(quiet, "email").may_erase(TODAY)
    assert of(quiet, "ip_address").must_erase(TODAY)


def test_every_indian_clock_of_the_books_ends_on_its_date():
    """Eight years, seven years, and 72 months from 31 December, for an invoice of 2026-27."""
    ends = {reading.clock.name: reading.end for reading in of(CUSTOMER).readings}
    assert ends["companies_act_books"] == date(2035, 3, 31)
    assert ends["income_tax_books"] == date(2034, 3, 31)
    assert ends["cgst_records"] == date(2033, 12, 31)


def test_accounts_of_2017_18_were_kept_until_the_end_of_2024():
    """The textbook case of s. 36 CGST: due on 31 December 2018, 72 months on top."""
    facts = replace(CUSTOMER, invoices=(date(2018, 3, 31),))
    gst = next(r for r in of(facts).readings if r.clock.name == "cgst_records")
    assert (gst.start, gst.end) == (date(2018, 12, 31), date(2024, 12, 31))
    assert not gst.holds(TODAY)


@pytest.mark.parametrize(
    ("invoices", "until"),
    [
        ((date(2027, 3, 31),), date(2035, 3, 31)),
        ((date(2027, 4, 1),), date(2036, 3, 31)),
        ((date(2027, 4, 1), date(2019, 1, 1)), date(2036, 3, 31)),
        ((date(2019, 1, 1), date(2027, 4, 1), date(2027, 3, 31)), date(2036, 3, 31)),
    ],
)
def test_the_latest_invoice_year_counts(invoices, until):
    """A day decides over a year, and of several invoices the latest one, in whatever order they come."""
    assert of(replace(CUSTOMER, invoices=invoices)).keep_until == until


def test_a_period_counts_from_the_indian_day():
    """Half a second before and at midnight in India are two days, a year later as well."""
    for at, until in (
        (instant(2026, 3, 31, 18, 29, 59, 500_000), date(2027, 3, 31)),
        (instant(2026, 3, 31, 18, 30), date(2027, 4, 1)),
    ):
        assert of(Facts(collected=at), "email").keep_until == until


def test_leap_days_end_on_the_last_of_february():
    """A year from 29 February ends on the 28th, and is over on 1 March."""
    verdict = of(Facts(collected=instant(2028, 2, 29, 6)), "email")
    assert verdict.keep_until == date(2029, 2, 28)
    assert verdict.erasable_from == date(2029, 3, 1)


def test_a_year_that_ends_in_february_ends_on_the_29th_when_there_is_one():
    """Whole financial years end with a financial year, not a fixed number of days later."""
    keep = Keep(**CLOCK, anchor="invoice_year", years=1)
    rules = replace(one(keep), year_starts=MonthDay(3, 1))
    assert of(replace(CUSTOMER, invoices=(date(2026, 5, 4),)), rules=rules).keep_until == date(2028, 2, 29)


def test_a_due_date_lies_after_the_year_never_in_it():
    """Where the year ends on the due date itself, the next one counts."""
    keep = Keep(**CLOCK, anchor="invoice_year", due=MonthDay(12, 31), months=1)
    rules = replace(one(keep), year_starts=MonthDay(1, 1))
    assert of(CUSTOMER, rules=rules).readings[0].start == date(2027, 12, 31)
    assert of(CUSTOMER, rules=rules).keep_until == date(2028, 1, 31)


def test_collecting_counts_as_processing():
    """Without a later act on record, and with an earlier one, the period runs from the collection."""
    keep = one(Keep(**CLOCK, anchor="last_processed", months=12))
    for last in (None, instant(2020, 1, 1)):
        facts = Facts(collected=SIGNED_UP, last_processed=last)
        assert of(facts, rules=keep).keep_until == date(2026, 9, 25)


def test_a_period_from_the_collection_is_not_renewed():
    """What counts from the collection ends on its day, however often the value is opened since."""
    rules = one(Limit(**CLOCK, anchor="collected", years=1))
    assert of(CUSTOMER, rules=rules).erase_by == date(2026, 9, 25)


def test_on_its_last_day_a_period_is_not_over():
    """In words as in deeds: the last day still belongs to the period, the next one does not."""
    facts = Facts(collected=SIGNED_UP)
    last = date(2026, 9, 25)
    for today, words in ((last, "Kept until"), (last + DAY, "No longer kept")):
        verdict = of(facts, "email", today)
        assert said(verdict)["one_year_from_processing"].startswith(words)
        assert verdict.may_erase(today) == verdict.must_erase(today) == (today > last)


def test_a_clock_that_has_not_started_says_so_and_holds_nothing():
    """Without the end of the relationship, or an invoice, a minimum does not run; the answer says why."""
    for anchor, reason in (
        ("relationship_ended", "the relationship has not ended"),
        ("invoice_year", "there is no invoice"),
    ):
        verdict = of(Facts(collected=SIGNED_UP), rules=one(Keep(**CLOCK, anchor=anchor, years=5)))
        assert verdict.readings[0].sentence.startswith(f"Does not run yet: {reason}")
        assert (verdict.keep_until, verdict.erasable_from, verdict.waits) == (None, None, False)
        assert verdict.proposal(TODAY) == EraseNow()


def test_a_clock_may_block_until_it_starts():
    """With blocks_until_anchor nothing goes before the relationship has ended; then the period counts."""
    rules = one(Keep(**CLOCK, anchor="relationship_ended", years=5, blocks_until_anchor=True))
    verdict = of(Facts(collected=SIGNED_UP), rules=rules)
    assert verdict.waits
    assert not verdict.may_erase(date(2999, 1, 1))
    assert verdict.proposal(TODAY) == ArchiveUntil(None, "The Act")
    assert (verdict.keep_until, verdict.erasable_from, verdict.due_from) == (None, None, None)
    assert "has ended" in str(verdict.proposal(TODAY))
    ended = of(Facts(collected=SIGNED_UP, ended=date(2026, 2, 28)), rules=rules)
    assert (ended.keep_until, ended.waits) == (date(2031, 2, 28), False)


def test_a_maximum_waits_while_a_minimum_blocks_without_a_date():
    """Overdue under a maximum, held by a minimum without a last day: archived, with no day to be erased."""
    keep = Keep(**CLOCK, anchor="relationship_ended", years=5, blocks_until_anchor=True)
    limit = Limit(**{**CLOCK, "name": "limit"}, anchor="collected", months=1)
    verdict = of(Facts(collected=SIGNED_UP), rules=replace(IN, keeps=(keep,), limits=(limit,)))
    assert verdict.must_archive(TODAY)
    assert not verdict.must_erase(TODAY)
    assert verdict.due_from is None


def test_one_minimum_without_a_last_day_outweighs_those_that_have_one():
    """While one minimum waits for its beginning there is no day to erase on, nor to archive until."""
    keep = Keep(**CLOCK, anchor="relationship_ended", years=5, blocks_until_anchor=True)
    dated = Keep(**{**CLOCK, "name": "dated", "law": "Another"}, anchor="collected", years=20)
    verdict = of(Facts(collected=SIGNED_UP), rules=replace(IN, keeps=(dated, keep), limits=()))
    assert verdict.keep_until == date(2045, 9, 25)
    assert verdict.erasable_from is None
    assert verdict.proposal(TODAY) == ArchiveUntil(None, "The Act")
    assert not verdict.must_archive(TODAY)


def test_conditions_choose_the_subjects():
    """A clock for invoiced subjects is stated and does not run for others, and the other way round."""
    invoiced, others = said(of(CUSTOMER, "email")), said(of(Facts(collected=SIGNED_UP), "email"))
    assert invoiced["no_invoice"].startswith("Does not apply")
    assert others["relationship_over"].startswith("Does not apply")
    assert others["no_invoice"].startswith("Was to be erased by 25 September 2026")


def test_clocks_are_about_their_classes_and_types_only():
    """An address is kept for the invoice it stands on; phone numbers of the same class are not."""
    assert "invoice_address" in said(of(CUSTOMER, "postal_address"))
    assert "invoice_address" not in said(of(CUSTOMER, "phone"))
    assert "companies_act_books" not in said(of(CUSTOMER, "phone"))


def test_of_several_minimums_the_latest_is_named():
    """The proposal cites the law that holds longest, and the next one when that is over."""
    verdict = of(CUSTOMER)
    assert verdict.proposal(date(2034, 3, 31)).law == "Companies Act 2013 s. 128(5)"
    assert str(verdict.proposal(TODAY)) == "Archive until 31 March 2035: Companies Act 2013 s. 128(5)."
    both = replace(
        IN,
        keeps=(
            Keep(**{**CLOCK, "name": "b", "law": "B"}, anchor="collected", months=24),
            Keep(**{**CLOCK, "name": "a", "law": "A"}, anchor="collected", years=2),
        ),
    )
    assert of(CUSTOMER, rules=both).proposal(TODAY).law == "A"


def test_the_words_are_fit_for_a_letter():
    """Each clock says in one sentence until when, under which law, how long and from what."""
    told = said(of(replace(CUSTOMER, ended=date(2026, 6, 1))))
    assert told["companies_act_books"] == (
        "Kept until 31 March 2035: Companies Act 2013 s. 128(5), "
        "8 financial years after the year of the last invoice (2026-27)."
    )
    assert told["cgst_records"] == (
        "Kept until 31 December 2033: CGST Act 2017 s. 36, 72 months after 31 December 2027, "
        "the due date for the year of the last invoice (2026-27)."
    )
    assert told["one_year_from_processing"] == (
        "Kept until 2 November 2027: DPDP Rules 2025 r. 8(3), "
        "12 months after it was last processed on 2 November 2026."
    )
    assert told["relationship_over"] == (
        "To be erased by 1 June 2027, unless a law keeps it longer: DPDP Act 2023 s. 8(7), "
        "12 months after the relationship ended on 1 June 2026."
    )
    over = said(of(replace(CUSTOMER, ended=date(2026, 6, 1)), today=date(2035, 4, 1)))
    assert over["companies_act_books"].startswith("No longer kept; it was until 31 March 2035: ")


@pytest.mark.parametrize(
    ("length", "words"),
    [
        ({"years": 1}, "1 year"),
        ({"years": 2, "months": 6}, "2 years and 6 months"),
        ({"months": 1}, "1 month"),
    ],
)
def test_lengths_are_said_as_they_are_written(length, words):
    """Years and months, one or several, as the rules count them."""
    verdict = of(Facts(collected=SIGNED_UP), rules=one(Keep(**CLOCK, anchor="collected", **length)))
    assert f"The Act, {words} after it was collected on 25 September 2025." in said(verdict)["clock"]


@pytest.mark.parametrize("changes", [
    {"collected": -1}, {"collected": LAST_INSTANT + 1}, {"collected": None}, {"collected": True},
    {"collected": 1.5}, {"last_processed": -1}, {"last_processed": "1"}, {"ended": date(9000, 1, 1)},
    {"ended": datetime(2026, 1, 1, tzinfo=UTC)}, {"invoices": (date(1899, 12, 31),)},
    {"invoices": ("2026-01-01",)},
])  # fmt: skip
def test_facts_outside_the_calendar_are_refused(changes):
    """An instant that is none, a day with a time, a year out of reach: no verdict rests on them."""
    with pytest.raises(RetentionError) as caught:
        replace(CUSTOMER, **changes)
    assert caught.value.where == next(iter(changes))


@pytest.mark.parametrize(
    ("field_type", "field_class", "today"),
    [
        ("pan", "money", TODAY),
        ("pan", "", TODAY),
        ("PAN", "tax", TODAY),
        ("", "tax", TODAY),
        ("pan", "tax", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_what_nobody_knows_is_not_judged(field_type, field_class, today):
    """A class that no clock could be about would be free to go: it is refused instead."""
    with pytest.raises(RetentionError):
        judge(IN, field_type=field_type, field_class=field_class, facts=CUSTOMER, today=today)


def test_the_day_of_an_instant_is_asked_of_the_rules():
    """The service learns the law's today from the profile; an instant that is none is refused."""
    assert IN.day(instant(2027, 3, 31, 18, 30)) == date(2027, 4, 1)
    assert EU.day(instant(2027, 3, 31, 18, 30)) == date(2027, 3, 31)
    for wrong in (-1, LAST_INSTANT + 1, 1.0, True):
        with pytest.raises(RetentionError):
            IN.day(wrong)


def test_the_european_example_counts_calendar_years():
    """Ten calendar years for the books; an unused sign-up may go at once, and must after a year."""
    assert of(CUSTOMER, rules=EU).keep_until == date(2036, 12, 31)
    fresh = of(Facts(collected=SIGNED_UP, last_processed=instant(2026, 11, 1)), "email", rules=EU)
    assert fresh.may_erase(TODAY)
    assert not fresh.must_erase(TODAY)
    assert fresh.erase_by == date(2027, 11, 1)
