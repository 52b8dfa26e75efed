"""Properties of retention rules, calendars and verdicts over generated ones."""

import contextlib
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from vault.model import canonical
from vault.model.grants import CLASSES
from vault.retention.calendar import (
    FIRST_DAY,
    LAST_DAY,
    LAST_INSTANT,
    MonthDay,
    add_months,
    financial_year,
    first_on_or_after,
    read_month_day,
)
from vault.retention.facts import Facts
from vault.retention.judge import ArchiveUntil, EraseNow, Verdict, judge
from vault.retention.load import from_canonical, parse_toml
from vault.retention.rules import ANCHORS, WHENS, Keep, Limit, Retention, RetentionError, to_canonical

LINE = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
TYPES = {"pan": "tax", "bank_account": "payment", "email": "contact", "staff_no": "identity"}
ZONES = ("Asia/Kolkata", "Europe/Brussels", "America/New_York", "Pacific/Kiritimati")
DAYS = st.dates(FIRST_DAY, LAST_DAY)
NEAR_DAYS = st.dates(date(2019, 1, 1), date(2036, 12, 31))
MONTH_DAYS = st.dates(date(2000, 1, 1), date(2000, 12, 31)).map(lambda d: MonthDay(d.month, d.day))
YEAR_STARTS = MONTH_DAYS.filter(lambda d: d.day <= 28)
NEAR_INSTANTS = st.integers(1_546_300_800_000_000, 2_114_380_800_000_000)
INSTANTS = st.integers(0, LAST_INSTANT) | NEAR_INSTANTS
SUBJECTS = st.sampled_from(sorted(TYPES))


@st.composite
def clocks(draw, kind, name: str):
    anchor = draw(st.sampled_from(ANCHORS))
    books = anchor == "invoice_year"
    length = draw(st.integers(1, 12 if anchor == "last_processed" else 150) | st.just(12))
    years = draw(st.integers(0, length // 12))
    blocks = {"blocks_until_anchor": draw(st.booleans())} if kind is Keep else {}
    return kind(
        name=name,
        law=draw(LINE),
        classes=draw(st.frozensets(st.sampled_from(CLASSES), min_size=1)),
        types=draw(st.just(frozenset()) | st.frozensets(st.sampled_from(sorted(TYPES)))),
        anchor=anchor,
        due=draw(st.none() | MONTH_DAYS) if books else None,
        years=years,
        months=length - 12 * years,
        when=draw(st.sampled_from(WHENS[:2] if books else WHENS)),
        **(blocks if anchor == "relationship_ended" else {}),
    )


@st.composite
def retentions(draw) -> Retention:
    names = [f"clock{n}" for n in range(draw(st.integers(1, 6)))]
    keeps = draw(st.integers(0, len(names)))
    return Retention(
        profile="test",
        title=draw(LINE),
        timezone=draw(st.sampled_from(ZONES)),
        year_starts=draw(YEAR_STARTS),
        keeps=tuple(draw(clocks(Keep, name)) for name in names[:keeps]),
        limits=tuple(draw(clocks(Limit, name)) for name in names[keeps:]),
    )


def facts(days=NEAR_DAYS, instants=NEAR_INSTANTS) -> st.SearchStrategy[Facts]:
    return st.builds(
        Facts,
        collected=instants,
        last_processed=st.none() | instants,
        ended=st.none() | days,
        invoices=st.lists(days, max_size=3).map(tuple),
    )


def judged(retention: Retention, known: Facts, field_type: str, today: date) -> Verdict:
    return judge(retention, field_type=field_type, field_class=TYPES[field_type], facts=known, today=today)


@given(retentions(), facts(DAYS, INSTANTS), SUBJECTS, st.dates())
def test_every_value_gets_a_verdict_with_its_words(retention, known, field_type, today):
    """The judge is total over rules, facts and days, and each clock says one printable sentence."""
    verdict = judged(retention, known, field_type, today)
    for reading in verdict.readings:
        assert reading.sentence.endswith(".")
        assert reading.clock.law in reading.sentence
        assert "\n" not in reading.sentence
    assert isinstance(verdict.proposal(today), EraseNow | ArchiveUntil)
    assert str(verdict.proposal(today)).endswith(".")


@given(retentions(), facts(), SUBJECTS, NEAR_DAYS)
def test_nothing_may_go_while_a_minimum_holds(retention, known, field_type, today):
    """Erasable and held exclude each other, for each minimum; what must go may go."""
    verdict = judged(retention, known, field_type, today)
    held = [r for r in verdict.readings if isinstance(r.clock, Keep) and r.end is not None and today <= r.end]
    assert not (held and verdict.may_erase(today))
    assert verdict.may_erase(today) == isinstance(verdict.proposal(today), EraseNow)
    assert verdict.may_erase(today) or not verdict.must_erase(today)
    assert not (verdict.must_erase(today) and verdict.must_archive(today))
    until = verdict.keep_until
    assert verdict.may_erase(today) == (not verdict.waits and (until is None or today > until))


@given(retentions(), facts(), SUBJECTS, NEAR_DAYS)
def test_a_proposal_to_archive_cites_a_law_that_holds(retention, known, field_type, today):
    """The law it names is that of a minimum that holds, and none holds longer."""
    verdict = judged(retention, known, field_type, today)
    proposed = verdict.proposal(today)
    assume(isinstance(proposed, ArchiveUntil))
    laws = {r.clock.law for r in verdict.readings if r.holds(today) and r.end == proposed.until}
    assert proposed.law in laws
    assert proposed.until == (None if verdict.waits else verdict.keep_until)


@given(retentions(), facts(), SUBJECTS, NEAR_DAYS, st.integers(0, 4_000))
def test_time_only_frees(retention, known, field_type, today, later):
    """What may go today may go on any later day; it must go exactly from the day that is named."""
    verdict = judged(retention, known, field_type, today)
    then = today + timedelta(days=later)
    assert not verdict.may_erase(today) or verdict.may_erase(then)
    assert not verdict.must_erase(today) or verdict.must_erase(then)
    due = verdict.due_from
    assert verdict.must_erase(then) == (due is not None and then >= due)
    if due is not None:
        assert [verdict.must_erase(due - timedelta(days=1)), verdict.must_erase(due)] == [False, True]


@given(retentions(), st.data(), facts(), SUBJECTS, NEAR_DAYS)
def test_a_maximum_never_shortens_a_minimum(retention, data, known, field_type, today):
    """Whatever maximum is added: what had to stay stays, to the same day, under the same law."""
    added = data.draw(clocks(Limit, "added"))
    before = judged(retention, known, field_type, today)
    after = judged(replace(retention, limits=(*retention.limits, added)), known, field_type, today)
    assert after.keep_until == before.keep_until
    assert after.may_erase(today) == before.may_erase(today)
    assert after.proposal(today) == before.proposal(today)


@given(retentions(), st.data(), facts(), SUBJECTS, NEAR_DAYS)
def test_a_minimum_never_frees(retention, data, known, field_type, today):
    """Whatever minimum is added: nothing becomes erasable, and nothing is kept for less long."""
    added = data.draw(clocks(Keep, "added"))
    before = judged(retention, known, field_type, today)
    after = judged(replace(retention, keeps=(*retention.keeps, added)), known, field_type, today)
    assert before.may_erase(today) or not after.may_erase(today)
    assert (after.keep_until or date.min) >= (before.keep_until or date.min)
    assert after.erase_by == before.erase_by


@given(retentions(), facts(), st.data(), SUBJECTS, NEAR_DAYS)
def test_what_happens_later_is_kept_longer(retention, known, data, field_type, today):
    """Moving an anchor to a later time never brings the end of a minimum, or of a maximum, forward."""
    later = data.draw(st.integers(0, 10**14))
    days = timedelta(days=data.draw(st.integers(0, 3_000)))
    moved = replace(
        known,
        collected=known.collected + later,
        last_processed=None if known.last_processed is None else known.last_processed + later,
        ended=None if known.ended is None else known.ended + days,
        invoices=tuple(day + days for day in known.invoices),
    )
    before, after = (judged(retention, one, field_type, today) for one in (known, moved))
    assert (before.keep_until is None) == (after.keep_until is None)
    assert before.keep_until is None or after.keep_until >= before.keep_until
    assert before.erase_by is None or after.erase_by >= before.erase_by


@given(retentions(), facts(), st.data(), SUBJECTS, NEAR_DAYS)
def test_order_does_not_count(retention, known, data, field_type, today):
    """Clocks and invoices in another order: the same rules, the same hash, the same verdict."""
    turned = replace(
        retention,
        keeps=tuple(data.draw(st.permutations(retention.keeps))),
        limits=tuple(data.draw(st.permutations(retention.limits))),
    )
    shuffled = replace(known, invoices=tuple(data.draw(st.permutations(known.invoices))))
    assert (turned, turned.hash) == (retention, retention.hash)
    assert judged(turned, shuffled, field_type, today) == judged(retention, known, field_type, today)


@given(retentions(), retentions())
def test_rules_survive_their_canonical_text(one, other):
    """Printing and reading give the same rules and hash; other rules have another hash."""
    assert from_canonical(to_canonical(one)) == one
    assert from_canonical(to_canonical(one)).hash == one.hash
    assert (one == other) == (one.hash == other.hash)


@given(DAYS, st.integers(1, 1_200))
def test_months_agree_with_counting_them(day, months):
    """An independent count reaches the same month, and the same day or that month's last."""
    year, month = day.year, day.month
    for _ in range(months):
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    then = add_months(day, months)
    assert (then.year, then.month) == (year, month)
    assert then.day == day.day or (then.day < day.day and (then + timedelta(days=1)).day == 1)


@given(DAYS, YEAR_STARTS)
def test_every_day_is_in_one_financial_year(day, starts):
    """Years have no gaps and no overlaps: each begins on its day and ends before the next one begins."""
    year = financial_year(day, starts)
    assert year.first <= day <= year.last
    assert (year.first.month, year.first.day) == (starts.month, starts.day)
    assert financial_year(year.last, starts) == financial_year(year.first, starts) == year
    assert financial_year(year.following, starts).first == year.following
    assert (year.last - year.first).days in (364, 365)


@given(DAYS, MONTH_DAYS)
def test_a_due_date_comes_within_a_year(day, month_day):
    """It is not before the day, is the day it is called, and no earlier one was passed over."""
    first = first_on_or_after(month_day, day)
    assert timedelta() <= first - day <= timedelta(days=365)
    assert read_month_day(str(month_day)) == month_day
    assert (first.month, first.day) == (month_day.month, month_day.day) or str(month_day) == "02-29"


@given(st.text())
def test_any_text_is_rules_or_a_retention_error(text):
    """The TOML reader raises nothing foreign."""
    with contextlib.suppress(RetentionError):
        parse_toml(text)


SLOTS = st.sampled_from([
    "v", "profile", "title", "timezone", "year_starts", "keep", "limit", "law", "classes", "types", "anchor",
    "due", "years", "months", "when", "blocks_until_anchor", "tax", "collected", "04-01", "in",
])  # fmt: skip
TREES = st.recursive(
    SLOTS | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(SLOTS | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=16,
)


@st.composite
def spoilt(draw) -> object:
    """The plain data of good rules with something else in one or two places."""
    tree = canonical.load(to_canonical(draw(retentions())))
    for _ in range(draw(st.integers(1, 2))):
        at = tree
        while True:
            key = draw(st.sampled_from(sorted(at)))
            if not isinstance(at[key], dict) or not at[key] or draw(st.booleans()):
                break
            at = at[key]
        at[key] = draw(TREES)
    return tree


@given(TREES | spoilt())
def test_any_tree_is_rules_or_a_retention_error(tree):
    """Canonical JSON of any shape is refused with our error, or is rules that print the same."""
    try:
        data = canonical.dump(tree)
    except ValueError:
        return
    with contextlib.suppress(RetentionError):
        assert to_canonical(from_canonical(data)) == data


@given(st.data(), retentions())
def test_any_changed_byte_gives_a_retention_error_or_other_rules(data, retention):
    """Canonical text has one spelling: a cut or changed byte is refused, or prints so."""
    good = to_canonical(retention)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + data.draw(st.binary(max_size=2)) + good[at + 1 :]
    with contextlib.suppress(RetentionError):
        assert to_canonical(from_canonical(bad)) == bad
