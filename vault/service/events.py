"""Events: who did what, when, for which purpose, under which policy. Reading is an event too."""

import hmac
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import orjson

from vault.alarms import raise_alarm
from vault.errors import ServiceError
from vault.log.event import Draft, commit_to
from vault.model.ask import Allowed, Ask, Caller, Decision, Denied
from vault.model.names import show_id
from vault.policy.decide import granted
from vault.policy.rules import Policy
from vault.service.parts import Audit
from vault.service.record import record
from vault.service.refusals import problem
from vault.store.events import Filter, Page, StoredEvent, read_events
from vault.store.retention import dropped_before


@dataclass(frozen=True, slots=True)
class EventsRequest:
    """A question to the log; every member has been checked for its shape."""

    caller: Caller
    filter: Filter
    page: Page


@dataclass(frozen=True, slots=True)
class Events:
    """Bodies as they were committed, and the cursor of the next page, if there may be one."""

    bodies: Sequence[bytes]
    next: str | None
    dropped_before: int | None = None
    """µs: what was asked for reaches back before this time, and events before it were dropped."""


async def events(tenant: str, requests: Sequence[EventsRequest], parts: Audit) -> list[Events | ServiceError]:
    """Record who reads what, then read."""
    policy = (await parts.registers.of(tenant)).policy
    decisions = [granted(Ask(request.caller, "events")) for request in requests]
    drafts = [
        _draft(request, decision, policy) for request, decision in zip(requests, decisions, strict=True)
    ]
    await record(tenant, drafts, parts)
    return [
        problem(decision) if isinstance(decision, Denied) else await _read(tenant, request, parts)
        for request, decision in zip(requests, decisions, strict=True)
    ]


async def _read(tenant: str, request: EventsRequest, parts: Audit) -> Events | ServiceError:
    sealed = sees_sealed(request.caller)
    found = await read_events(parts.store.engine, tenant, request.filter, request.page, sealed=sealed)
    holds = all(_holds(event, request.filter) for event in found)
    if not holds or not await _signed(tenant, found, parts):
        raise_alarm("event_tampered", tenant)
        return ServiceError("event_tampered", "An event is not what a worker signed; see the alarm.")
    full = len(found) == request.page.limit
    gone = await dropped_before(parts.store.engine)
    return Events(
        [event.body for event in found],
        show_id("evt", found[-1].event_id) if full else None,
        gone if gone > (request.page.since or 0) else None,
    )


def sees_sealed(caller: Caller) -> bool:
    """Whether sealed events are there for this caller. To others they are as if they were not."""
    return isinstance(granted(Ask(caller, "events_sealed")), Allowed)


def _holds(event: StoredEvent, wanted: Filter) -> bool:
    """Whether the body is the one committed to, and says what the row was found by."""
    if not hmac.compare_digest(commit_to(event.body, event.salt), event.commitment):
        return False
    body = orjson.loads(event.body)
    return all(body.get(name) == value for name, value in asdict(wanted).items() if value is not None)


async def _signed(tenant: str, found: Sequence[StoredEvent], parts: Audit) -> bool:
    """Whether each event stands, with this commitment, in a list that an endorsed worker signed.

    That shows what is here to be genuine. That nothing is missing is shown by the tree alone: the auditor's
    mirror sees it.
    """
    rows = await parts.lists.lists(tenant, list({event.list_id for event in found}))
    good = (await parts.verifier.check(tenant, rows)).good
    signed = {one.event_id: (each.row.list_id, one.commitment) for each in good for one in each.entries}
    return all(signed.get(event.event_id) == (event.list_id, event.commitment) for event in found)


def _draft(request: EventsRequest, decision: Decision, policy: Policy) -> Draft:
    asked = {f"asked_{name}": value for name, value in asdict(request.filter).items() if value is not None}
    if sees_sealed(request.caller):
        asked["asked_sealed"] = "yes"
    return Draft(
        request.caller,
        "events",
        "allow" if isinstance(decision, Allowed) else "deny",
        decision.rule if isinstance(decision, Allowed) else decision.code,
        policy=policy.hash,
        detail=asked,
    )
