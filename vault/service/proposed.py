"""Which proposals count: those that a worker of the control plane signed for, neither ended nor expired.

Whoever can write the database could put a proposal into somebody's mouth, and approve it in his own name. So
the row is believed only as far as its event bears it out: a body that names document, credential and person,
in a list that an endorsed worker of control signed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import orjson

from vault.errors import Conflict, NotFound
from vault.model.names import show_id
from vault.model.proposal import LASTS, Proposal, ProposalError, from_bytes
from vault.service.provenance import Provenance
from vault.service.registers import Alarm
from vault.store.events import StoredEvent
from vault.store.proposals import StoredProposal

_ENDS = ("approve", "reject")
_CLOCKS_DIFFER = 3_600_000_000
"""µs by which clocks of two workers differ at most."""


class ProposalStore(Protocol):
    """The rows, and the events about them. Every method may raise Unavailable."""

    async def find(self, tenant: str, proposal_id: bytes) -> StoredProposal | None:
        """One row, ended or not."""

    async def open(self, tenant: str, *, now: int) -> list[StoredProposal]:
        """Those without an end that have not expired."""

    async def end(self, tenant: str, proposal_id: bytes) -> str | None:
        """How one ended."""

    async def event(self, tenant: str, event_id: bytes) -> StoredEvent | None:
        """An event."""

    async def told_since(self, tenant: str, event_id: bytes) -> Sequence[bytes]:
        """Bodies of the changes of authority after an event."""


@dataclass(frozen=True, slots=True)
class Open:
    """A genuine proposal that waits: what is proposed, and by whom. `expires_at` in µs."""

    proposal_id: bytes
    proposal: Proposal
    credential: str
    person: str
    expires_at: int

    @property
    def name(self) -> str:
        """`prp_…`"""
        return show_id("prp", self.proposal_id)


class Proposed:
    """The proposals of every tenant, judged."""

    def __init__(self, store: ProposalStore, provenance: Provenance, *, alarm: Alarm) -> None:
        """`provenance` knows the keys of control's workers and no other plane's."""
        self._store = store
        self._provenance = provenance
        self._alarm = alarm

    async def listing(self, tenant: str, *, now: int) -> list[Open]:
        """Those that wait, the oldest first. One that is not genuine raises the alarm and is left out."""
        found = [await self._genuine(tenant, row) for row in await self._store.open(tenant, now=now)]
        return [one for one in found if one is not None and now < one.expires_at]

    async def find(self, tenant: str, proposal_id: bytes, *, now: int) -> Open:
        """One that waits.

        Raises: NotFound (`proposal_not_found`); Conflict (`proposal_ended`, `proposal_expired`,
        `proposal_tampered` with an alarm); Unavailable.
        """
        row = await self._store.find(tenant, proposal_id)
        if row is None:
            raise NotFound("proposal_not_found")
        if await self.ended(tenant, row):
            raise Conflict("proposal_ended", "Somebody approved or rejected this proposal already.")
        genuine = await self._genuine(tenant, row)
        if genuine is None:
            raise Conflict("proposal_tampered")
        if now >= genuine.expires_at:
            raise Conflict("proposal_expired", "Propose it again: a proposal waits for seven days.")
        return genuine

    async def ended(self, tenant: str, row: StoredProposal) -> bool:
        """Whether it was approved or rejected, by its row or by the log: a row can be deleted."""
        if await self._store.end(tenant, row.proposal_id) is not None:
            return True
        name = show_id("prp", row.proposal_id)
        # A worker whose clock is behind may have written the end under an earlier time.
        since = max(0, int.from_bytes(row.event_id[:7]) - _CLOCKS_DIFFER).to_bytes(7) + bytes(9)
        told = map(orjson.loads, await self._store.told_since(tenant, since))
        return any(body.get("proposal") == name and body.get("action") in _ENDS for body in told)

    async def _genuine(self, tenant: str, row: StoredProposal) -> Open | None:
        event, proposal = await self._store.event(tenant, row.event_id), _read(row, tenant)
        signed = event is not None and await self._provenance.genuine(tenant, [event])
        if event is None or proposal is None or not signed or not _bears_out(event, row, proposal):
            self._alarm("proposal_tampered", tenant)
            return None
        return Open(row.proposal_id, proposal, row.credential, row.person, row.expires_at)


def _read(row: StoredProposal, tenant: str) -> Proposal | None:
    """The document, when it is one of this tenant's."""
    try:
        proposal = from_bytes(row.document)
    except ProposalError:
        return None
    return proposal if proposal.tenant == tenant else None


def _bears_out(event: StoredEvent, row: StoredProposal, proposal: Proposal) -> bool:
    """Whether a genuine event says what the row says."""
    wanted = {
        "tenant": proposal.tenant,
        "actor": row.credential,
        "person": row.person,
        "verb": proposal.verb,
        "decision": "allow",
        "event_id": show_id("evt", row.event_id),
        **claims(row.proposal_id, row.document, expires_at=row.expires_at),
    }
    body = orjson.loads(event.body)
    return all(body.get(name) == value for name, value in wanted.items())


def claims(proposal_id: bytes, document: bytes, *, expires_at: int) -> dict[str, str | int]:
    """What the event of a proposal says of its row."""
    return {
        "action": "propose",
        "proposal": show_id("prp", proposal_id),
        "sha256": sha256(document).hexdigest(),
        "until": expires_at,
    }


def until(now: int) -> int:
    """When what is proposed now expires (µs)."""
    return now + LASTS
