"""From tokens as callers send them to asks and to what the database has: how every verb on tokens starts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import msgspec
from msgspec.structs import replace

from vault.alarms import raise_alarm
from vault.errors import ServiceError, Unavailable
from vault.fields.catalogue import Catalogue
from vault.log.event import Draft, timestamp
from vault.model.ask import OPENING, PURPOSEFUL, Allowed, Ask, Caller, Decision, Denied
from vault.model.secret import Secret
from vault.model.token import MalformedToken, Token, parse
from vault.policy.consents import may_use
from vault.policy.decide import Deciding, granted
from vault.policy.rules import Policy
from vault.policy.states import State, opens
from vault.service.catalogue import UNKNOWN_CLASS, class_of
from vault.store.records import Store, Stored
from vault.store.standing import Standing

MALFORMED = "malformed"
"""What the log holds in place of a text that is no token: it may be a value sent by mistake."""


class Item(msgspec.Struct):
    """One token on its way through a verb."""

    ask: Ask
    decision: Decision
    stored: Stored | None = None
    withheld: bool = False
    event_id: bytes = b""
    receipt: str = ""
    outcome: Secret[bytes] | ServiceError = msgspec.field(default_factory=Unavailable)
    about: Mapping[str, str | int] = msgspec.field(default_factory=dict)
    """What each of its events says besides."""
    sealed: bool = False
    """Whether its events are such as the law keeps confidential."""

    @property
    def allowed(self) -> bool:
        """Whether the verb may go on with this token."""
        return isinstance(self.decision, Allowed)


def asked(template: Ask, text: str, fields: Catalogue) -> Item:
    """`template` for the token a caller sent, and whether a grant covers it."""
    return asked_each(template, [text], fields)[0]


def asked_each(template: Ask, texts: Iterable[str], fields: Catalogue) -> list[Item]:
    """`template` for each token a caller sent, and whether a grant covers it: looked for once for each type.

    Decided before any lookup, so that a stranger learns nothing.
    """
    kinds: dict[str | None, tuple[Ask, Decision]] = {}
    items = []
    for text in texts:
        token = _token(text)
        field_type = token.field_type if token else None
        if field_type not in kinds:
            kinds[field_type] = _kind(template, field_type, fields)
        ask, right = kinds[field_type]
        items.append(Item(replace(ask, token=token.text if token else MALFORMED), right))
    return items


def _token(text: str) -> Token | None:
    try:
        return parse(text)
    except MalformedToken:
        return None


def _kind(template: Ask, field_type: str | None, fields: Catalogue) -> tuple[Ask, Decision]:
    """An ask for a token of this type, or for what is none, and the decision on each."""
    named = field_type or MALFORMED
    field_class = class_of(fields, field_type) if field_type else UNKNOWN_CLASS
    ask = replace(template, field_type=named, field_class=field_class)
    if field_type is None and ask.caller.may(ask.verb, purpose=ask.purpose):
        return ask, Denied("malformed_token", "the check characters do not hold")
    return ask, granted(ask)


async def look_up(tenant: str, items: Sequence[Item], policy: Policy, store: Store) -> None:
    """Load what may be looked up, and decide on it."""
    wanted = {item.ask.token: None for item in items if item.allowed and item.ask.token}
    records = await store.load(tenant, list(wanted)) if wanted else {}
    decide = Deciding(policy)
    for item in items:
        if item.allowed:
            item.stored = records.get(item.ask.token or "")
            item.decision = _decide(item.ask, item.stored, decide)


def still_allowed(item: Item, now: Standing, policy: Policy) -> Decision:
    """Whether what was allowed a moment ago still is."""
    return usable(item.ask, now, policy)


def present(items: Iterable[Item]) -> list[tuple[Item, Stored]]:
    """The items to go on with: allowed, not withheld, and there."""
    return [(i, i.stored) for i in items if i.stored is not None and i.allowed and not i.withheld]


def draft(item: Item, policy: Policy, **detail: str | int) -> Draft:
    """The event of an item."""
    ask, decision, stored = item.ask, item.decision, item.stored
    if item.allowed and item.withheld:
        detail["result"] = "withheld"
    return Draft(
        ask.caller,
        ask.verb,
        "allow" if isinstance(decision, Allowed) else "deny",
        decision.rule if isinstance(decision, Allowed) else decision.code,
        token=ask.token,
        field_type=stored.field_type if stored else None,
        subject=stored.subject if stored else None,
        purpose=known_purpose(ask.caller, ask.purpose, policy),
        reference=ask.reference,
        dek_id=stored.dek_id if stored and item.allowed and not item.withheld else None,
        policy=policy.hash,
        detail={**item.about, **detail},
        sealed=item.sealed,
    )


def known_purpose(caller: Caller, purpose: str | None, policy: Policy) -> str | None:
    """A purpose as an event may name it: one of the policy, or of the caller's grants; else free text."""
    if purpose in policy.purposes or any(grant.purpose == purpose for grant in caller.grants):
        return purpose
    return None


def _decide(ask: Ask, stored: Stored | None, decide: Deciding) -> Decision:
    if stored is None:
        return Denied("token_not_found")
    decision = decide(ask)
    if isinstance(decision, Denied):
        return decision
    if stored.field_type != ask.field_type:
        raise_alarm("record_tampered", ask.caller.tenant, ask.token)
        return Denied("record_tampered", "the record's type is not the token's")
    if stored.erased_at is not None and ask.verb in OPENING:
        return Denied("erased", f"erased at {timestamp(stored.erased_at)}")
    if stored.erased_at is None and ask.verb in OPENING:
        refusal = usable(ask, stored.standing, decide.policy)
        return refusal if isinstance(refusal, Denied) else decision
    return decision


def usable(ask: Ask, now: Standing, policy: Policy) -> Decision:
    """Whether a record that stands so may be opened: for the ask's purpose, or by a verb of the law's own."""
    if ask.verb in PURPOSEFUL:
        return may_use(ask, policy, state=now.state, closed=now.closed, said=now.said)
    if opens(cast("State", now.state), ask.verb):
        return Allowed(f"{ask.verb}: {now.state}")
    return Denied("state_forbids", f"a record that is {now.state} does not open to {ask.verb}")
