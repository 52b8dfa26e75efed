"""Tokenize: values in, tokens out. Cannot open anything, and calls the key server only to build an index."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import orjson

from keys.envelope import NONCE_BYTES
from vault.errors import ServiceError
from vault.log.event import Draft
from vault.log.lists import SignedList
from vault.model.ask import Allowed, Ask, Caller, Decision, Denied
from vault.model.secret import Secret
from vault.model.token import RANDOM_BYTES, mint
from vault.policy.decide import decide
from vault.policy.rules import Policy
from vault.service.blind import index_rows
from vault.service.idempotency import Key, answered, first_of_each
from vault.service.parts import Ingest
from vault.service.record import kept
from vault.service.refusals import problem, refused_before
from vault.service.slices import slices
from vault.store.failures import StaleLease
from vault.store.unit import NewAnswer, NewIndexRow, NewRecord
from vault.store.wall import Place, digest, seal_record


class NewValue(msgspec.Struct, frozen=True):
    """A value that has been normalised and validated."""

    field_type: str
    field_class: str
    subject: str
    value: Secret[bytes]
    masked: object


@dataclass(frozen=True, slots=True)
class TokenizeRequest:
    """One request. An item that failed validation is its problem."""

    caller: Caller
    mode: Literal["all", "each"]
    items: Sequence[NewValue | ServiceError]
    key: Key | None = None
    notice: str | None = None
    """The privacy notice that was shown, as version/language; it exists."""


class Tokenized(msgspec.Struct, frozen=True):
    """What one item became."""

    token: str
    item: NewValue
    receipt: str


Answer = list[Tokenized | ServiceError]


class _Item(msgspec.Struct):
    """One value on its way: decided on, sealed, on record."""

    caller: Caller
    value: NewValue
    decision: Decision
    notice: str | None = None
    withheld: bool = False
    record: NewRecord | None = None
    receipt: str = ""


Job = list[_Item | ServiceError]
"""A request being worked on; an item that failed validation is its problem already."""


async def tokenize(
    tenant: str, requests: Sequence[TokenizeRequest], parts: Ingest
) -> list[Answer | ServiceError]:
    """Answer each request from memory if its key was used, else seal, record, and answer anew."""
    policy = (await parts.registers.of(tenant)).policy
    requests = [_keyed(request, policy) for request in requests]
    known = await answered(tenant, requests, parts.store, parts.fingerprints)
    first, repeats = first_of_each(requests, known)
    answers: dict[int, Answer | ServiceError] = {i: _again(requests[i], known[i]) for i in known}
    if first:
        sealed = await _seal_all(tenant, [requests[i] for i in first], policy, parts)
        answers |= dict(zip(first, sealed, strict=True))
    if repeats:
        again = await tokenize(tenant, [requests[i] for i in repeats], parts)
        answers |= dict(zip(repeats, again, strict=True))
    return [answers[i] for i in range(len(requests))]


def _keyed(request: TokenizeRequest, policy: Policy) -> TokenizeRequest:
    """A request that will bring no token neither uses its key nor is answered from it.

    It is refused anew each time, and on record; and many with one key are refused in one list, not in turn.
    """
    if request.key is None:
        return request
    bad = [_problem(one) is not None for one in _decided(request, policy)]
    refused = any(bad) if request.mode == "all" else all(bad)
    return replace(request, key=None) if refused else request


async def _seal_all(
    tenant: str, requests: Sequence[TokenizeRequest], policy: Policy, parts: Ingest
) -> list[Answer | ServiceError]:
    jobs = [_decided(request, policy) for request in requests]
    items = [item for job in jobs for item in job if isinstance(item, _Item)]
    await _seal(tenant, items, parts)
    index = await _index_rows(tenant, items, policy, parts)
    lane = parts.log.lane(tenant)
    drafts = [_draft(item, policy) for item in items]
    signed = parts.log.write(lane, drafts, list_id=parts.log.new_list_id())
    for item, event in zip(items, signed.events, strict=True):
        item.receipt = signed.receipt(event)
    answers = [_answer(request, job) for request, job in zip(requests, jobs, strict=True)]
    remembered = [one async for one in _remembered(requests, answers, parts)]
    if items:
        await _commit(tenant, _Writing(items, index, remembered, signed), parts)
        kept(lane, signed, parts)
    return answers


@dataclass(frozen=True, slots=True)
class _Writing:
    """Everything one list writes, in one transaction."""

    items: Sequence[_Item]
    index: Sequence[NewIndexRow]
    answers: Sequence[NewAnswer]
    signed: SignedList


async def _commit(tenant: str, writing: _Writing, parts: Ingest) -> None:
    """Records, their index, their events and the remembered answers: all of it or nothing."""
    try:
        async with parts.store.begin() as unit:
            await unit.add_answers(writing.answers)
            await unit.add_records([item.record for item in writing.items if item.record is not None])
            await unit.add_index(tenant, writing.index)
            await unit.add_list(writing.signed)
            await unit.commit()
    except StaleLease:
        parts.pool.drain(tenant)
        raise


def _decided(request: TokenizeRequest, policy: Policy) -> Job:
    """Decide on each item, once for all of a kind. In mode `all` one refusal keeps the whole request out."""
    caller = request.caller
    kinds = {(one.field_type, one.field_class) for one in request.items if isinstance(one, NewValue)}
    decided = {kind: decide(Ask(caller, "tokenize", *kind), policy) for kind in kinds}
    job: Job = [
        _Item(caller, one, decided[one.field_type, one.field_class], request.notice)
        if isinstance(one, NewValue)
        else one
        for one in request.items
    ]
    if request.mode == "all" and not all(isinstance(one, _Item) and _allowed(one) for one in job):
        for one in job:
            if isinstance(one, _Item):
                one.withheld = True
    return job


def _allowed(item: _Item) -> bool:
    return isinstance(item.decision, Allowed) and not item.withheld


async def _seal(tenant: str, items: Sequence[_Item], parts: Ingest) -> None:
    """Seal what may be sealed, each value in a place of its own under a DEK of its own."""
    sealing = [item for item in items if _allowed(item)]
    if not sealing:
        return
    deks = await parts.pool.take(tenant, len(sealing))
    names = _pieces(parts.random(RANDOM_BYTES * len(sealing)), RANDOM_BYTES)
    nonces = _pieces(parts.random(NONCE_BYTES * len(sealing)), NONCE_BYTES)
    async for some in slices(list(zip(sealing, deks, names, nonces, strict=True))):
        for item, dek, name, nonce in some:
            value = item.value
            place = Place(tenant, value.subject, mint(value.field_type, name), value.field_type)
            item.record = seal_record(value.value, place, dek, nonce=nonce, notice=item.notice or None)


def _pieces(random: bytes, size: int) -> list[bytes]:
    """Random bytes that were asked for at once, `size` for each."""
    return [random[start : start + size] for start in range(0, len(random), size)]


async def _index_rows(
    tenant: str, items: Sequence[_Item], policy: Policy, parts: Ingest
) -> list[NewIndexRow]:
    """Blind-index rows for the types that the policy makes searchable; as shipped there are none."""
    wanted: dict[str, dict[str, Secret[bytes]]] = {}
    for item in items:
        field_type = item.value.field_type
        if item.record is not None and field_type in policy.searchable:
            wanted.setdefault(field_type, {})[item.record.token] = item.value.value
    made = [await index_rows(tenant, name, values, parts.indexer) for name, values in wanted.items()]
    return [row for rows in made for row in rows]


def _draft(item: _Item, policy: Policy) -> Draft:
    decision, record = item.decision, item.record
    detail: dict[str, str | int] = {}
    if isinstance(decision, Allowed) and item.withheld:
        detail["result"] = "withheld"
    if record is not None:
        detail = {"version": record.version, "sealed_sha256": digest(record.sealed)}
    if record is not None and item.notice is not None:
        detail["notice"] = item.notice
    return Draft(
        item.caller,
        "tokenize",
        "allow" if isinstance(decision, Allowed) else "deny",
        decision.rule if isinstance(decision, Allowed) else decision.code,
        token=record.token if record else None,
        field_type=item.value.field_type,
        subject=item.value.subject,
        dek_id=record.dek_id if record else None,
        policy=policy.hash,
        detail=detail,
    )


def _answer(request: TokenizeRequest, job: Job) -> Answer | ServiceError:
    problems = [(i, one) for i, one in enumerate(map(_problem, job)) if one is not None]
    if request.mode == "all" and problems:
        return ServiceError.of_items(problems)
    return [_problem(one) or _tokenized(one) for one in job]


def _problem(one: _Item | ServiceError) -> ServiceError | None:
    if isinstance(one, ServiceError):
        return one
    return problem(one.decision) if isinstance(one.decision, Denied) else None


def _tokenized(one: _Item | ServiceError) -> Tokenized | ServiceError:
    if isinstance(one, ServiceError) or one.record is None:
        return ServiceError()
    return Tokenized(one.record.token, one.value, one.receipt)


async def _remembered(
    requests: Sequence[TokenizeRequest], answers: Sequence[Answer | ServiceError], parts: Ingest
) -> AsyncIterator[NewAnswer]:
    """What an idempotency key will bring back: tokens and receipts, never values or masks."""
    for request, answer in zip(requests, answers, strict=True):
        key, tenant = request.key, request.caller.tenant
        if key is None or isinstance(answer, ServiceError):
            continue
        kept = [[one.token, one.receipt] if isinstance(one, Tokenized) else [one.code] for one in answer]
        fingerprint = await parts.fingerprints.make(tenant, key)
        protected = await parts.fingerprints.protect(
            tenant, key, fingerprint=fingerprint, answer=orjson.dumps(kept)
        )
        yield NewAnswer(tenant, key.slot, fingerprint, protected)


def _again(request: TokenizeRequest, kept: bytes | ServiceError) -> Answer | ServiceError:
    """The kept answer, with the masks made anew from the values that came again."""
    if isinstance(kept, ServiceError):
        return kept
    return [
        item
        if isinstance(item, ServiceError)
        else Tokenized(one[0], item, one[1])
        if len(one) == 2
        else refused_before(one[0])
        for item, one in zip(request.items, orjson.loads(kept), strict=True)
    ]
