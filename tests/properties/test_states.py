"""Properties of the life of a record over generated paths of acts."""

from hypothesis import given
from hypothesis import strategies as st

from vault.model.refusal import Refusal
from vault.policy.states import ACTS, STATES, effective, opens, step

PATHS = st.lists(st.sampled_from(ACTS), max_size=30)
VERBS = st.sampled_from(["detokenize", "search", "export", "disclose", "inspect"]) | st.text(max_size=8)


def walk(state, acts):
    """The states a record passes, a refused act leaving it where it is."""
    passed = [state]
    for act in acts:
        after = step(passed[-1], act)
        passed.append(passed[-1] if isinstance(after, Refusal) else after)
    return passed


@given(st.sampled_from(STATES), PATHS, VERBS, st.booleans())
def test_no_path_opens_a_shredded_record(state, acts, verb, closed):
    """Once shredded a record stays shredded, and opens to nothing, whatever is done or asked."""
    passed = walk(state, acts)
    if "shredded" in passed:
        after = passed[passed.index("shredded") :]
        assert set(after) == {"shredded"}
        assert not any(opens(effective(one, closed=closed), verb) for one in after)


@given(PATHS)
def test_archived_never_returns(acts):
    """From archived the only way is to be shredded: nothing detokenizes it again."""
    assert set(walk("archived", acts)) <= {"archived", "shredded"}
    assert not any(opens(one, "detokenize") for one in walk("archived", acts))


@given(PATHS)
def test_restricted_is_lifted_by_nothing_but_lift(acts):
    """A restriction ends in being active only by the act that says so."""
    if "active" in walk("restricted", acts):
        assert "lift" in acts
