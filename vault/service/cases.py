"""Cases: what data subjects ask for, and what authorities demand, from receipt to answer.

An officer works the case, a second person releases what needs four eyes; each act is on record with its
person. What was released is carried out at once, and by itself if that was interrupted.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import structlog

from vault.cases import machine
from vault.cases.decisions import as_proposed, decide, read_proposals, to_document
from vault.cases.documents import BadDocument, Document
from vault.cases.due import civil_day
from vault.cases.machine import Act, ActKind
from vault.errors import BadRequest, Forbidden, ServiceError
from vault.log.event import Draft
from vault.model.ask import Caller, Denied
from vault.model.names import time_ordered_id
from vault.model.refusal import Refusal
from vault.policy.rules import Policy
from vault.service import case_work
from vault.service.acting import authorise, refuse, retried
from vault.service.case_acts import RELEASING, VERB, Known, append, find, load, write
from vault.service.parts import Office
from vault.service.record import record
from vault.service.refusals import problem
from vault.store.failures import Clash

RESUME_AFTER = 60_000_000
"""µs after a release from which on somebody else carries it out."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NewCase:
    """A request as it came in. `own`: whoever records it asks for their own sake."""

    kind: str
    subject: str
    own: bool = False
    due: date | None = None
    """For a disclosure: when the order wants its answer."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases."""

    subject: str | None = None
    open_only: bool = True
    late_only: bool = False
    after: bytes = b""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Queue:
    """Cases, and where the next page goes on."""

    cases: Sequence[Known]
    tampered: Sequence[bytes]
    """Ids of cases that are not what the log says of them."""
    next: bytes | None
    today: date


async def open_case(caller: Caller, new: NewCase, parts: Office) -> tuple[Known, str]:
    """Receive a request. Raises: Forbidden, BadRequest (`bad_act`), Unavailable."""
    policy = await authorise(caller, VERB, parts, {"act": "receive"})
    zone = (await parts.registers.of(caller.tenant)).retention.zone
    document: dict[str, object] = {"kind": new.kind, "subject": new.subject, "own": new.own}
    if new.kind == "disclosure":
        document["due"] = new.due.isoformat() if new.due is not None else None
    act = Act("receive", caller.person, caller.credential, parts.now(), document)
    taken = machine.opens_case(act, zone=zone)
    if isinstance(taken, Refusal):
        raise BadRequest(taken.code, taken.rule)
    known = Known(time_ordered_id(parts.now(), parts.random(9)), taken.case, (act,))
    return known, await write(caller, known, parts, policy=policy.hash)


async def act(
    caller: Caller, case_id: bytes, kind: ActKind, given: Document, parts: Office
) -> tuple[Known, str]:
    """The next act of a case. A release of an erasure is carried out in the same breath.

    Raises: Forbidden, BadRequest, NotFound, Conflict (the machine's reasons), Unavailable.
    """
    verb = "release" if kind in RELEASING else VERB
    policy = await authorise(caller, verb, parts, {"act": kind})
    known, receipt = await retried(partial(_act, caller, case_id, kind, given, policy, parts))
    if kind == "release" and known.case.kind == "erasure":
        known, _ = await retried(partial(_act, caller, case_id, "carry_out", {}, policy, parts))
    return known, receipt


async def show(caller: Caller, case_id: bytes, parts: Office) -> Known:
    """One case, whole. Raises: Forbidden, NotFound, Conflict (`case_tampered`), Unavailable."""
    policy = await _may_look(caller, parts)
    zone = (await parts.registers.of(caller.tenant)).retention.zone
    known = await find(caller.tenant, case_id, parts.ledger, parts.provenance, zone=zone)
    detail = {"act": "show", "case": known.name}
    looked = Draft(caller, VERB, "allow", VERB, subject=known.case.subject, policy=policy.hash, detail=detail)
    await record(caller.tenant, [looked], parts)
    return known


async def queue(caller: Caller, wanted: Wanted, parts: Office) -> Queue:
    """Cases in the order in which they came, with what is late. Raises: Forbidden, Conflict, Unavailable."""
    policy = await _may_look(caller, parts)
    zone = (await parts.registers.of(caller.tenant)).retention.zone
    ids = await parts.ledger.cases.listing(
        caller.tenant,
        subject=wanted.subject,
        open_only=wanted.open_only,
        after=wanted.after,
        limit=wanted.limit,
    )
    found, bad = await load(caller.tenant, ids, parts.ledger, parts.provenance, zone=zone)
    today = civil_day(parts.now(), zone)
    shown = [one for one in found if not wanted.late_only or machine.late(one.case, today)]
    detail: dict[str, str | int] = {"act": "list", "count": len(shown)}
    await record(
        caller.tenant, [Draft(caller, VERB, "allow", VERB, policy=policy.hash, detail=detail)], parts
    )
    return Queue(shown, bad, ids[-1] if len(ids) == wanted.limit else None, today)


async def finish(tenant: str, parts: Office) -> int:
    """Carry out what was released and then interrupted, in the name of who released it. Answers how many."""
    authority = await parts.registers.of(tenant)
    ids = await parts.ledger.cases.waiting(tenant, kind="erasure", act="release", limit=100)
    found, _ = await load(tenant, ids, parts.ledger, parts.provenance, zone=authority.retention.zone)
    done = 0
    for known in found:
        released = known.case.released
        if released is None or released.at > parts.now() - RESUME_AFTER:
            continue
        caller = Caller(tenant, released.credential, released.person, (), "resumed", "local", known.name)
        await retried(partial(_act, caller, known.case_id, "carry_out", {}, authority.policy, parts))
        done += 1
    return done


async def keep_finishing(parts: Office, *, pause: float) -> None:
    """Look every `pause` seconds for what an interruption left, until cancelled."""
    while True:
        await asyncio.sleep(pause)
        with contextlib.suppress(ServiceError):
            done = {tenant: await finish(tenant, parts) for tenant in await parts.registers.tenants()}
            log.debug("cases_finished", count=sum(done.values()))


async def _may_look(caller: Caller, parts: Office) -> Policy:
    """Officers and approvers look at cases."""
    if caller.may("release"):
        return (await parts.registers.of(caller.tenant)).policy
    return await authorise(caller, VERB, parts, {"act": "show"})


async def _act(
    caller: Caller, case_id: bytes, kind: ActKind, given: Document, policy: Policy, parts: Office
) -> tuple[Known, str]:
    zone = (await parts.registers.of(caller.tenant)).retention.zone
    known = await find(caller.tenant, case_id, parts.ledger, parts.provenance, zone=zone)
    if kind not in known.case.waits_for:  # before anything is worked out for nothing, or done
        rule = f"the case is {known.case.state} and waits for {', '.join(known.case.waits_for) or 'nothing'}"
        raise problem(Denied("act_out_of_order", rule))
    document = await _document(caller, known, kind, given, policy, parts)
    act = Act(kind, caller.person, caller.credential, parts.now(), document)
    try:
        return await append(caller, known, act, parts, policy=policy.hash)
    except Clash:
        raise
    except Forbidden as refusal:
        detail = {"act": kind, "case": known.name}
        verb = "release" if kind in RELEASING else VERB
        await refuse(caller, verb, refusal, parts, policy=policy, detail=detail)
        raise


async def _document(
    caller: Caller, known: Known, kind: ActKind, given: Document, policy: Policy, parts: Office
) -> Document:
    """The document of an act: what the vault works out itself, or what was given."""
    match kind:
        case "evaluate":
            return await case_work.evaluated(caller, known, policy, parts)
        case "carry_out":
            return await case_work.carried_out(caller, known, policy, parts)
        case "answer":
            return await case_work.answered(caller, known, policy, parts)
        case "decide" if known.case.kind == "erasure":
            return _decision(known, given)
        case _:
            return given


def _decision(known: Known, given: Mapping[str, object]) -> Document:
    """An erasure decision: as proposed, but for the fields that are given another verdict.

    Raises: BadRequest (`bad_decision`), Conflict (`erasure_forbidden`).
    """
    try:
        proposals = read_proposals(known.document("evaluate") or {})
    except BadDocument as bad:
        raise BadRequest("bad_decision", bad.rule) from None
    decision = decide(proposals, as_proposed(proposals))
    if isinstance(decision, Refusal):
        raise problem(Denied(decision.code, decision.rule))
    document = to_document(decision)
    others = given.get("verdicts", {})
    if not isinstance(others, dict) or not set(given) <= {"verdicts"}:
        raise BadRequest("bad_decision", "verdicts gives fields another verdict than the proposed one")
    rows = {str(row["token"]): row for row in _items(document)}
    for token, verdict in others.items():
        if token not in rows or not isinstance(verdict, dict):
            raise BadRequest("bad_decision", "a verdict is an object, for a field of the case")
        rows[token] = {"token": token, "field_type": rows[token]["field_type"], **verdict}
    return {**document, "items": [rows[token] for token in sorted(rows)]}


def _items(document: Mapping[str, object]) -> list[dict[str, object]]:
    items = document["items"]
    return items if isinstance(items, list) else []
