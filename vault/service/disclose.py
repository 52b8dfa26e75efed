"""Disclose: fields of a subject to a recipient on file, on a legal ground; on record before they are opened.

What goes to an authority stands in a case that one person decided and another released, and that names
exactly this recipient, ground and token. Where its order is confidential, so are the events and the register.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from vault.alarms import raise_alarm
from vault.cases.disclosures import Borders, Wanted, may_disclose, read_order
from vault.cases.documents import BadDocument
from vault.cases.machine import Case
from vault.errors import ServiceError
from vault.fields.catalogue import Catalogue
from vault.log.event import Draft
from vault.log.lists import SignedList
from vault.model.ask import Ask, Caller, Decision, Denied
from vault.model.names import show_id
from vault.policy.rules import Policy
from vault.service import case_acts
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
from vault.service.recipients import OnFile, on_file
from vault.service.registers import Authority
from vault.service.spending import Traced, claim, settle
from vault.store.recipients import Disclosure
from vault.store.records import Stored
from vault.store.unit import Unit

VERB = "disclose"


@dataclass(frozen=True, slots=True)
class DiscloseRequest:
    """Tokens as the caller sent them, to whom they go and on what ground."""

    caller: Caller
    recipient: str
    reference: str | None
    case_id: bytes | None
    mode: Mode
    tokens: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Files:
    """What is on file about the requests of a list, as far as the log bears it out."""

    recipients: Mapping[str, OnFile]
    cases: Mapping[bytes, Case]
    tampered: frozenset[bytes]
    borders: Borders
    today: date


async def disclose(
    tenant: str, requests: Sequence[DiscloseRequest], parts: Reveal
) -> list[Answer | ServiceError]:
    """Open each token that may go to its recipient, leaving the trace first."""
    await parts.bound.assert_near(tenant)
    authority = await parts.registers.of(tenant)
    policy = authority.policy
    groups = [_asked(request, catalogue(policy)) for request in requests]
    items = [item for group in groups for item in group]
    touches = await spring(tenant, items, parts.honey)
    await look_up(tenant, items, policy, parts.store)
    files = await _files(tenant, requests, items, authority, parts)
    for request, group in zip(requests, groups, strict=True):
        _decide(request, group, files)
        withhold(request.mode, group)
    wrapped = await wrapped_keys(tenant, items, parts)
    traces = [
        (claim(request.caller, VERB, request.mode, group), group)
        for request, group in zip(requests, groups, strict=True)
    ]
    # Durable when this returns, else nothing is opened.
    batch = await _record(tenant, traces, touches, policy, parts)
    await open_all(tenant, items, wrapped, parts, batch=batch)
    await look_again(tenant, items, policy, parts)
    for request, group in zip(requests, groups, strict=True):
        hold_back(request.mode, group)
    await record_failures(tenant, items, policy, parts)
    return [answer(request.mode, group) for request, group in zip(requests, groups, strict=True)]


def _asked(request: DiscloseRequest, fields: Catalogue) -> list[Item]:
    template = Ask(request.caller, VERB, reference=request.reference)
    return asked_each(template, request.tokens, fields)


async def _files(
    tenant: str,
    requests: Sequence[DiscloseRequest],
    items: Sequence[Item],
    authority: Authority,
    parts: Reveal,
) -> _Files:
    """Recipients and cases, from the primary. Nothing is looked up for those who may not disclose at all."""
    retention, transfers = authority.retention, authority.policy.transfers
    borders = Borders(transfers.home_country, transfers.blocked)
    today = retention.day(parts.now())
    if not any(item.allowed for item in items):
        return _Files({}, {}, frozenset(), borders, today)
    names = {request.recipient for request in requests}
    case_ids = sorted({request.case_id for request in requests if request.case_id is not None})
    found = await on_file(tenant, names, parts.ledger, parts.provenance)
    cases, tampered = await case_acts.load(
        tenant, case_ids, parts.ledger, parts.provenance, zone=retention.zone
    )
    return _Files(found, {one.case_id: one.case for one in cases}, frozenset(tampered), borders, today)


def _decide(request: DiscloseRequest, group: Sequence[Item], files: _Files) -> None:
    """Decide on each item, and say in its events to whom it goes."""
    told: dict[str, str | int] = {"recipient": request.recipient}
    if request.case_id is not None:
        told["case"] = show_id("cas", request.case_id)
    known = files.recipients.get(request.recipient)
    if known is not None and known.recipient is not None:
        told |= {"country": known.recipient.country, "kind": known.recipient.kind}
    if known is not None and known.recipient is None:
        raise_alarm("recipient_unproven", request.caller.tenant)
    confidential = _confidential(files.cases.get(request.case_id or b""))
    for item in group:
        item.about, item.sealed = told, item.ask.token in confidential
        if item.allowed and item.stored is not None:
            item.decision = _decision(request, item, item.stored, files)


def _decision(request: DiscloseRequest, item: Item, stored: Stored, files: _Files) -> Decision:
    known = files.recipients.get(request.recipient)
    if known is None:
        return Denied("recipient_not_found", "no recipient of this name is on file")
    if known.recipient is None:
        return Denied("recipient_unproven", "the log does not bear this recipient out; put it on file again")
    case = files.cases.get(request.case_id or b"")
    if request.case_id in files.tampered:
        return Denied("case_tampered", "the case is not what the log says of it")
    if request.case_id is not None and case is None:
        return Denied("case_not_found")
    wanted = Wanted(stored.subject, stored.token, item.ask.field_class, request.reference, case)
    return may_disclose(known.recipient, wanted, borders=files.borders, today=files.today)


def _confidential(case: Case | None) -> tuple[str, ...]:
    """The tokens of an order that stays confidential: refusals under it do, too, and no other token's."""
    if case is None or case.decided is None:
        return ()
    try:
        order = read_order(case.decided.document)
    except BadDocument:
        return ()
    return order.tokens if order.sealed else ()


async def _record(
    tenant: str, traces: Sequence[Traced], touches: Sequence[Touch], policy: Policy, parts: Reveal
) -> str:
    """Commit one event for each item and, beside it, what is about to be given; answer the list's id."""
    items = [item for _, group in traces for item in group]

    def draw() -> list[Draft]:
        for one, group in traces:
            settle(one, group)
        return [draft(item, policy) for item in items]

    async def deed(unit: Unit, signed: SignedList) -> None:
        given = [
            _given(item, item.stored, event.event_id)
            for item, event in zip(items, signed.events[: len(items)], strict=True)
            if item.allowed and not item.withheld and item.stored is not None
        ]
        await parts.ledger.disclosures.add(unit, tenant, given)

    trace = Trace([one for one, _ in traces], draw, deed, touches)
    signed = await record_guarded(tenant, trace, policy, parts)
    return traced(items, signed)


def _given(item: Item, stored: Stored, event_id: bytes) -> Disclosure:
    return Disclosure(
        stored.subject,
        event_id,
        stored.token,
        stored.field_type,
        str(item.about["recipient"]),
        str(item.about["country"]),
        item.ask.reference or "",
        item.sealed,
    )
