"""Counting against a budget: never more than it says, whatever is asked in whichever order."""

from hypothesis import given
from hypothesis import strategies as st

from vault.model.spent import Spent
from vault.policy.budgets import Budget, Limits
from vault.policy.tally import Tally

NOON = 1_800_014_400_000_000
HOUR, DAY, MINUTE = 3_600_000_000, 86_400_000_000, 60_000_000
SUBJECTS = st.none() | st.sampled_from("abcdef")
LIMITS = st.builds(Limits, *[st.none() | st.integers(1, 5)] * 3)
ASKED = st.lists(st.tuples(st.lists(SUBJECTS, max_size=5), st.booleans()), max_size=8)


def tally(
    limits: Limits,
    before: Spent | None = None,
    seen: dict[str, tuple[int, int]] | None = None,
    at: int = NOON,
) -> Tally:
    return Tally(before or Spent(), Budget(limits), limits, seen or {}, now=at)


@given(LIMITS, ASKED)
def test_no_order_of_requests_gets_more_than_the_budget(limits, asked):
    """An independent count of what was let through never exceeds a limit, and the account agrees with it."""
    counting = tally(limits)
    passed: list[str | None] = []
    for subjects, whole in asked:
        fits = counting.take(subjects, whole=whole)
        assert not whole or fits in (0, len(subjects))
        passed += subjects[:fits]
    different = len({one for one in passed if one is not None}) + passed.count(None)
    most = 10**6
    assert different <= min(limits.subjects_per_hour or most, limits.subjects_per_day or most)
    assert len(passed) <= (limits.values_per_minute or most)
    account = counting.account
    assert (account.hour_subjects, account.day_subjects, account.minute_values) == (
        different,
        different,
        len(passed),
    )


@given(ASKED)
def test_without_a_limit_everything_fits(asked):
    """What no limit bounds is counted and let through."""
    counting = tally(Limits())
    assert all(counting.take(subjects, whole=whole) == len(subjects) for subjects, whole in asked)
    assert counting.exceeded is None


def test_the_first_value_that_does_not_fit_is_the_last():
    """After a breach even who was counted before is refused, in the same list and to other requests of it."""
    counting = tally(Limits(subjects_per_hour=2))
    assert counting.take(["a", "b", "a", "c", "a"], whole=False) == 3
    assert counting.exceeded == "subjects_per_hour"
    assert counting.take(["a"], whole=False) == 0


def test_a_whole_request_that_does_not_fit_costs_nothing():
    """What mode `all` keeps back is not counted either."""
    counting = tally(Limits(subjects_per_hour=2))
    assert counting.take(["a"], whole=True) == 1
    before = counting.account
    assert counting.take(["b", "c"], whole=True) == 0
    assert (counting.account, set(counting.counted)) == (before, {"a"})


def test_each_window_ends_by_itself():
    """After the minute, the hour and the day what they counted is over, and no earlier."""
    limits = Limits(1, 2, 3)
    first = tally(limits)
    assert first.take(["a", "a", "a"], whole=False) == 3
    kept = dict(first.counted)
    for later, subject, fits in (
        (MINUTE - 1, "a", 0),
        (MINUTE, "a", 1),
        (MINUTE, "b", 0),
        (HOUR, "b", 1),
        (DAY, "b", 1),
    ):
        again = tally(limits, first.account, kept, NOON + later)
        assert again.take([subject], whole=False) == fits, (later, subject)
    second = tally(limits, first.account, kept, NOON + HOUR)
    assert second.take(["b"], whole=False) == 1
    third = tally(limits, second.account, kept | second.counted, NOON + 2 * HOUR)
    assert third.take(["c"], whole=False) == 0
    assert third.exceeded == "subjects_per_day"


def test_a_clock_set_back_gives_nothing_back():
    """A window never goes backwards: what was counted stays counted until the clock has caught up."""
    limits = Limits(1, 1, 1)
    first = tally(limits)
    assert first.take(["a"], whole=False) == 1
    for back in (MINUTE, HOUR, DAY):
        again = tally(limits, first.account, first.counted, NOON - back)
        assert again.take(["b"], whole=False) == 0
