"""The life of a record: `active → restricted → archived → shredded`, which act leads where, what opens when.

Pure and total: every state answers every act with the next state or a refusal, and nothing leaves `shredded`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

from vault.model.refusal import Refusal

State = Literal["active", "restricted", "archived", "shredded"]
Act = Literal["restrict", "lift", "archive", "shred", "replace"]

STATES: tuple[State, ...] = get_args(State)
ACTS: tuple[Act, ...] = get_args(Act)

STATUTORY = frozenset({"export", "disclose"})
"""The verbs that the law itself may need: a copy for the person, an order of an authority."""

_STEPS: Mapping[tuple[State, Act], State] = MappingProxyType(
    {
        ("active", "restrict"): "restricted",
        ("active", "archive"): "archived",
        ("active", "shred"): "shredded",
        ("active", "replace"): "active",
        ("restricted", "lift"): "active",
        ("restricted", "archive"): "archived",
        ("restricted", "shred"): "shredded",
        # A person who contests a value has it restricted until it is corrected: the correction lifts nothing.
        ("restricted", "replace"): "restricted",
        # Archived is kept as evidence of what was processed. It is neither corrected nor used again.
        ("archived", "shred"): "shredded",
    }
)

_OPENED_BY: Mapping[State, frozenset[str]] = MappingProxyType(
    {
        "active": STATUTORY | {"detokenize", "search"},
        "restricted": STATUTORY,
        "archived": STATUTORY,
        "shredded": frozenset(),
    }
)


def step(state: State, act: Act) -> State | Refusal:
    """Where `act` leads from `state`, or why it leads nowhere."""
    if state == "shredded":
        return Refusal("erased", "nothing leaves the state shredded")
    after = _STEPS.get((state, act))
    if after is None:
        return Refusal("state_forbids", f"a record that is {state} takes no {act}")
    return after


def opens(state: State, verb: str) -> bool:
    """Whether `verb` lets a value out in `state`. A verb or state that nobody knows opens nothing."""
    return verb in _OPENED_BY.get(state, frozenset())


def effective(state: State, *, closed: bool) -> State:
    """The state that counts: a record of a closed account is at least restricted."""
    return "restricted" if closed and state == "active" else state
