"""Why an act is not taken: what a state machine answers in the place of the next state. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """No, for this reason: a stable problem code, and the rule in words that name no value."""

    code: str
    rule: str
