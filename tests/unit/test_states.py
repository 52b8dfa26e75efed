"""Claims about the life of a record: every state and every act."""

from itertools import product

import pytest

from vault.model.refusal import Refusal
from vault.policy.states import ACTS, STATES, effective, opens, step

TABLE = {
    #              restrict      lift      archive     shred       replace
    "active":     ("restricted", None,     "archived", "shredded", "active"),
    "restricted": (None,         "active", "archived", "shredded", "restricted"),
    "archived":   (None,         None,     None,       "shredded", None),
    "shredded":   (None,         None,     None,       None,       None),
}  # fmt: skip
OPEN = {
    "active": {"detokenize", "search", "export", "disclose"},
    "restricted": {"export", "disclose"},
    "archived": {"export", "disclose"},
    "shredded": set(),
}
VERBS = ("tokenize", "detokenize", "search", "inspect", "erase", "export", "disclose", "", "EXPORT")


@pytest.mark.parametrize(("state", "act"), [*product(STATES, ACTS)])
def test_every_state_answers_every_act(state, act):
    """Each state takes exactly the acts of the table, and refuses the others with a reason."""
    expected, found = TABLE[state][ACTS.index(act)], step(state, act)
    if expected is not None:
        assert found == expected
    elif state == "shredded":
        assert found == Refusal("erased", "nothing leaves the state shredded")
    else:
        assert found == Refusal("state_forbids", f"a record that is {state} takes no {act}")


@pytest.mark.parametrize(("state", "verb"), [*product(STATES, VERBS)])
def test_every_state_opens_to_its_verbs_only(state, verb):
    """An active record opens to its verbs, kept ones to the statutory ones, a shredded one never."""
    assert opens(state, verb) == (verb in OPEN[state])


def test_what_nobody_knows_opens_nothing():
    """A state that a rogue row invents opens to no verb and takes no act."""
    assert not any(opens("open", verb) for verb in VERBS)
    assert all(isinstance(step("open", act), Refusal) for act in ACTS)
    assert all(isinstance(step(state, "unshred"), Refusal) for state in STATES)


@pytest.mark.parametrize("state", STATES)
def test_closed_account_restricts(state):
    """Closing an account takes detokenize and search away and widens nothing; re-opening gives them back."""
    closed = effective(state, closed=True)
    assert not opens(closed, "detokenize")
    assert not opens(closed, "search")
    assert {verb for verb in VERBS if opens(closed, verb)} <= {verb for verb in VERBS if opens(state, verb)}
    assert closed == ("restricted" if state == "active" else state)
    assert effective(state, closed=False) == state
