"""Properties of budgets over generated ones, at generated moments."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.fakes.authority import POLICY
from vault.policy.budgets import DAYS, LIMITS, Budget, Hours, Limits
from vault.policy.diff import diff
from vault.policy.load import from_canonical, parse_toml
from vault.policy.rules import to_canonical

ZONES = ("UTC", "Asia/Kolkata", "America/New_York", "Pacific/Apia")
NUMBERS = st.none() | st.integers(1, 3)
LIMIT = st.builds(Limits, NUMBERS, NUMBERS, NUMBERS)
INSTANTS = st.integers(0, 4_000_000_000).map(lambda seconds: seconds * 1_000_000)


@st.composite
def hours(draw) -> Hours:
    since = draw(st.integers(0, 1_439))
    outside = draw(st.none() | LIMIT.filter(lambda one: one != Limits()))
    days = draw(st.frozensets(st.sampled_from(DAYS), min_size=1))
    return Hours(days, since, draw(st.integers(since + 1, 1_440)), outside)


@st.composite
def budgets(draw) -> Budget:
    narrower = draw(
        st.dictionaries(st.sampled_from(["pay", "job-1"]), LIMIT.filter(lambda one: one != Limits()))
    )
    limits = draw(LIMIT) if narrower else draw(LIMIT.filter(lambda one: one != Limits()))
    return Budget(limits, draw(st.sampled_from(ZONES)), draw(st.none() | hours()), narrower)


def policy(budget: Budget | None):
    return replace(POLICY, budgets={} if budget is None else {"payment": budget})


def wider(after: Limits | None, before: Limits | None) -> bool:
    """Whether something fits now that did not."""
    if after is None or before is None:
        return before is None and after is not None
    pairs = [(getattr(before, name), getattr(after, name)) for name in LIMITS]
    return any(a is not None and (b is None or b > a) for a, b in pairs)


@given(budgets())
def test_a_budget_survives_its_canonical_text(budget):
    """Printing and reading give the same policy; without budgets it is spelt as before there were any."""
    assert from_canonical(to_canonical(policy(budget))) == policy(budget)
    assert b"budgets" not in to_canonical(policy(None))


@given(st.none() | budgets(), st.none() | budgets(), INSTANTS, st.sampled_from(["pay", "job-1", "x"]))
def test_what_leaves_more_to_a_credential_widens(old, new, at, name):
    """If at any moment a credential may open more than before, the difference says that it widens."""
    before = old.limits_at(name, at) if old else Limits()
    after = new.limits_at(name, at) if new else Limits()
    assume(wider(after, before))
    assert "widens" in {one.effect for one in diff(policy(old), policy(new))}


@given(st.none() | budgets(), st.none() | budgets())
def test_equal_budgets_alone_do_not_differ(old, new):
    """Two policies differ exactly when their hashes do."""
    assert (policy(old).hash == policy(new).hash) == (not diff(policy(old), policy(new)))


@given(budgets().filter(lambda one: one.hours is not None), INSTANTS)
def test_hours_are_those_of_the_wall_clock_there(budget, at):
    """Inside is when a clock on the wall of the zone shows a day and a time that the budget names."""
    local = (datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC")) + timedelta(microseconds=at)).astimezone(
        ZoneInfo(budget.timezone)
    )
    shown = f"{local:%H:%M}"
    opens, shuts = (f"{m // 60:02d}:{m % 60:02d}" for m in (budget.hours.since, budget.hours.until))
    inside = f"{local:%a}".lower() in budget.hours.days and opens <= shown < shuts
    whole = budget.limits.within(budget.credentials.get("pay", Limits()))
    left = None if budget.hours.outside is None else whole.within(budget.hours.outside)
    assert budget.limits_at("pay", at) == (whole if inside else left)


@given(budgets(), INSTANTS)
def test_a_narrower_credential_never_gets_more(budget, at):
    """What a budget says of one credential can only take away."""
    assert not wider(budget.limits_at("pay", at), replace(budget, credentials={}).limits_at("pay", at))


def test_a_budget_is_read_from_toml():
    """As docs/POLICY.md writes it."""
    text = """
version = 1
[purposes.payment]
title = "Payment"
basis = "contract"
law = "GDPR Art. 6(1)(b)"
[budgets.payment]
subjects_per_hour = 100_000
timezone = "Asia/Kolkata"
[budgets.payment.hours]
days = ["mon", "fri"]
from = "07:00"
until = "24:00"
outside = { subjects_per_hour = 10 }
[budgets.payment.credentials.payouts]
values_per_minute = 5
[budgets.export]
subjects_per_day = 20
"""
    found = parse_toml(text).budgets
    hours = Hours(frozenset({"mon", "fri"}), 420, 1_440, Limits(subjects_per_hour=10))
    narrower = {"payouts": Limits(values_per_minute=5)}
    assert found["payment"] == Budget(Limits(100_000), "Asia/Kolkata", hours, narrower)
    assert found["export"].limits == Limits(subjects_per_day=20)
