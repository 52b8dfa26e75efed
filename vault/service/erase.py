"""Erase: what neither law nor hold keeps is shredded, what a law still needs is archived until its date.

Shredding is a saga over two databases that, once begun, can only go forward:

1. one data transaction: record → tombstone, with its event; from then on nothing opens it
2. the DEKs are deleted from the keystore, which shreds the values
3. the tombstones are marked; whatever an interruption left is taken up again by `resume`, within a minute
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from keys.errors import KeysError
from vault.errors import ServiceError
from vault.log.lists import SignedList
from vault.model.ask import Ask, Caller, Denied
from vault.service.asked import Item, asked, draft, look_up, present
from vault.service.catalogue import catalogue
from vault.service.ending import archived, detail_of, shown_until
from vault.service.keeping import Kept, judge
from vault.service.parts import Office
from vault.service.record import record
from vault.service.refusals import problem
from vault.service.registers import Authority
from vault.store.records import Stored
from vault.store.unit import Unit

AT_ONCE = 1000
"""Keys destroyed by one statement: a statement has at most 32,766 parameters."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EraseRequest:
    """Tokens as the caller sent them, and why: a reference in the strict alphabet."""

    caller: Caller
    reason: str
    mode: Literal["all", "each"]
    tokens: Sequence[str]


@dataclass(frozen=True, slots=True)
class ErasedRecord:
    """A record that is no more, or that only the law still keeps."""

    token: str
    state: str
    """`shredded`; `erasing` while its key waits to be destroyed; `archived` while a law keeps it."""
    erased_at: int | None
    receipt: str
    until: str | None = None
    """For archived: the last civil day; None while the relationship has no end."""
    law: str | None = None
    tell: tuple[str, ...] = ()
    """Recipients who were given the value, by name."""


Answer = list[ErasedRecord | ServiceError]


async def erase(tenant: str, requests: Sequence[EraseRequest], parts: Office) -> list[Answer | ServiceError]:
    """Bury what may be erased and archive the rest, then destroy keys. Erasing twice answers the same."""
    authority = await parts.registers.of(tenant)
    fields = catalogue(authority.policy)
    groups = [
        [asked(Ask(one.caller, "erase", reference=one.reason), token, fields) for token in one.tokens]
        for one in requests
    ]
    items = [item for group in groups for item in group]
    await look_up(tenant, items, authority.policy, parts.store)
    kept = await _judge(tenant, items, authority, parts)
    for request, group in zip(requests, groups, strict=True):
        if request.mode == "all" and not all(item.allowed for item in group):
            for item in group:
                item.withheld = True
    await _carry_out(tenant, items, kept, authority, parts)
    await resume(tenant, parts)
    buried = await parts.store.load(tenant, list({stored.token: None for _, stored in present(items)}))
    for item, stored in present(items):
        item.stored = buried.get(stored.token, stored)
    told = await parts.ledger.disclosures.tell(tenant, [(s.subject, s.token) for _, s in present(items)])
    return [_answer(request, group, kept, told) for request, group in zip(requests, groups, strict=True)]


async def resume(tenant: str, parts: Office) -> int:
    """Finish what was begun: destroy the keys of every tombstone that still has one. Answers how many."""
    done = 0
    while unfinished := await parts.store.unfinished_erasures(tenant, most=AT_ONCE):
        try:
            await parts.keystore.destroy(tenant, [dek_id for _, dek_id in unfinished])
        except KeysError as error:
            # The tombstone stands, so nothing opens; the key goes soon after the keystore is back.
            log.warning("erasure_waits", tenant=tenant, code=error.code, keys=len(unfinished))
            break
        await parts.store.key_destroyed(tenant, unfinished)
        done += len(unfinished)
    return done


async def keep_resuming(parts: Office, *, pause: float) -> None:
    """Take up every `pause` seconds what an outage of the keystore left, until cancelled."""
    while True:
        await asyncio.sleep(pause)
        with contextlib.suppress(ServiceError):
            for tenant in await parts.registers.tenants():
                await resume(tenant, parts)


async def _judge(
    tenant: str, items: Sequence[Item], authority: Authority, parts: Office
) -> Mapping[str, Kept]:
    """What keeps each living record. One that a hold is on is refused, and that is on record."""
    living = {stored.token: stored for _, stored in present(items) if stored.erased_at is None}
    fields = catalogue(authority.policy)
    judged = await judge(tenant, list(living.values()), authority.retention, fields, parts) if living else []
    kept = {one.stored.token: one for one in judged}
    for item in items:
        one = kept.get(item.ask.token or "")
        if item.allowed and one is not None and one.held:
            item.decision = Denied("on_hold", one.sentence)
    return kept


async def _carry_out(
    tenant: str, items: Sequence[Item], kept: Mapping[str, Kept], authority: Authority, parts: Office
) -> None:
    """One transaction: tombstones, states and events, for the allowed and the denied alike."""
    drafts = [draft(item, authority.policy, **_detail(item, kept)) for item in items]
    ends = {
        s.token: (kept[s.token], item.ask.reference or "") for item, s in present(items) if s.token in kept
    }

    async def deed(unit: Unit, signed: SignedList) -> None:
        events = {item.ask.token: e.event_id for item, e in zip(items, signed.events, strict=True)}
        for reason in sorted({reason for _, reason in ends.values()}):
            gone = sorted(t for t, (one, why) in ends.items() if one.may_erase and why == reason)
            await unit.bury(tenant, gone, reason=reason)
        states = [
            archived(one, why, events[token]) for token, (one, why) in ends.items() if not one.may_erase
        ]
        await parts.ledger.lives.put(unit, tenant, [state for state in states if state is not None])

    signed = await record(tenant, drafts, parts, deed)
    for item, event in zip(items, signed.events, strict=True):
        item.receipt = signed.receipt(event)


def _detail(item: Item, kept: Mapping[str, Kept]) -> dict[str, str | int]:
    if item.stored is not None and item.stored.erased_at is not None:
        return {"result": "already_erased"}
    one = kept.get(item.ask.token or "")
    return detail_of(one) if item.allowed and not item.withheld and one is not None else {}


def _answer(
    request: EraseRequest,
    group: Sequence[Item],
    kept: Mapping[str, Kept],
    told: Mapping[str, tuple[str, ...]],
) -> Answer | ServiceError:
    results = [_told(_result(item, item.stored, kept), told) for item in group]
    problems = [
        (i, one) for i, one in enumerate(results) if isinstance(one, ServiceError) and one.code != "withheld"
    ]
    return ServiceError.of_items(problems) if problems and request.mode == "all" else results


def _told(
    result: ErasedRecord | ServiceError, told: Mapping[str, tuple[str, ...]]
) -> ErasedRecord | ServiceError:
    if isinstance(result, ServiceError):
        return result
    return replace(result, tell=told.get(result.token, ()))


def _result(item: Item, stored: Stored | None, kept: Mapping[str, Kept]) -> ErasedRecord | ServiceError:
    if isinstance(item.decision, Denied):
        return problem(item.decision)
    if item.withheld or stored is None:
        return ServiceError("withheld")
    if stored.erased_at is not None:
        return ErasedRecord(stored.token, stored.state, stored.erased_at, item.receipt)
    until, law = shown_until(kept[stored.token])
    return ErasedRecord(stored.token, "archived", None, item.receipt, until, law)
