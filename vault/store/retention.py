"""Months of events whose retention is over: which there are, and dropping one.

What is dropped is the whole row, body and salt and what it was found by; the leaf keeps the entry for ever.
PostgreSQL does it by functions that check for themselves (migration 0004): the role that may call them can
do nothing else. SQLite has no roles, so there this file is all there is.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import ColumnElement, and_, case, delete, exists, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from vault.store import failures
from vault.store.schema import checkpoint, db_clock, event, events_dropped, leaf

LEAST_MONTHS = 12
"""The law's floor (PCI DSS 10.5.1; DPDP Rules 2025, 6(1)(e) and 8(3)); no setting goes below it."""
AHEAD = 12
"""Months there are partitions for ahead of time."""


@dataclass(frozen=True, slots=True)
class Expired:
    """A tenant's events of a month that is past its floor. `uncovered`: no signed checkpoint has them."""

    month: date
    tenant: str | None
    events: int
    uncovered: int


class Months:
    """The months of the table `event`. Every method may raise Unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def expired(self, floor: int) -> list[Expired]:
        """What may be dropped when events are kept for `floor` full months, oldest first."""
        with failures.statements():
            async with self._engine.connect() as connection:
                if self._engine.dialect.name != "postgresql":
                    return await _expired(connection, floor)
                rows = await connection.execute(
                    text("SELECT * FROM strongroom_expired_events(:f)"), {"f": floor}
                )
                return [Expired(*row) for row in rows]

    async def drop(self, month: date) -> int:
        """Drop a month; answer how many events it had. All of it or, when a part must stay, nothing."""
        with failures.statements():
            async with self._engine.connect() as connection:
                if self._engine.dialect.name == "postgresql":
                    call = text("SELECT strongroom_drop_events(:m)")
                    dropped = int(await connection.scalar(call, {"m": month}) or 0)
                else:
                    dropped = await _drop(connection, month)
                await connection.commit()
        return dropped

    async def make_ahead(self) -> int:
        """Make room for the months to come; answer how many were new. SQLite needs none."""
        if self._engine.dialect.name != "postgresql":
            return 0
        with failures.statements():
            async with self._engine.begin() as connection:
                call = text("SELECT strongroom_make_event_months(:n)")
                return int(await connection.scalar(call, {"n": AHEAD}) or 0)


async def dropped_before(engine: AsyncEngine) -> int:
    """The time, µs, before which events may have been dropped; 0 while none was. Raises: Unavailable."""
    with failures.statements():
        async with engine.connect() as connection:
            return int(await connection.scalar(select(func.max(events_dropped.c.until))) or 0)


def id_at(microseconds: int) -> bytes:
    """The smallest event id of a moment."""
    return microseconds.to_bytes(7) + bytes(9)


def _micros(month: date) -> int:
    return int(datetime(month.year, month.month, 1, tzinfo=UTC).timestamp()) * 1_000_000


def _later(month: date, months: int) -> date:
    number = 12 * month.year + month.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


_COVERED = exists(leaf.c.idx).where(
    leaf.c.tenant == event.c.tenant,
    leaf.c.event_id == event.c.event_id,
    leaf.c.commitment == event.c.commitment,
    leaf.c.list_id == event.c.list_id,
    leaf.c.position == event.c.position,
    leaf.c.idx < select(func.max(checkpoint.c.size)).where(checkpoint.c.tenant == event.c.tenant)
    .scalar_subquery(),
)  # fmt: skip
"""A leaf below the newest checkpoint says all that will be left of the event."""


async def _expired(connection: AsyncConnection, floor: int) -> list[Expired]:
    first = await connection.scalar(select(func.min(event.c.event_id)))
    if first is None:
        return []
    now = int(await connection.scalar(select(db_clock())) or 0)
    begin = datetime.fromtimestamp(int.from_bytes(first[:7]) // 1_000_000, UTC)
    month, found = date(begin.year, begin.month, 1), list[Expired]()
    while _micros(_later(month, 1 + floor)) <= now:
        missing = func.sum(case((_COVERED, 0), else_=1))
        rows = await connection.execute(
            select(event.c.tenant, func.count(), missing)
            .where(_within(month))
            .group_by(event.c.tenant)
            .order_by(event.c.tenant)
        )
        found += [Expired(month, *row) for row in rows]
        month = _later(month, 1)
    return found


async def _drop(connection: AsyncConnection, month: date) -> int:
    now = int(await connection.scalar(select(db_clock())) or 0)
    if _micros(_later(month, 1 + LEAST_MONTHS)) > now:
        raise failures.Clash
    # The deletion takes the lock under which the count of what is left holds.
    dropped = (await connection.execute(delete(event).where(_within(month), _COVERED))).rowcount
    if await connection.scalar(select(func.count()).select_from(event).where(_within(month))):
        raise failures.Clash
    until = _micros(_later(month, 1))
    if not await connection.scalar(select(events_dropped.c.until).where(events_dropped.c.until == until)):
        await connection.execute(insert(events_dropped), {"until": until})
    return dropped


def _within(month: date) -> ColumnElement[bool]:
    low, high = id_at(_micros(month)), id_at(_micros(_later(month, 1)))
    return and_(event.c.event_id >= low, event.c.event_id < high)
