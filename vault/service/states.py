"""States: the office restricts a record, or lifts that. Archiving and shredding are the matter of erase."""

from collections.abc import Sequence
from functools import partial
from typing import Literal, cast

from vault.errors import ServiceError
from vault.log.lists import SignedList
from vault.model.ask import Ask, Caller, Denied
from vault.model.refusal import Refusal
from vault.policy.rules import Policy
from vault.policy.states import State, step
from vault.service.acting import authorise, retried
from vault.service.asked import Item, asked, draft, look_up
from vault.service.catalogue import catalogue
from vault.service.parts import Office
from vault.service.record import record
from vault.service.refusals import problem
from vault.store.lives import NewState
from vault.store.records import Stored
from vault.store.unit import Unit

VERB = "retention"
Act = Literal["restrict", "lift"]
Done = tuple[str, str, str]
"""(token, state, receipt)"""


async def put(caller: Caller, tokens: Sequence[str], act: Act, reason: str, parts: Office) -> list[Done]:
    """Restrict records or lift it; all of them or none.

    Raises: Forbidden, NotFound, Erased, Conflict (`state_forbids`), Unavailable.
    """
    policy = await authorise(caller, VERB, parts, {"action": act, "count": len(tokens)})
    return await retried(partial(_put, caller, tokens, act, reason, policy, parts))


async def _put(
    caller: Caller, tokens: Sequence[str], act: Act, reason: str, policy: Policy, parts: Office
) -> list[Done]:
    fields = catalogue(policy)
    once = list(dict.fromkeys(tokens))
    items = [asked(Ask(caller, VERB, reference=reason), token, fields) for token in once]
    await look_up(caller.tenant, items, policy, parts.store)
    after = [_after(item, act) for item in items]
    problems = [(i, problem(one)) for i, one in enumerate(after) if isinstance(one, Denied)]
    for item, one in zip(items, after, strict=True):
        item.decision = one if isinstance(one, Denied) else item.decision
        item.withheld = bool(problems)
    signed = await _commit(caller, items, [one for one in after if isinstance(one, str)], act, policy, parts)
    if problems:
        raise ServiceError.of_items(problems)
    return [
        (item.ask.token or "", str(state), signed.receipt(event))
        for item, state, event in zip(items, after, signed.events, strict=True)
    ]


def _after(item: Item, act: Act) -> State | Denied:
    """The state that follows; of the record itself, whatever has become of its subject's account."""
    if isinstance(item.decision, Denied):
        return item.decision
    stored = item.stored
    if stored is None or stored.erased_at is not None:
        return Denied("erased", "nothing leaves the state shredded")
    after = step(cast("State", stored.standing.kept_as), act)
    return Denied(after.code, after.rule) if isinstance(after, Refusal) else after


async def _commit(
    caller: Caller, items: Sequence[Item], states: Sequence[State], act: Act, policy: Policy, parts: Office
) -> SignedList:
    lives, tenant = parts.ledger.lives, caller.tenant
    before = await lives.states(tenant, [item.ask.token or "" for item in items])
    drafts = [draft(item, policy, action=act) for item in items]

    async def deed(unit: Unit, signed: SignedList) -> None:
        if any(not item.allowed or item.withheld for item in items):
            return
        new = [
            NewState(
                token=stored.token,
                number=before[stored.token].number + 1 if stored.token in before else 1,
                state=state,
                reason=item.ask.reference or "",
                event_id=event.event_id,
            )
            for item, stored, state, event in zip(items, _stored(items), states, signed.events, strict=True)
        ]
        await lives.put(unit, tenant, new)

    return await record(tenant, drafts, parts, deed)


def _stored(items: Sequence[Item]) -> list[Stored]:
    return [item.stored for item in items if item.stored is not None]
