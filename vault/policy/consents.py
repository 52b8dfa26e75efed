"""What a person's consent, withdrawal or objection means for a purpose, and what goes on regardless. Pure.

A person's say only ever narrows what the policy opens: consent is asked about after the policy has allowed.
"""

from collections.abc import Mapping
from typing import Literal

from vault.model.ask import Allowed, Ask, Decision, Denied
from vault.policy.rules import Policy, Purpose

Act = Literal["grant", "withdraw", "object"]
ACTS: tuple[Act, ...] = ("grant", "withdraw", "object")

STOPPABLE = frozenset({"legitimate_interests", "public_task"})
"""Bases that hold until the person objects (GDPR Art. 21(1)). Consent holds only once it is given."""

Effect = Literal["applies", "stops", "recorded"]


def effect(purpose: Purpose, act: str) -> Effect:
    """What an act does to a purpose: it applies, it stops, or the act is recorded and changes nothing."""
    if purpose.basis == "consent" or purpose.basis in STOPPABLE:
        return "applies" if act == "grant" else "stops"
    return "recorded"


def explain(purpose: Purpose, act: str) -> str:
    """The same in words for the person who asked."""
    name = purpose.title
    match effect(purpose, act):
        case "applies":
            return f"{name}: this may be done from now on, until you withdraw."
        case "stops":
            return f"{name}: this stops from the next request on."
        case _:
            return f"{name}: recorded. It goes on, because it rests on {basis_in_words(purpose)}."


def basis_in_words(purpose: Purpose) -> str:
    """The lawful basis and the law behind it, as a letter says it."""
    return f"{_BASES[purpose.basis]} ({purpose.law})"


def consented(purpose: Purpose, said: str | None) -> Decision:
    """Whether a purpose may be pursued, given the latest act of the person on it."""
    if purpose.basis == "consent":
        if said == "grant":
            return Allowed("consent given")
        if said is None:
            return Denied("consent_missing", f"{purpose.name}: rests on consent, and none was given")
        return Denied("consent_withdrawn", f"{purpose.name}: the consent was withdrawn")
    if purpose.basis in STOPPABLE and said in ("withdraw", "object"):
        return Denied("objected", f"{purpose.name}: the person objected")
    return Allowed(f"rests on {purpose.basis}")


def may_use(ask: Ask, policy: Policy, *, state: str, closed: bool, said: Mapping[str, str]) -> Decision:
    """Whether a record in this state, of a person who said this, serves the purpose of an ask."""
    if closed:
        return Denied("account_closed", "the account is closed; only export and disclose go on", ())
    if state != "active":
        return Denied(f"record_{state}", f"the record is {state}; only export and disclose go on", ())
    purpose = policy.purposes[ask.purpose or ""]
    decision = consented(purpose, said.get(purpose.name))
    if isinstance(decision, Denied):
        return Denied(decision.code, decision.rule, still_applies(policy, ask.field_class, said))
    return decision


def still_applies(policy: Policy, field_class: str, said: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """(purpose, basis) of everything the policy opens this class to, and the person has not stopped."""
    return tuple(
        (name, purpose.basis)
        for name, purpose in sorted(policy.purposes.items())
        if policy.right(field_class, name) is not None
        and isinstance(consented(purpose, said.get(name)), Allowed)
    )


_BASES = {
    "consent": "your consent",
    "contract": "the contract with you",
    "legal_obligation": "a legal obligation",
    "vital_interests": "somebody's vital interests",
    "public_task": "a task in the public interest",
    "legitimate_interests": "our legitimate interests",
}
