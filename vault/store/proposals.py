"""Changes of authority that wait for a second person, and how each ended. Rows are only ever added."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, exists, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.acts import proposal, proposal_end
from vault.store.events import StoredEvent
from vault.store.log import Leaf
from vault.store.rows import rows
from vault.store.schema import AUTHORITY_VERBS, event
from vault.store.sequencing import SequencerStore


@dataclass(frozen=True, slots=True)
class StoredProposal:
    """A proposal's row: unverified. `expires_at` in µs."""

    proposal_id: bytes
    document: bytes
    credential: str
    person: str
    expires_at: int
    event_id: bytes


@dataclass(frozen=True, slots=True)
class ProposalEnd:
    """How a proposal ended (approved or rejected), and by whom."""

    proposal_id: bytes
    act: str
    credential: str
    person: str


class Proposals:
    """The proposals of every tenant, read. Every method may raise Unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, tenant: str, proposal_id: bytes) -> StoredProposal | None:
        """One row, ended or not."""
        found = await rows(self._engine, _rows(tenant).where(proposal.c.proposal_id == proposal_id))
        return StoredProposal(*found[0]) if found else None

    async def open(self, tenant: str, *, now: int) -> list[StoredProposal]:
        """Those that have no end and have not expired, the oldest first."""
        ended = exists().where(
            proposal_end.c.tenant == proposal.c.tenant, proposal_end.c.proposal_id == proposal.c.proposal_id
        )
        wanted = _rows(tenant).where(proposal.c.expires_at > now, ~ended).order_by(proposal.c.proposal_id)
        return [StoredProposal(*row) for row in await rows(self._engine, wanted)]

    async def end(self, tenant: str, proposal_id: bytes) -> str | None:
        """How a proposal ended, if it did."""
        c = proposal_end.c
        found = await rows(
            self._engine, select(c.act).where(c.tenant == tenant, c.proposal_id == proposal_id)
        )
        return str(found[0][0]) if found else None

    async def event(self, tenant: str, event_id: bytes) -> StoredEvent | None:
        """An event as the database has it."""
        c = event.c
        wanted = select(c.event_id, c.commitment, c.salt, c.body, c.list_id).where(
            c.tenant == tenant, c.event_id == event_id
        )
        found = await rows(self._engine, wanted)
        return StoredEvent(*found[0]) if found else None

    async def told_since(self, tenant: str, event_id: bytes) -> Sequence[bytes]:
        """The bodies of every change of authority that was allowed after an event."""
        c = event.c
        wanted = select(c.body).where(
            c.tenant == tenant, c.event_id > event_id, text(AUTHORITY_VERBS), c.decision == "allow"
        )
        return [row[0] for row in await rows(self._engine, wanted)]


def _rows(tenant: str) -> Select[tuple[object, ...]]:
    columns = [proposal.c[name] for name in StoredProposal.__dataclass_fields__]
    return select(*columns).where(proposal.c.tenant == tenant)


class RecentLists(SequencerStore):
    """Signed lists of the last days, of which nothing can have been dropped: leaves are not looked at."""

    async def _dropped(self, _: str, __: Sequence[bytes]) -> list[Leaf]:
        return []
