"""How far a tenant's log is behind its events, in a few index look-ups."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from vault.store import failures
from vault.store.rows import looked_up
from vault.store.schema import checkpoint, db_clock, event, leaf, list_refusal, signed_list

LATE = 20_000_000
"""µs by which a list may be committed after its id was made and still be looked for behind the log's end."""
STANDING = 5_000_000
"""µs after which an event would long have a checkpoint if anybody were at work."""
FLOOD = 10
"""Times the limit of events, at which it does not matter how young the oldest is said to be."""
UNCOUNTED = "authenticate"
"""Failed authentications cannot be kept from coming, so they must not be able to stop anything."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events that no checkpoint covers, and the age in µs of the oldest; both 0 when there is none."""

    events: int
    microseconds: int

    def reaches(self, limit: "Backlog") -> bool:
        """Whether it is as old as the limit, or holds as many events and has stood still for a moment.

        A burst holds more than the limit within a second, and is proved in the next: a sequencer at work
        keeps the oldest young. A time that is yet to come is nobody's age, and no age excuses a flood.
        """
        standing = not 0 <= self.microseconds < STANDING or self.events >= FLOOD * limit.events
        return self.microseconds >= limit.microseconds or (self.events >= limit.events and standing)


@dataclass(frozen=True, slots=True)
class _End:
    """Where a log ends: leaves, how many of them are signed, and from which list id on others may wait."""

    size: int
    signed: int
    waiting_from: bytes
    now: int


async def read_backlog(engine: AsyncEngine, tenant: str, limit: Backlog) -> Backlog:
    """How far behind. Exact about what counts only where `limit` is reached. Raises: Unavailable."""
    with failures.statements():
        async with engine.connect() as connection:
            end = await _end(connection, tenant)
            enough = FLOOD * limit.events
            found = await _measure(connection, tenant, end, enough)
            if found.reaches(limit):
                found = await _measure(connection, tenant, end, enough, counted=True)
            return found


async def _end(connection: AsyncConnection, tenant: str) -> _End:
    query = select(leaf.c.idx, leaf.c.list_id).where(leaf.c.tenant == tenant)
    last = (await connection.execute(query.order_by(leaf.c.idx.desc()).limit(1))).one_or_none()
    covered = select(func.max(checkpoint.c.size)).where(checkpoint.c.tenant == tenant)
    signed = int(await connection.scalar(covered) or 0)
    now = int(await connection.scalar(select(db_clock())) or 0)
    if last is None:
        return _End(0, signed, bytes(16), now)
    edge = min(int.from_bytes(last.list_id[:7]), now) - LATE
    return _End(last.idx + 1, signed, max(0, edge).to_bytes(7) + bytes(9), now)


async def _measure(
    connection: AsyncConnection, tenant: str, end: _End, enough: int, *, counted: bool = False
) -> Backlog:
    waiting = _waiting(tenant, end.waiting_from)
    unsigned = select(leaf.c.list_id).where(leaf.c.tenant == tenant, leaf.c.idx >= end.signed)
    events = 0 if counted else max(0, end.size - end.signed)
    if counted:
        waiting = waiting.where(_counts(tenant, signed_list.c.list_id))
        unsigned = unsigned.where(_counts(tenant, leaf.c.list_id))
        some = unsigned.limit(enough).subquery()
        events = int(await connection.scalar(select(func.count()).select_from(some)) or 0)
    lists = waiting.order_by(signed_list.c.list_id).limit(enough).subquery()
    events += int(await connection.scalar(select(func.sum(lists.c.size))) or 0)
    times = []
    for first in (waiting.order_by(signed_list.c.list_id), unsigned.order_by(leaf.c.idx)):
        row = (await connection.execute(first.limit(1))).one_or_none()
        if row is not None:
            # Without any event it is as old as can be: the second, exact look leaves such a list out.
            unknown = end.now if counted else 0
            times.append(await _recorded(connection, tenant, row.list_id) or unknown)
    return Backlog(events, end.now - min(times, default=end.now))


def _waiting(tenant: str, first: bytes) -> Select[Any]:
    """Lists that have no leaf and were not refused."""
    c = signed_list.c
    numbered = looked_up(
        leaf.c.list_id,
        leaf.c.tenant == tenant,
        leaf.c.list_id == c.list_id,
        leaf.c.position == literal_column("0"),
    )
    r = list_refusal.c
    refused = looked_up(r.list_id, r.tenant == tenant, r.list_id == c.list_id)
    return select(c.list_id, c.size).where(
        c.tenant == tenant, c.list_id >= first, numbered.is_(None), refused.is_(None)
    )


def _counts(tenant: str, list_id: ColumnElement[bytes]) -> ColumnElement[bool]:
    e = event.c
    of_list = e.tenant == tenant, e.list_id == list_id
    return looked_up(e.list_id, *of_list, e.verb != UNCOUNTED).is_not(None)


async def _recorded(connection: AsyncConnection, tenant: str, list_id: bytes) -> int | None:
    """When a list was written, on the database's clock: ids are made by clocks that may be wrong."""
    e = event.c
    oldest = select(func.min(e.recorded_at)).where(e.tenant == tenant, e.list_id == list_id)
    found: int | None = await connection.scalar(oldest)
    return found
