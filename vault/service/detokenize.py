"""Detokenize: the one way a value leaves the vault, and never before the access is on record."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from keys.errors import EnvelopeError, KeysError
from keys.ring import WrappedDek
from vault.alarms import raise_alarm
from vault.errors import Erased, NotFound, RecordTampered, ServiceError
from vault.fields.catalogue import Catalogue
from vault.fields.rule import FieldType
from vault.model.ask import Ask, Caller, Denied, Form
from vault.model.names import show_id
from vault.model.secret import Secret
from vault.policy.rules import Policy
from vault.service.asked import Item, asked, draft, look_up, present, still_allowed
from vault.service.catalogue import catalogue
from vault.service.parts import Reveal
from vault.service.record import record
from vault.service.refusals import from_keys, problem
from vault.store.records import Stored
from vault.store.wall import open_record

ALARMING = frozenset({"record_tampered", "key_retired"})


@dataclass(frozen=True, slots=True)
class DetokenizeRequest:
    """One request: tokens as the caller sent them."""

    caller: Caller
    purpose: str
    reference: str | None
    form: Form
    mode: Literal["all", "each"]
    tokens: Sequence[str]


@dataclass(frozen=True, slots=True)
class Revealed:
    """One opened value: canonical JSON, plain or masked."""

    token: str
    field_type: str
    value: Secret[bytes]
    receipt: str


Answer = list[Revealed | ServiceError]


async def detokenize(
    tenant: str, requests: Sequence[DetokenizeRequest], parts: Reveal
) -> list[Answer | ServiceError]:
    """Open each token its caller may open, leaving the trace first."""
    await parts.bound.assert_near(tenant)
    policy = (await parts.registers.of(tenant)).policy
    fields = catalogue(policy)
    groups = [_asked(request, fields) for request in requests]
    items = [item for group in groups for item in group]
    await look_up(tenant, items, policy, parts.store)
    for request, group in zip(requests, groups, strict=True):
        _withhold(request, group)
    wrapped = await _wrapped_keys(tenant, items, parts)
    batch = await _record(tenant, items, policy, parts)  # durable when this returns, else nothing is opened
    await _open(tenant, items, wrapped, parts, batch=batch)
    await _look_again(tenant, items, policy, parts)
    _mask(items, fields)
    for request, group in zip(requests, groups, strict=True):
        _hold_back(request, group)
    await _record_failures(tenant, items, policy, parts)
    return [_answer(request, group) for request, group in zip(requests, groups, strict=True)]


def _asked(request: DetokenizeRequest, fields: Catalogue) -> list[Item]:
    template = Ask(
        request.caller,
        "detokenize",
        purpose=request.purpose,
        form=request.form,
        reference=request.reference,
    )
    return [asked(template, token, fields) for token in request.tokens]


def _withhold(request: DetokenizeRequest, group: Sequence[Item]) -> None:
    """In mode `all` one refusal keeps every value of the request back."""
    if request.mode == "all" and not all(item.allowed for item in group):
        for item in group:
            item.withheld = True


async def _wrapped_keys(tenant: str, items: Sequence[Item], parts: Reveal) -> Mapping[bytes, WrappedDek]:
    wanted = list({stored.dek_id: None for _, stored in present(items)})
    return await parts.keystore.fetch(tenant, wanted) if wanted else {}


async def _record(tenant: str, items: Sequence[Item], policy: Policy, parts: Reveal) -> str:
    """Commit one event for each item, allowed or denied; answer the list's id."""
    signed = await record(tenant, [draft(item, policy, form=item.ask.form) for item in items], parts)
    for item, event in zip(items, signed.events, strict=True):
        item.event_id, item.receipt = event.event_id, signed.receipt(event)
    return show_id("lst", signed.heading.list_id)


async def _open(
    tenant: str, items: Sequence[Item], wrapped: Mapping[bytes, WrappedDek], parts: Reveal, *, batch: str
) -> None:
    """Unwrap and open."""
    opening = present(items)
    if not opening:
        return
    keys = await _unwrap(tenant, {stored.dek_id for _, stored in opening}, wrapped, parts, batch=batch)
    for item, stored in opening:
        item.outcome = _opened(tenant, stored, keys[stored.dek_id])


async def _look_again(tenant: str, items: Sequence[Item], policy: Policy, parts: Reveal) -> None:
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


async def _unwrap(
    tenant: str, wanted: set[bytes], wrapped: Mapping[bytes, WrappedDek], parts: Reveal, *, batch: str
) -> dict[bytes, bytes | KeysError]:
    """One call for each 128 DEKs of the whole list. A failure of the call is the failure of each."""
    keys: dict[bytes, bytes | KeysError] = dict.fromkeys(wanted, EnvelopeError("no key"))
    present_keys = [wrapped[dek_id] for dek_id in wanted if dek_id in wrapped]
    if not present_keys:
        return keys
    try:
        opened = await parts.unwrapper.unwrap(tenant, present_keys, batch=batch)
    except KeysError as error:
        return dict.fromkeys(wanted, error)
    keys.update({one.dek_id: key for one, key in zip(present_keys, opened, strict=True)})
    return keys


def _opened(tenant: str, stored: Stored, key: bytes | KeysError) -> Secret[bytes] | ServiceError:
    if isinstance(key, KeysError):
        return from_keys(key)
    try:
        return open_record(tenant, stored, dek=key)
    except EnvelopeError as error:
        return from_keys(error)


def _mask(items: Sequence[Item], fields: Catalogue) -> None:
    for item in items:
        if item.ask.form == "masked" and isinstance(item.outcome, Secret):
            item.outcome = _masked(fields.get(item.ask.field_type), item.outcome)


def _masked(kind: FieldType, value: Secret[bytes]) -> Secret[bytes] | ServiceError:
    """The mask of a value, which a hijacked ingest may have sealed in a shape its type does not have."""
    try:
        return Secret(orjson.dumps(kind.mask(orjson.loads(value.reveal()))))
    except (ValueError, TypeError, AttributeError, LookupError):
        return RecordTampered()


def _hold_back(request: DetokenizeRequest, group: Sequence[Item]) -> None:
    """In mode `all` one value that did not open keeps the others back, and their events will say so."""
    opened = [item for item, _ in present(group)]
    if request.mode == "all" and any(isinstance(item.outcome, ServiceError) for item in opened):
        for item in opened:
            item.outcome = item.outcome if isinstance(item.outcome, ServiceError) else NotFound("withheld")


async def _record_failures(tenant: str, items: Sequence[Item], policy: Policy, parts: Reveal) -> None:
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


def _answer(request: DetokenizeRequest, group: Sequence[Item]) -> Answer | ServiceError:
    answer = list(_results(group))
    problems = [
        (i, one) for i, one in enumerate(answer) if isinstance(one, ServiceError) and one.code != "withheld"
    ]
    return ServiceError.of_items(problems) if problems and request.mode == "all" else answer


def _results(group: Sequence[Item]) -> Iterator[Revealed | ServiceError]:
    for item in group:
        ask: Ask = item.ask
        if isinstance(item.decision, Denied):
            yield problem(item.decision)
        elif item.withheld:
            yield NotFound("withheld")
        elif isinstance(item.outcome, ServiceError):
            yield item.outcome
        else:
            yield Revealed(ask.token or "", ask.field_type, item.outcome, item.receipt)
