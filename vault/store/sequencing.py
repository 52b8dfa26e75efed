"""What the sequencer asks of the database: the lease, the lists without a number, and the one transaction
that gives them theirs. Every write is fenced by the lease, and by primary keys beside.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, insert, literal_column, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from vault.errors import Unavailable
from vault.store import failures
from vault.store.log import Leaf, LogStore, StoredCheckpoint, leaves_of
from vault.store.retention import dropped_before, id_at
from vault.store.rows import among, insert_rows, looked_up
from vault.store.schema import (
    LEASE,
    checkpoint,
    db_clock,
    event,
    leaf,
    list_refusal,
    node,
    sequencer_lease,
    signed_list,
    worker,
)


class LeaseLost(Unavailable):
    """Somebody else leads: nothing was written."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who leads, in which term. The term grows with each change of hands and fences every write."""

    holder: str
    term: int


@dataclass(frozen=True, slots=True)
class StoredList:
    """A signed list's row."""

    list_id: bytes
    worker_id: bytes
    chain: bytes
    seq: int
    previous: bytes
    size: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class StoredWorker:
    """A worker's row."""

    worker_id: bytes
    plane: str
    public_key: bytes
    started_at: int
    key_version: int
    endorsement: bytes


@dataclass(frozen=True, slots=True)
class Window:
    """Which lists without a number: from `first` on, before `end`, refused ones only when asked for."""

    first: bytes
    end: bytes | None = None
    refused_too: bool = False


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """What an event's row gives to its list's signature."""

    position: int
    event_id: bytes
    commitment: bytes


class SequencerStore(LogStore):
    """The sequencer's tables. Every method may raise Unavailable; writes also Clash or OutcomeUnknown."""

    async def take_lease(self, holder: str, microseconds: int) -> Lease | None:
        """Become the leader if nobody is; None while somebody else is."""
        c = sequencer_lease.c
        # Its own lease, taken by a commit whose answer got lost, need not run out first.
        free = and_(c.name == LEASE, or_(c.until < db_clock(), c.holder == holder))
        if not await self._rows(select(c.term).where(free)):
            return None
        taken = (
            update(sequencer_lease)
            .where(free)
            .values(holder=holder, term=c.term + 1, until=db_clock() + microseconds)
            .returning(c.term)
        )
        with failures.statements():
            async with self.engine.begin() as connection:
                term = await connection.scalar(taken)
        return Lease(holder, int(term)) if term is not None else None

    async def keep_lease(self, lease: Lease, microseconds: int) -> None:
        """Go on leading. Raises: LeaseLost."""
        with failures.statements():
            async with self.engine.begin() as connection:
                await _fence(connection, lease, microseconds)

    async def release(self, lease: Lease) -> None:
        """Let the next one lead at once."""
        await self.keep_lease(lease, 0)

    async def clock(self) -> int:
        """The database's clock, in microseconds."""
        return int((await self._rows(select(db_clock())))[0][0])

    async def waiting(self, tenant: str, window: Window, *, most: int) -> list[StoredList]:
        """Lists without a leaf, oldest first. Absence decides, so that a late commit is not missed."""
        c = signed_list.c
        numbered = looked_up(
            leaf.c.idx,
            leaf.c.tenant == tenant,
            leaf.c.list_id == c.list_id,
            leaf.c.position == literal_column("0"),  # in words, or the partial index cannot be used
        )
        query = (
            _lists(tenant)
            .where(c.list_id >= window.first, numbered.is_(None))
            .order_by(c.list_id)
            .limit(most)
        )
        if window.end is not None:
            query = query.where(c.list_id < window.end)
        if not window.refused_too:
            r = list_refusal.c
            refused = looked_up(r.list_id, r.tenant == tenant, r.list_id == c.list_id)
            query = query.where(refused.is_(None))
        return [StoredList(*row) for row in await self._rows(query)]

    async def page_end(self, tenant: str, first: bytes, count: int) -> bytes | None:
        """The id of the list `count` lists after `first`; None when there are fewer."""
        c = signed_list.c
        end = (
            select(c.list_id)
            .where(c.tenant == tenant, c.list_id >= first)
            .order_by(c.list_id)
            .offset(count)
            .limit(1)
        )
        rows = await self._rows(end)
        return rows[0][0] if rows else None

    async def lists_at(self, tenant: str, places: Sequence[tuple[bytes, int]]) -> list[StoredList]:
        """The lists at these (chain, seq)."""
        c = signed_list.c
        return [
            StoredList(*row)
            for row in await self._rows(_lists(tenant).where(tuple_(c.chain, c.seq).in_(places)))
        ]

    async def lists(self, tenant: str, list_ids: Sequence[bytes]) -> list[StoredList]:
        """The rows of these lists, as far as they are there."""
        these = _lists(tenant).where(among(self.engine, signed_list.c.list_id, list_ids))
        return [StoredList(*row) for row in await self._rows(these)]

    async def numbered_before(self, tenant: str, list_ids: Collection[bytes], size: int) -> list[bytes]:
        """Which of these lists begin among the first `size` leaves."""
        c = leaf.c
        begins = (c.tenant == tenant, c.position == literal_column("0"), c.idx < size)
        these = select(c.list_id).where(*begins, among(self.engine, c.list_id, list(list_ids)))
        return [row[0] for row in await self._rows(these)]

    async def entries(self, tenant: str, list_ids: Sequence[bytes]) -> Mapping[bytes, list[StoredEntry]]:
        """What the rows of these lists' events say, by list and in order of position."""
        c = event.c
        rows = await self._rows(
            select(c.list_id, c.position, c.event_id, c.commitment).where(
                c.tenant == tenant, among(self.engine, c.list_id, list_ids)
            )
        )
        found: dict[bytes, list[StoredEntry]] = {list_id: [] for list_id in list_ids}
        for list_id, position, event_id, commitment in rows:
            found[list_id].append(StoredEntry(position, event_id, commitment))
        # Dropping a month may cut a list in two: what was stamped first is gone.
        short = [one for one, members in found.items() if all(member.position for member in members)]
        for kept in await self._dropped(tenant, short) if short else ():
            found[kept.list_id].append(StoredEntry(kept.position, kept.event_id, kept.commitment))
        for members in found.values():
            members.sort(key=lambda one: one.position)
        return found

    async def _dropped(self, tenant: str, list_ids: Sequence[bytes]) -> list[Leaf]:
        """What the leaves of these lists keep of events whose month was dropped."""
        until = await dropped_before(self.engine)
        begin, c = leaf.alias(), signed_list.c
        kept = (
            leaves_of(tenant)
            .join(begin, and_(begin.c.tenant == leaf.c.tenant, begin.c.list_id == leaf.c.list_id))
            .join(signed_list, and_(c.tenant == leaf.c.tenant, c.list_id == leaf.c.list_id))
            .where(
                among(self.engine, begin.c.list_id, list_ids),
                begin.c.position == literal_column("0"),
                leaf.c.idx >= begin.c.idx,
                leaf.c.idx < begin.c.idx + c.size,
                leaf.c.event_id < id_at(until),
            )
        )
        return [Leaf(*row) for row in await self._rows(kept)] if until else []

    async def worker(self, worker_id: bytes) -> StoredWorker | None:
        """Who signed."""
        c = worker.c
        query = select(c.worker_id, c.plane, c.public_key, c.started_at, c.key_version, c.endorsement).where(
            c.worker_id == worker_id
        )
        rows = await self._rows(query)
        return StoredWorker(*rows[0]) if rows else None

    async def append(
        self,
        tenant: str,
        leaves: Sequence[Leaf],
        nodes: Sequence[tuple[int, int, bytes]],
        *,
        lease: Lease,
        microseconds: int,
    ) -> None:
        """Number events: leaves, nodes and the lease's renewal in one transaction, or none of it.

        Raises: LeaseLost; Clash when an index, an event or a list has its leaf already.
        """
        async with self.engine.connect() as connection:
            with failures.statements():
                await _fence(connection, lease, microseconds)
                await insert_rows(
                    connection,
                    leaf,
                    {"tenant": tenant},
                    {
                        "idx": [one.idx for one in leaves],
                        "event_id": [one.event_id for one in leaves],
                        "commitment": [one.commitment for one in leaves],
                        "list_id": [one.list_id for one in leaves],
                        "position": [one.position for one in leaves],
                    },
                )
                if nodes:
                    rows = [{"tenant": tenant, "level": v, "number": n, "hash": h} for v, n, h in nodes]
                    await connection.execute(insert(node), rows)
            with failures.commit():
                await connection.commit()

    async def publish(
        self, tenant: str, signed: StoredCheckpoint, *, lease: Lease, microseconds: int
    ) -> None:
        """Make a signed checkpoint the newest. Raises: LeaseLost; Clash when its size has one already."""
        row = {
            "tenant": tenant,
            "size": signed.size,
            "root": signed.root,
            "note": signed.note,
            "key_version": signed.key_version,
        }
        async with self.engine.connect() as connection:
            with failures.statements():
                await _fence(connection, lease, microseconds)
                await connection.execute(insert(checkpoint), row)
            with failures.commit():
                await connection.commit()

    async def refuse(self, tenant: str, list_id: bytes, reason: str) -> None:
        """Note that a list does not verify. Raises: Clash when that is known."""
        row = {"tenant": tenant, "list_id": list_id, "reason": reason}
        with failures.statements():
            async with self.engine.begin() as connection:
                await connection.execute(insert(list_refusal), row)


async def _fence(connection: AsyncConnection, lease: Lease, microseconds: int) -> None:
    """Hold the lease's row until the transaction ends: whoever wants to lead next waits behind it."""
    c = sequencer_lease.c
    kept = (
        update(sequencer_lease)
        .where(c.name == LEASE, c.holder == lease.holder, c.term == lease.term)
        .values(until=db_clock() + microseconds)
    )
    if (await connection.execute(kept)).rowcount != 1:
        raise LeaseLost


def _lists(tenant: str) -> Select[Any]:
    c = signed_list.c
    return select(c.list_id, c.worker_id, c.chain, c.seq, c.previous, c.size, c.signature).where(
        c.tenant == tenant
    )
