"""A case as it is on record, and its next act. What is on record counts only as far as the log bears it out.

Whoever can write the database could put a release into somebody's mouth. So an act is believed only with its
event: a body that names case, act, document and person, in a list that a worker of the office signed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from hashlib import sha256
from typing import cast

import orjson

from vault.alarms import raise_alarm
from vault.cases import documents, machine
from vault.cases.machine import Act, Case
from vault.errors import Conflict, NotFound
from vault.log.event import Draft
from vault.log.lists import SignedList
from vault.model.ask import Caller, Denied
from vault.model.names import show_id
from vault.model.refusal import Refusal
from vault.service.parts import Office
from vault.service.provenance import Provenance
from vault.service.record import record
from vault.service.refusals import problem
from vault.store.cases import CaseRow
from vault.store.ledger import Ledger
from vault.store.unit import Unit

VERB = "cases"
RELEASING = ("release", "send_back")
"""Acts of the approver, under a grant of their own."""


@dataclass(frozen=True, slots=True)
class Known:
    """A case with its acts, every one borne out by the log."""

    case_id: bytes
    case: Case
    acts: tuple[Act, ...]

    @property
    def name(self) -> str:
        """`cas_…`"""
        return show_id("cas", self.case_id)

    def document(self, kind: str) -> documents.Document | None:
        """The document of the latest act of a kind."""
        return next((act.document for act in reversed(self.acts) if act.kind == kind), None)


async def load(
    tenant: str, case_ids: Sequence[bytes], ledger: Ledger, provenance: Provenance, *, zone: tzinfo
) -> tuple[list[Known], list[bytes]]:
    """Cases as they stand, in the order asked for, and the ids of those that are not what the log says.

    An alarm is raised for each of those; what is not there is left out. Raises: Unavailable.
    """
    found = await ledger.cases.acts(tenant, case_ids)
    borne_out = await _borne_out(tenant, [row for one in found.values() for row in one], ledger, provenance)
    good: list[Known] = []
    for case_id in found:
        known = _folded(case_id, found[case_id], zone) if case_id in borne_out else None
        if known is None:
            raise_alarm("case_tampered", tenant)
        else:
            good.append(known)
    order = {case_id: place for place, case_id in enumerate(case_ids)}
    good.sort(key=lambda known: order[known.case_id])
    return good, [case_id for case_id in found if case_id not in {known.case_id for known in good}]


async def find(tenant: str, case_id: bytes, ledger: Ledger, provenance: Provenance, *, zone: tzinfo) -> Known:
    """One case. Raises: NotFound (`case_not_found`), Conflict (`case_tampered`), Unavailable."""
    found, tampered = await load(tenant, [case_id], ledger, provenance, zone=zone)
    if tampered:
        raise Conflict("case_tampered", "The case is not what the log says of it; see the alarm.")
    if not found:
        raise NotFound("case_not_found")
    return found[0]


async def append(caller: Caller, known: Known, act: Act, parts: Office, *, policy: str) -> tuple[Known, str]:
    """Write the next act of a case; answers the case after it, and the receipt.

    Raises: Conflict with the machine's reason; Clash when another act was faster; Unavailable.
    """
    taken = machine.may(known.case, act)
    if isinstance(taken, Refusal):
        raise problem(Denied(taken.code, taken.rule))
    after = Known(known.case_id, taken.case, (*known.acts, act))
    return after, await write(caller, after, parts, policy=policy)


async def write(caller: Caller, after: Known, parts: Office, *, policy: str) -> str:
    """The row and the event of the latest act of a case, in one transaction; answers the receipt."""
    act, number, subject = after.acts[-1], len(after.acts) - 1, after.case.subject
    document = documents.write(act.document)
    draft = Draft(
        caller,
        "release" if act.kind in RELEASING else VERB,
        "allow",
        f"cases: {act.kind}",
        subject=subject,
        reference=after.name,
        policy=policy,
        detail=_claims(after.case_id, number, act.kind, document),
        sealed=_confidential(after),
    )

    async def deed(unit: Unit, signed: SignedList) -> None:
        row = CaseRow(
            after.case_id, number, subject, after.case.kind, act.kind, document,
            act.credential, act.person, act.at, signed.events[0].event_id,
        )  # fmt: skip
        await parts.ledger.cases.add(unit, caller.tenant, row)

    signed = await record(caller.tenant, [draft], parts, deed)
    return signed.receipt(signed.events[0])


def _confidential(known: Known) -> bool:
    """Whether the law keeps the order secret: then so are the events of its case, from the decision on."""
    decided = known.document("decide") or {}
    return known.case.kind == "disclosure" and decided.get("sealed") is True


def _folded(case_id: bytes, found: Sequence[CaseRow], zone: tzinfo) -> Known | None:
    """The case that these acts make; None when they cannot have happened."""
    acts = tuple(_act(row) for row in found)
    try:
        return Known(case_id, machine.fold(acts, zone=zone), acts)
    except machine.CaseError:
        return None


def _act(row: CaseRow) -> Act:
    document = cast("Mapping[str, object]", orjson.loads(row.document))
    return Act(cast("machine.ActKind", row.act), row.person, row.credential, row.at, document)


async def _borne_out(
    tenant: str, acts: Sequence[CaseRow], ledger: Ledger, provenance: Provenance
) -> set[bytes]:
    """Ids of the cases whose every act has its event, in a list that a worker of the office signed."""
    events = await ledger.cases.events(tenant, [row.event_id for row in acts]) if acts else {}
    genuine = await provenance.genuine(tenant, list(events.values()))
    bad = {
        row.case_id
        for row in acts
        if row.event_id not in genuine or not _bears_out(row, genuine[row.event_id].body)
    }
    return {row.case_id for row in acts} - bad


def _bears_out(row: CaseRow, body: bytes) -> bool:
    """Whether the event says what the row says."""
    wanted = {
        "actor": row.credential,
        "person": row.person,
        "subject": row.subject,
        "decision": "allow",
        **_claims(row.case_id, row.number, row.act, row.document),
    }
    told = orjson.loads(body)
    return all(told.get(name) == value for name, value in wanted.items())


def _claims(case_id: bytes, number: int, act: str, document: bytes) -> dict[str, str | int]:
    return {
        "case": show_id("cas", case_id),
        "number": number,
        "act": act,
        "document_sha256": sha256(document).hexdigest(),
    }
