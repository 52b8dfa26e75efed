"""What every verb that lets values out does with its items: keys first, one unwrap, a second look, and the
record of what did not come out. The verb itself commits the trace in between: nothing is unwrapped before.
A request in mode `all` stands or falls whole, at every step.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from keys.errors import EnvelopeError, KeysError
from keys.ring import Unwrapper, WrappedDek
from vault.alarms import raise_alarm
from vault.errors import Erased, NotFound, ServiceError
from vault.log.lists import SignedList
from vault.model.ask import Denied
from vault.model.names import show_id
from vault.model.secret import Secret
from vault.policy.rules import Policy
from vault.service.asked import Item, draft, present, still_allowed
from vault.service.parts import Reveal
from vault.service.record import record
from vault.service.refusals import from_keys, problem
from vault.service.slices import slices
from vault.store.records import Stored
from vault.store.wall import open_record

ALARMING = frozenset({"record_tampered", "key_retired"})
Mode = Literal["all", "each"]


class Revealed(msgspec.Struct, frozen=True):
    """One opened value: canonical JSON, plain or masked."""

    token: str
    field_type: str
    value: Secret[bytes]
    receipt: str


Answer = list[Revealed | ServiceError]


def withhold(mode: Mode, group: Sequence[Item]) -> None:
    """In mode `all` one refusal keeps every value of the request back."""
    if mode == "all" and not all(item.allowed for item in group):
        for item in group:
            item.withheld = True


async def wrapped_keys(tenant: str, items: Sequence[Item], parts: Reveal) -> Mapping[bytes, WrappedDek]:
    """The wrapped DEK of each item to go on with. Raises: Unavailable.

    A record that was sealed anew since it was loaded has another DEK by now, and may have lost the old one:
    it is taken as it stands. Nothing is on record yet, so its event will name the DEK that is unwrapped.
    """
    wanted = list({stored.dek_id: None for _, stored in present(items)})
    found = await parts.keystore.fetch(tenant, wanted) if wanted else {}
    lost = [(item, stored) for item, stored in present(items) if stored.dek_id not in found]
    if not lost:
        return found
    now = await parts.store.load(tenant, list({stored.token: None for _, stored in lost}))
    for item, stored in lost:
        fresh = now.get(stored.token, stored)
        item.stored = fresh if is_resealed(stored, fresh) else stored
    return found | await parts.keystore.fetch(tenant, list({s.dek_id: None for s in now.values()}))


def traced(items: Sequence[Item], signed: SignedList, *, first: int = 0) -> str:
    """Give each item its event, the items' events beginning at `first`; answer the list's id."""
    for item, event in zip(items, signed.events[first : first + len(items)], strict=True):
        item.event_id, item.receipt = event.event_id, signed.receipt(event)
    return show_id("lst", signed.heading.list_id)


async def open_all(
    tenant: str, items: Sequence[Item], wrapped: Mapping[bytes, WrappedDek], parts: Reveal, *, batch: str
) -> None:
    """Unwrap and open. `batch`: the list that is on record, which the key server is told."""
    opening = present(items)
    if not opening:
        return
    wanted = {stored.dek_id for _, stored in opening}
    keys = await unwrap(tenant, wanted, wrapped, parts.unwrapper, batch=batch)
    async for some in slices(opening):
        for item, stored in some:
            item.outcome = opened(tenant, stored, keys[stored.dek_id])


async def look_again(tenant: str, items: Sequence[Item], policy: Policy, parts: Reveal) -> None:
    """Before any value may leave: what was erased, withdrawn or restricted meanwhile stays in."""
    opened = present(items)
    if not opened:
        return
    live = await parts.store.standing(tenant, list({stored.token: None for _, stored in opened}))
    for item, stored in opened:
        now = live.get((stored.token, stored.version))
        decision = still_allowed(item, now, policy) if now is not None else None
        if decision is None:
            item.outcome = Erased("erased", "erased or replaced while it was being opened")
        elif isinstance(decision, Denied):
            item.outcome = problem(decision)


def hold_back(mode: Mode, group: Sequence[Item]) -> None:
    """In mode `all` one value that did not open keeps the others back, and their events will say so."""
    opened = [item for item, _ in present(group)]
    if mode == "all" and any(isinstance(item.outcome, ServiceError) for item in opened):
        for item in opened:
            item.outcome = item.outcome if isinstance(item.outcome, ServiceError) else NotFound("withheld")


async def record_failures(tenant: str, items: Sequence[Item], policy: Policy, parts: Reveal) -> None:
    """A value that was allowed but did not come out gets a second event that says so."""
    drafts = []
    for item, _ in present(items):
        if isinstance(item.outcome, ServiceError):
            first, code = show_id("evt", item.event_id), item.outcome.code
            result = "withheld" if code == "withheld" else "failed"
            drafts.append(draft(item, policy, result=result, failure=code, first_event=first))
            if item.outcome.code in ALARMING:
                raise_alarm(item.outcome.code, tenant, item.ask.token)
    if drafts:
        await record(tenant, drafts, parts)


def answer(mode: Mode, group: Sequence[Item]) -> Answer | ServiceError:
    """What a request is answered: each item's value or problem, or in mode `all` the problem of the whole."""
    found = list(_results(group))
    problems = [
        (i, one) for i, one in enumerate(found) if isinstance(one, ServiceError) and one.code != "withheld"
    ]
    return ServiceError.of_items(problems) if problems and mode == "all" else found


def is_resealed(before: Stored, now: Stored) -> bool:
    """Whether it is the same value, sealed under another DEK since."""
    same = (now.token, now.version, now.erased_at) == (before.token, before.version, before.erased_at)
    return same and now.dek_id != before.dek_id


def _results(group: Sequence[Item]) -> Iterator[Revealed | ServiceError]:
    for item in group:
        if isinstance(item.decision, Denied):
            yield problem(item.decision)
        elif item.withheld:
            yield NotFound("withheld")
        elif isinstance(item.outcome, ServiceError):
            yield item.outcome
        else:
            yield Revealed(item.ask.token or "", item.ask.field_type, item.outcome, item.receipt)


async def unwrap(
    tenant: str,
    wanted: Collection[bytes],
    wrapped: Mapping[bytes, WrappedDek],
    unwrapper: Unwrapper,
    *,
    batch: str,
) -> dict[bytes, bytes | KeysError]:
    """As few calls as there can be for the whole list. A failure of the call is the failure of each."""
    keys: dict[bytes, bytes | KeysError] = dict.fromkeys(wanted, EnvelopeError("no key"))
    present_keys = [wrapped[dek_id] for dek_id in wanted if dek_id in wrapped]
    if not present_keys:
        return keys
    try:
        keys_of = await unwrapper.unwrap(tenant, present_keys, batch=batch)
    except KeysError as error:
        return dict.fromkeys(wanted, error)
    keys.update({one.dek_id: key for one, key in zip(present_keys, keys_of, strict=True)})
    return keys


def opened(tenant: str, stored: Stored, key: bytes | KeysError) -> Secret[bytes] | ServiceError:
    """The value of a record under its DEK, or why there is none."""
    if isinstance(key, KeysError):
        return from_keys(key)
    try:
        return open_record(tenant, stored, dek=key)
    except EnvelopeError as error:
        return from_keys(error)
