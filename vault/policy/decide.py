"""Whether an ask may go on. Total: any ask gets an answer with its reason, nothing raises.

Order of refusals: `granted` before any lookup, then the caller looks the token up, then `decide`.
Rules quote grants and policy, never what a caller typed.
"""

from vault.model.ask import PURPOSEFUL, Allowed, Ask, Caller, Decision, Denied, Grant
from vault.model.grants import CLASSES
from vault.policy.rules import FORMS, MONEY, Policy

FROZEN = Denied("credential_frozen", "this credential is frozen until a person lifts that")


def granted(ask: Ask) -> Decision:
    """Whether the caller holds a grant for the verb, purpose and class. Needs no lookup and no policy."""
    if ask.caller.frozen:
        return FROZEN
    if ask.verb in PURPOSEFUL and not ask.purpose:
        return Denied("purpose_required", f"{ask.verb} names its purpose")
    held = [grant for grant in ask.caller.grants if grant.verb == ask.verb]
    fitting = [grant for grant in held if grant.purpose == ask.purpose or ask.verb not in PURPOSEFUL]
    for grant in fitting:
        if _covers(grant, ask.field_class):
            return Allowed(str(grant))
    return Denied("no_grant", _missing(held, fitting))


def decide(ask: Ask, policy: Policy) -> Decision:
    """Grant first, then the reference a payment must carry, then what the policy opens."""
    right = granted(ask)
    if isinstance(right, Denied) or ask.verb not in PURPOSEFUL:
        return right
    if ask.verb == "detokenize" and ask.purpose == MONEY and not ask.reference:
        return Denied("reference_required", "payment names its reference")
    if ask.verb == "search" and ask.field_type not in policy.searchable:
        return Denied("policy_denied", "search: the policy makes this type not searchable")
    if ask.form not in FORMS:
        return Denied("policy_denied", "a value is shown plain or masked")
    return _opened(ask, policy)


class Deciding:
    """`decide` for a list: once for all asks that differ in nothing but their token."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._decided: dict[tuple[object, ...], Decision] = {}

    def __call__(self, ask: Ask) -> Decision:
        """What `decide` says."""
        # A caller by its identity: the asks of a list keep theirs alive, and its hash is dear.
        kind = (
            id(ask.caller),
            ask.verb,
            ask.field_type,
            ask.field_class,
            ask.purpose,
            ask.form,
            ask.reference,
        )
        found = self._decided.get(kind)
        if found is None:
            found = self._decided[kind] = decide(ask, self.policy)
        return found


def only_purpose(caller: Caller, verb: str, *, field_class: str) -> str | None:
    """The purpose of the caller's grants for `verb` on `field_class`, when they all name the same one."""
    purposes = {grant.purpose for grant in caller.may(verb) if _covers(grant, field_class)}
    return purposes.pop() if len(purposes) == 1 else None


def _opened(ask: Ask, policy: Policy) -> Decision:
    """What the matrix says. The purpose is safe to quote: a grant of the caller names it."""
    purpose = ask.purpose or ""
    name = ask.field_class if ask.field_class in CLASSES else "unknown"
    right = policy.right(name, purpose)
    if purpose not in policy.purposes:
        return Denied("policy_denied", f"{purpose}: the policy has no such purpose")
    if right is None:
        return Denied("policy_denied", f"{purpose}: class {name} is closed")
    if right == "masked" and (ask.verb == "search" or ask.form != "masked"):
        return Denied("policy_denied", f"{purpose}: class {name} opens masked only")
    return Allowed(f"{purpose}: class {name} is open, {right}")


def _covers(grant: Grant, field_class: str) -> bool:
    return not grant.classes or field_class in grant.classes


def _missing(held: list[Grant], fitting: list[Grant]) -> str:
    if fitting:
        return f"{fitting[0]} does not cover this class"
    if held:
        return f"{held[0].verb}: no grant for this purpose"
    return "this credential holds no grant for this verb"
