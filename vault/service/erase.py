"""Erase: a saga over two databases that, once begun, can only go forward.

1. one data transaction: record → tombstone, with its event; from then on nothing opens it
2. the DEKs are deleted from the keystore, which shreds the values
3. the tombstones are marked; whatever an interruption left is taken up again by `resume`, within a minute
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from keys.errors import KeysError
from vault.errors import ServiceError
from vault.log.lists import SignedList
from vault.model.ask import Ask, Caller, Denied
from vault.policy.rules import Policy
from vault.service.asked import Item, asked, draft, look_up, present
from vault.service.catalogue import catalogue
from vault.service.parts import Office
from vault.service.record import kept
from vault.service.refusals import problem
from vault.store.records import Stored

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
    """A record that is no more."""

    token: str
    state: str
    """`shredded`, or `erasing` while its key waits to be destroyed; nothing opens it in either."""
    erased_at: int
    receipt: str


Answer = list[ErasedRecord | ServiceError]


async def erase(tenant: str, requests: Sequence[EraseRequest], parts: Office) -> list[Answer | ServiceError]:
    """Bury what may be erased, then destroy its keys. Erasing twice answers the same."""
    policy = (await parts.registers.of(tenant)).policy
    fields = catalogue(policy)
    groups = [
        [asked(Ask(one.caller, "erase", reference=one.reason), token, fields) for token in one.tokens]
        for one in requests
    ]
    items = [item for group in groups for item in group]
    await look_up(tenant, items, policy, parts.store)
    for request, group in zip(requests, groups, strict=True):
        if request.mode == "all" and not all(item.allowed for item in group):
            for item in group:
                item.withheld = True
    await _bury(tenant, items, policy, parts)
    await resume(tenant, parts)
    buried = await parts.store.load(tenant, list({stored.token: None for _, stored in present(items)}))
    for item, stored in present(items):
        item.stored = buried.get(stored.token, stored)
    return [_answer(request, group) for request, group in zip(requests, groups, strict=True)]


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
        await parts.store.key_destroyed(tenant, [token for token, _ in unfinished])
        done += len(unfinished)
    return done


async def keep_resuming(parts: Office, *, pause: float) -> None:
    """Take up every `pause` seconds what an outage of the keystore left, until cancelled."""
    while True:
        await asyncio.sleep(pause)
        with contextlib.suppress(ServiceError):
            for tenant in await parts.registers.tenants():
                await resume(tenant, parts)


async def _bury(tenant: str, items: Sequence[Item], policy: Policy, parts: Office) -> SignedList:
    """One transaction: tombstones and events, for the allowed and the denied alike."""
    lane = parts.log.lane(tenant)
    drafts = [draft(item, policy, **_detail(item)) for item in items]
    signed = parts.log.write(lane, drafts, list_id=parts.log.new_list_id())
    living = {(s.token, item.ask.reference or "") for item, s in present(items) if s.erased_at is None}
    async with parts.store.begin() as unit:
        for reason in sorted({reason for _, reason in living}):
            await unit.bury(tenant, sorted(t for t, r in living if r == reason), reason=reason)
        await unit.add_list(signed)
        await unit.commit()
    kept(lane, signed, parts)
    for item, event in zip(items, signed.events, strict=True):
        item.receipt = signed.receipt(event)
    return signed


def _detail(item: Item) -> dict[str, str | int]:
    already = item.stored is not None and item.stored.erased_at is not None
    return {"result": "already_erased"} if already else {}


def _answer(request: EraseRequest, group: Sequence[Item]) -> Answer | ServiceError:
    results = [_result(item, item.stored) for item in group]
    problems = [
        (i, one) for i, one in enumerate(results) if isinstance(one, ServiceError) and one.code != "withheld"
    ]
    return ServiceError.of_items(problems) if problems and request.mode == "all" else results


def _result(item: Item, stored: Stored | None) -> ErasedRecord | ServiceError:
    if isinstance(item.decision, Denied):
        return problem(item.decision)
    if item.withheld or stored is None or stored.erased_at is None:
        return ServiceError("withheld")
    return ErasedRecord(stored.token, stored.state, stored.erased_at, item.receipt)
