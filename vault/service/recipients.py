"""Recipients: who may receive personal data on which terms, and who has received what about whom.

Whoever can write the database could widen what a recipient needs to know. So a version is believed only with
its event: a body that names it and its document, in a list that a worker of the office signed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

import orjson

from vault.cases import documents
from vault.cases.disclosures import Recipient, read_recipient, recipient_document
from vault.cases.documents import BadDocument
from vault.log.event import Draft
from vault.log.lists import SignedList
from vault.model.ask import Allowed, Ask, Caller
from vault.policy.decide import granted
from vault.policy.rules import Policy
from vault.service.acting import authorise, retried
from vault.service.parts import Office
from vault.service.provenance import Provenance
from vault.service.record import record
from vault.store.events import StoredEvent
from vault.store.ledger import Ledger
from vault.store.recipients import Disclosure, StoredRecipient, Wanted
from vault.store.unit import Unit

VERB = "recipients"
SEALED_TO = "release"
"""Who releases what an order keeps confidential knows of it already; nobody else is shown it here."""


@dataclass(frozen=True, slots=True)
class OnFile:
    """A recipient as the register has it."""

    name: str
    number: int
    recipient: Recipient | None
    """None for what the log does not bear out: it is given nothing."""
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What was given to whom, and where the next page goes on."""

    given: Sequence[Disclosure]
    next: bytes | None


async def put(caller: Caller, new: Sequence[Recipient], parts: Office) -> list[OnFile]:
    """Write the next version of each recipient; all of them or none.

    Raises: Forbidden, Conflict (`acts_moved`), Unavailable.
    """
    policy = await authorise(caller, VERB, parts, {"action": "put", "count": len(new)})
    return await retried(partial(_put, caller, new, policy, parts))


async def listing(caller: Caller, parts: Office) -> list[OnFile]:
    """Every recipient as it stands, by name. Raises: Forbidden, Unavailable."""
    await authorise(caller, VERB, parts, {"action": "list"})
    return list((await on_file(caller.tenant, None, parts.ledger, parts.provenance)).values())


async def disclosed(
    caller: Caller, wanted: Wanted, parts: Office, *, after: bytes | None = None, limit: int = 1000
) -> Disclosed:
    """Who has received anything, the newest first; asking is on record. Raises: Forbidden, Unavailable."""
    sealed = isinstance(granted(Ask(caller, SEALED_TO)), Allowed)
    detail = {"action": "disclosures"} | ({"asked_sealed": "yes"} if sealed else {})
    policy = await authorise(caller, VERB, parts, detail)
    draft = Draft(
        caller,
        VERB,
        "allow",
        VERB,
        subject=wanted.subject,
        token=wanted.token,
        policy=policy.hash,
        detail=detail | ({"recipient": wanted.recipient} if wanted.recipient else {}),
    )
    await record(caller.tenant, [draft], parts)
    found = await parts.ledger.disclosures.listing(
        caller.tenant, wanted, sealed=sealed, after=after, limit=limit
    )
    return Disclosed(found, found[-1].event_id if len(found) == limit else None)


async def on_file(
    tenant: str, names: Iterable[str] | None, ledger: Ledger, provenance: Provenance
) -> Mapping[str, OnFile]:
    """Recipients as they stand, those of `names` or all, read from the primary. Raises: Unavailable."""
    rows = await ledger.recipients.latest(tenant, names)
    events = await ledger.cases.events(tenant, [row.event_id for row in rows]) if rows else {}
    genuine = await provenance.genuine(tenant, list(events.values())) if events else {}
    return {row.name: OnFile(row.name, row.number, _believed(row, genuine.get(row.event_id))) for row in rows}


async def _put(caller: Caller, new: Sequence[Recipient], policy: Policy, parts: Office) -> list[OnFile]:
    known = await parts.ledger.recipients.latest(caller.tenant, [one.name for one in new])
    taken = {row.name: row.number for row in known}
    versions = [(one, taken.get(one.name, 0) + 1, documents.write(recipient_document(one))) for one in new]
    drafts = [
        Draft(caller, VERB, "allow", VERB, policy=policy.hash, detail=_claims(one.name, number, document))
        for one, number, document in versions
    ]

    async def deed(unit: Unit, signed: SignedList) -> None:
        rows = [
            StoredRecipient(one.name, number, document, event.event_id)
            for (one, number, document), event in zip(versions, signed.events, strict=True)
        ]
        await parts.ledger.recipients.add(unit, caller.tenant, rows)

    signed = await record(caller.tenant, drafts, parts, deed)
    return [
        OnFile(one.name, number, one, signed.receipt(event))
        for (one, number, _), event in zip(versions, signed.events, strict=True)
    ]


def _believed(row: StoredRecipient, event: StoredEvent | None) -> Recipient | None:
    """The recipient, when its event says what the row says."""
    if event is None:
        return None
    told = orjson.loads(event.body)
    wanted = {"verb": VERB, "decision": "allow", **_claims(row.name, row.number, row.document)}
    if any(told.get(name) != value for name, value in wanted.items()):
        return None
    try:
        return read_recipient(orjson.loads(row.document))
    except (BadDocument, orjson.JSONDecodeError):
        return None


def _claims(name: str, number: int, document: bytes) -> dict[str, str | int]:
    return {
        "action": "put",
        "recipient": name,
        "number": number,
        "document_sha256": sha256(document).hexdigest(),
    }
