"""Detokenize: the one way a value leaves the vault, and never before the access is on record."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from vault.errors import RecordTampered, ServiceError
from vault.fields.catalogue import Catalogue
from vault.fields.rule import FieldType
from vault.log.event import Draft
from vault.model.ask import Ask, Caller, Form
from vault.model.secret import Secret
from vault.policy.rules import Policy
from vault.service.asked import Item, asked_each, draft, look_up
from vault.service.catalogue import catalogue
from vault.service.guarded import Trace, record_guarded
from vault.service.honey import Touch, spring
from vault.service.opening import (
    Answer,
    Mode,
    answer,
    hold_back,
    look_again,
    open_all,
    record_failures,
    traced,
    withhold,
    wrapped_keys,
)
from vault.service.parts import Reveal
from vault.service.spending import Traced, claim, settle


@dataclass(frozen=True, slots=True)
class DetokenizeRequest:
    """One request: tokens as the caller sent them."""

    caller: Caller
    purpose: str
    reference: str | None
    form: Form
    mode: Mode
    tokens: Sequence[str]


async def detokenize(
    tenant: str, requests: Sequence[DetokenizeRequest], parts: Reveal
) -> list[Answer | ServiceError]:
    """Open each token its caller may open, leaving the trace first."""
    await parts.bound.assert_near(tenant)
    policy = (await parts.registers.of(tenant)).policy
    fields = catalogue(policy)
    groups = [_asked(request, fields) for request in requests]
    items = [item for group in groups for item in group]
    touches = await spring(tenant, items, parts.honey)
    await look_up(tenant, items, policy, parts.store)
    for request, group in zip(requests, groups, strict=True):
        withhold(request.mode, group)
    wrapped = await wrapped_keys(tenant, items, parts)
    traces = [
        (claim(request.caller, request.purpose, request.mode, group), group)
        for request, group in zip(requests, groups, strict=True)
    ]
    # Durable when this returns, else nothing is opened.
    batch = await _record(tenant, traces, touches, policy, parts)
    await open_all(tenant, items, wrapped, parts, batch=batch)
    await look_again(tenant, items, policy, parts)
    _mask(items, fields)
    for request, group in zip(requests, groups, strict=True):
        hold_back(request.mode, group)
    await record_failures(tenant, items, policy, parts)
    return [answer(request.mode, group) for request, group in zip(requests, groups, strict=True)]


def _asked(request: DetokenizeRequest, fields: Catalogue) -> list[Item]:
    template = Ask(
        request.caller,
        "detokenize",
        purpose=request.purpose,
        form=request.form,
        reference=request.reference,
    )
    return asked_each(template, request.tokens, fields)


async def _record(
    tenant: str, traces: Sequence[Traced], touches: Sequence[Touch], policy: Policy, parts: Reveal
) -> str:
    """Commit one event for each item, allowed or denied, within the budgets; answer the list's id."""
    items = [item for _, group in traces for item in group]

    def draw() -> list[Draft]:
        for one, group in traces:
            settle(one, group)
        return [draft(item, policy, form=item.ask.form) for item in items]

    trace = Trace([one for one, _ in traces], draw, touches=touches)
    return traced(items, await record_guarded(tenant, trace, policy, parts))


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
