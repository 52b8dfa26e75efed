"""An erasure case, carried out: what was decided and released, never more than law and holds allow now.

Tombstones, states and one event for each field are one transaction; the keys go right after. Interrupted
anywhere, it is taken up again in the name of the person who released it: what has its event is done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import cast

import orjson

from keys.errors import KeysError
from vault.cases.decisions import (
    ArchiveUntil,
    EraseNow,
    ErasureDecision,
    Refuse,
    Verdict,
    proposals_document,
    read_decision,
    read_proposals,
)
from vault.cases.documents import Document
from vault.cases.due import civil_day
from vault.errors import Conflict, NotFound, TooLarge
from vault.log import certificates
from vault.log.certificates import Certificate, Item, Outcome, sort_items
from vault.log.event import Draft, read_timestamp
from vault.log.lists import SignedList
from vault.model.ask import Caller
from vault.model.names import read_id, show_id
from vault.model.refusal import Refusal
from vault.policy.rules import Policy
from vault.retention.rules import Retention
from vault.service.case_acts import Known
from vault.service.catalogue import catalogue
from vault.service.erase import resume
from vault.service.keeping import Kept, judge
from vault.service.parts import Office
from vault.service.record import record
from vault.service.refusals import from_keys
from vault.store.events import StoredEvent
from vault.store.lives import NewState
from vault.store.records import Stored
from vault.store.unit import Unit

MOST = 1000
"""Fields of one person that one case can hold."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What becomes of one field, at this moment."""

    stored: Stored
    verdict: Verdict
    """As it can be carried out now: what may not be erased any more is archived, or refused."""
    kept: Kept | None

    @property
    def outcome(self) -> Outcome:
        match self.verdict:
            case EraseNow():
                return "erased"
            case ArchiveUntil():
                return "archived"
            case Refuse():
                return "refused"


async def proposals(tenant: str, subject: str, rules: Retention, policy: Policy, parts: Office) -> Document:
    """What the retention rules and the holds allow for each field of a person, as a document.

    Raises: NotFound (`nothing_held`), Unavailable.
    """
    judged = await _judged(tenant, subject, rules, policy, parts)
    return proposals_document([one.proposal for one in judged])


async def carry_out(caller: Caller, known: Known, policy: Policy, parts: Office) -> Document:
    """Do what was released, once; answers the document of the act. Raises: Conflict, Unavailable."""
    decision = _decision(known)
    told = await _told(caller.tenant, known, decision, parts)
    if len(told) < len(decision.items):
        await _end(caller, known, decision, policy, parts)
        told = await _told(caller.tenant, known, decision, parts)
    await resume(caller.tenant, parts)
    return {
        "v": 1,
        "items": [_item(item.token, item.field_type, told[item.token]) for item in decision.items],
    }


async def certify(known: Known, tenant: str, parts: Office) -> tuple[str, date | None]:
    """The signed certificate of what was carried out, and its date of finality. Raises: Unavailable."""
    case, document = known.case, known.document("carry_out")
    if case.decided is None or case.released is None or document is None:
        raise Conflict("act_out_of_order", "there is nothing to certify yet")
    items = sort_items(_certified(one) for one in _rows(document))
    erased = [item.at for item in items if item.at is not None]
    final = civil_day(max(erased), case.zone) + timedelta(days=parts.backup_days) if erased else None
    certificate = Certificate(
        tenant=tenant,
        case=known.name,
        subject=case.subject,
        issued_at=parts.now(),
        items=items,
        decided_by=case.decided.person,
        released_by=case.released.person,
        decision=case.decision or "",
        log=f"{parts.log_name}/{tenant}",
        final_after=final,
    )
    try:
        message = certificates.DOMAIN + certificates.to_bytes(certificate)
        version, signature = await parts.signer.sign("cert", message)
    except KeysError as error:
        raise from_keys(error) from None
    signed = certificates.attach(certificate, key_version=version, signature=signature)
    return signed.whole.decode(), final


def verdicts(document: Document) -> list[tuple[str, Verdict]]:
    """(field type, what became of it) of a case that was carried out, for its letter."""
    return [(item.field_type, _verdict_of(item)) for item in map(_certified, _rows(document))]


def _decision(known: Known) -> ErasureDecision:
    proposed, decided = known.document("evaluate"), known.document("decide")
    if proposed is None or decided is None:
        raise Conflict("act_out_of_order", "the case is not decided")
    decision = read_decision(decided, read_proposals(proposed))
    if isinstance(decision, Refusal):  # the machine has read it before
        raise Conflict(decision.code, decision.rule)
    return decision


async def _judged(tenant: str, subject: str, rules: Retention, policy: Policy, parts: Office) -> list[Kept]:
    """Every living record of a person, judged. Raises: NotFound, TooLarge."""
    tokens = await parts.ledger.lives.of_subjects(tenant, [subject], limit=MOST + 1)
    if len(tokens) > MOST:
        raise TooLarge("too_many_items", f"A case holds at most {MOST} records of a person.")
    loaded = await parts.store.load(tenant, tokens) if tokens else {}
    living = [one for one in loaded.values() if one.erased_at is None]
    if not living:
        raise NotFound("nothing_held", "There is no living record of this subject.")
    return await judge(tenant, living, rules, catalogue(policy), parts)


async def _end(
    caller: Caller, known: Known, decision: ErasureDecision, policy: Policy, parts: Office
) -> None:
    """One transaction: tombstones, states, and one event for each field."""
    tenant = caller.tenant
    rules = (await parts.registers.of(tenant)).retention
    loaded = await parts.store.load(tenant, [item.token for item in decision.items])
    living = [one for one in loaded.values() if one.erased_at is None]
    kept = {k.stored.token: k for k in await judge(tenant, living, rules, catalogue(policy), parts)}
    ended = [
        Ended(loaded[item.token], _now(item.verdict, kept.get(item.token)), kept.get(item.token))
        for item in decision.items
        if item.token in loaded
    ]
    drafts = [_draft(caller, known, one, policy) for one in ended]

    async def deed(unit: Unit, signed: SignedList) -> None:
        gone = [one.stored.token for one in ended if one.outcome == "erased" and one.kept is not None]
        await unit.bury(tenant, gone, reason=known.name)
        pairs = zip(ended, signed.events, strict=True)
        states = [_state(one, known.name, event.event_id) for one, event in pairs]
        await parts.ledger.lives.put(unit, tenant, [state for state in states if state is not None])

    await record(tenant, drafts, parts, deed)


def _now(verdict: Verdict, kept: Kept | None) -> Verdict:
    """The verdict as it can be carried out now: a hold or a law that came meanwhile goes before it."""
    if kept is None or not isinstance(verdict, EraseNow) or kept.may_erase:
        return verdict if kept is not None else EraseNow()
    law = kept.archive_until
    if kept.held or law is None or law.until is None:
        return Refuse(kept.sentence[:200])
    return ArchiveUntil(law.until, law.law)


def _state(ended: Ended, reason: str, event_id: bytes) -> NewState | None:
    """The archived state that follows; None when it has it already, or needs none."""
    verdict, kept = ended.verdict, ended.kept
    if kept is None or not isinstance(verdict, ArchiveUntil):
        return None
    until, before = verdict.until.isoformat(), kept.kept_as
    if before is not None and (before.state, before.until, before.law) == ("archived", until, verdict.law):
        return None
    number = before.number + 1 if before is not None else 1
    return NewState(ended.stored.token, number, "archived", reason, event_id, until, verdict.law)


def _draft(caller: Caller, known: Known, ended: Ended, policy: Policy) -> Draft:
    stored, verdict = ended.stored, ended.verdict
    detail: dict[str, str | int] = {"case": known.name, "outcome": ended.outcome}
    match verdict:
        case ArchiveUntil(until, law):
            detail |= {"until": until.isoformat(), "law": law}
        case Refuse(reason):
            detail["why"] = reason
    return Draft(
        caller,
        "erase",
        "deny" if ended.outcome == "refused" else "allow",
        "case_refused" if ended.outcome == "refused" else known.name,
        token=stored.token,
        field_type=stored.field_type,
        subject=stored.subject,
        reference=known.name,
        dek_id=stored.dek_id,
        policy=policy.hash,
        detail=detail,
    )


async def _told(
    tenant: str, known: Known, decision: ErasureDecision, parts: Office
) -> dict[str, StoredEvent]:
    """The event of each field that this case has ended already."""
    tokens = [item.token for item in decision.items]
    about = await parts.ledger.cases.events_about(tenant, tokens, "erase")
    found = {token: _of_case(events, known.name) for token, events in about.items()}
    return {token: event for token, event in found.items() if event is not None}


def _of_case(events: Sequence[StoredEvent], case: str) -> StoredEvent | None:
    """The first event of the case: whatever came twice was done once."""
    mine = [event for event in events if orjson.loads(event.body).get("case") == case]
    return mine[-1] if mine else None


def _item(token: str, field_type: str, event: StoredEvent) -> dict[str, object]:
    """A row of the act's document, from the event that says it."""
    body = orjson.loads(event.body)
    row: dict[str, object] = {
        "token": token,
        "field_type": field_type,
        "outcome": body["outcome"],
        "event_id": show_id("evt", event.event_id),
        "commitment": event.commitment.hex(),
    }
    match body["outcome"]:
        case "erased":
            return row | {"at": body["time"]}
        case "archived":
            return row | {"until": body["until"], "law": body["law"]}
        case _:
            return row | {"reason": body["why"]}


def _rows(document: Document) -> list[Mapping[str, str]]:
    return cast("list[Mapping[str, str]]", document["items"])


def _certified(row: Mapping[str, str]) -> Item:
    at = row.get("at")
    return Item(
        token=row["token"],
        field_type=row["field_type"],
        outcome=cast("Outcome", row["outcome"]),
        event_id=read_id("evt", row["event_id"]),
        commitment=bytes.fromhex(row["commitment"]),
        at=None if at is None else read_timestamp(at),
        until=date.fromisoformat(row["until"]) if "until" in row else None,
        law=row.get("law"),
        reason=row.get("reason"),
    )


def _verdict_of(item: Item) -> Verdict:
    if item.outcome == "erased":
        return EraseNow()
    if item.until is not None:
        return ArchiveUntil(item.until, item.law or "")
    return Refuse(item.reason or "")
