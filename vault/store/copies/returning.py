"""Rows of a copy put back, in one transaction: what is missing returns, what is there stays as it is.

What was erased does not return: before the end every record that a tombstone names is gone again, and so
is each whose key exists no more, once somebody has said that this is meant.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from sqlalchemy import (
    ColumnElement,
    Insert,
    Table,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from vault.store import failures, restored
from vault.store.copies.snapshot import PAGE, UNHURRIED, TenantFacts
from vault.store.restored import Restoration
from vault.store.retention import id_at
from vault.store.rows import among
from vault.store.schema import (
    blind_index,
    checkpoint,
    event,
    events_dropped,
    record,
    register,
    replaced,
    resealed,
    tombstone,
)

KEPT = ("tenant", "token", "version", "subject", "field_type", "dek_id", "created_at")
"""What a tombstone keeps of its record."""
ERASED_SINCE, KEY_GONE = "restored-erased", "restored-key-gone"
"""Reasons of tombstones that a restore writes: corrected since the backup; its key exists no more."""
Key = tuple[str, bytes]
"""Tenant and DEK id."""


class Returning:
    """A transaction of one database. Methods may raise Unavailable; leaving without commit undoes all."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None

    async def __aenter__(self) -> Self:
        with failures.statements():
            self._connection = await self._engine.connect()
            if self._connection.dialect.name == "sqlite":
                await self._connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                await self._connection.exec_driver_sql(UNHURRIED)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.open.close()

    @property
    def open(self) -> AsyncConnection:
        """The connection, for this package."""
        if self._connection is None:
            raise RuntimeError("the transaction was not entered")
        return self._connection

    async def put(self, table: Table, columns: Mapping[str, Sequence[Any]]) -> int:
        """Add the rows that are missing; answer how many were."""
        if not next(iter(columns.values()), ()):
            return 0
        with failures.statements():
            if self.open.dialect.name == "postgresql":
                done = await self.open.execute(_from_arrays(table, columns))
            else:
                every = zip(*columns.values(), strict=True)
                rows = [dict(zip(columns, row, strict=True)) for row in every]
                done = await self.open.execute(sqlite.insert(table).on_conflict_do_nothing().inline(), rows)
        return max(0, done.rowcount)

    async def commit(self) -> None:
        """Make it durable."""
        with failures.commit():
            await self.open.commit()


class ReturningData(Returning):
    """The data database, with its rule: what was erased does not return."""

    async def is_empty(self) -> bool:
        """Whether no tenant is in it."""
        with failures.statements():
            return await self.open.scalar(select(register.c.tenant).limit(1)) is None

    async def other_history(self, facts: Mapping[str, TenantFacts]) -> list[str]:
        """Tenants whose log here is another one than that of the copy."""
        c, found = checkpoint.c, []
        for tenant, one in facts.items():
            same = select(c.root).where(c.tenant == tenant, c.size == one.checkpoint_size)
            with failures.statements():
                root = await self.open.scalar(same)
            if root is not None and bytes(root) != one.checkpoint_root:
                found.append(tenant)
        return found

    async def is_behind(self, facts: Mapping[str, TenantFacts]) -> bool:
        """Whether a log of the copy goes on further than here: then nothing here tells what was erased."""
        for tenant, one in facts.items():
            signed = checkpoint.c.tenant == tenant, checkpoint.c.size >= one.checkpoint_size
            told = event.c.tenant == tenant, event.c.event_id >= one.newest_event
            wanted = select(checkpoint.c.size).where(*signed) if one.checkpoint_size else None
            if wanted is None and one.newest_event:
                wanted = select(event.c.event_id).where(*told)
            with failures.statements():
                if wanted is not None and await self.open.scalar(wanted.limit(1)) is None:
                    return True
        return False

    async def put_index(self, columns: Mapping[str, Sequence[Any]]) -> int:
        """Add index rows where rows live, but none of a token that has one, or whose value was corrected.

        Nobody could tell any more which value, or which version of the index key, such a row is of.
        """
        told, stale = sorted(set(columns["token"])), set[tuple[Any, ...]]()
        for table in (replaced, blind_index):
            known = select(table.c.tenant, table.c.token).where(among(self.open, table.c.token, told))
            with failures.statements():
                stale |= {tuple(row) for row in await self.open.execute(known)}
        pairs = zip(columns["tenant"], columns["token"], strict=True)
        fresh = [i for i, pair in enumerate(pairs) if pair not in stale]
        return await self.put(blind_index, {name: [c[i] for i in fresh] for name, c in columns.items()})

    async def bury(self) -> int:
        """End again what was erased or corrected since; answer how many records that were."""
        gone = exists().where(tombstone.c.tenant == record.c.tenant, tombstone.c.token == record.c.token)
        newer = record.alias("newer")
        followed = exists().where(
            newer.c.tenant == record.c.tenant,
            newer.c.token == record.c.token,
            newer.c.version > record.c.version,
        )
        with failures.statements():
            buried = (await self.open.execute(delete(record).where(gone))).rowcount
            buried += (await self.open.execute(delete(record).where(_corrected(), followed))).rowcount
        return buried + await self._bury(_corrected(), ERASED_SINCE)

    async def bury_keyless(self, keys: Sequence[Key]) -> int:
        """End the records of these keys; answer how many there were."""
        done = 0
        for tenant, dek_ids in by_tenant(keys).items():
            where = record.c.tenant == tenant, among(self.open, record.c.dek_id, dek_ids)
            done += await self._bury(where[0] & where[1], KEY_GONE)
        return done

    async def tidy(self) -> None:
        """No index of an erased token, and no event of a month that was dropped."""
        index = blind_index.c
        gone = exists().where(tombstone.c.tenant == index.tenant, tombstone.c.token == index.token)
        with failures.statements():
            await self.open.execute(delete(blind_index).where(gone))
            until = await self.open.scalar(select(func.max(events_dropped.c.until)))
            if until is not None:
                await self.open.execute(delete(event).where(event.c.event_id < id_at(int(until))))

    async def keys(self) -> AsyncIterator[list[Key]]:
        """The DEK of every record that is left."""
        async for page in self._pages(select(record.c.tenant, record.c.dek_id).order_by(record.c.tenant)):
            yield page

    async def destroyed(self) -> AsyncIterator[list[Key]]:
        """The DEKs that erasures and corrections destroyed, and those that records had before a reseal."""
        for table in (tombstone, replaced, resealed):
            async for page in self._pages(select(table.c.tenant, table.c.dek_id).order_by(table.c.tenant)):
                yield page

    async def note(self, done: Restoration) -> None:
        """Leave a mark that keeps planes from starting until the restore is on record."""
        await restored.put(self.open, done)

    async def _pages(self, wanted: Any) -> AsyncIterator[list[Key]]:
        with failures.statements():
            found = await self.open.stream(wanted, execution_options={"yield_per": PAGE})
            async for page in found.partitions(PAGE):
                yield [(row[0], bytes(row[1])) for row in page]

    async def _bury(self, where: ColumnElement[bool], reason: str) -> int:
        kept = select(*(record.c[name] for name in KEPT), literal(reason)).where(where)
        with failures.statements():
            await self.open.execute(insert(tombstone).from_select([*KEPT, "reason"], kept))
            return (await self.open.execute(delete(record).where(where))).rowcount


def _corrected() -> ColumnElement[bool]:
    """The record's own key was destroyed because its token got another value."""
    r = replaced.c
    return exists().where(r.tenant == record.c.tenant, r.token == record.c.token, r.dek_id == record.c.dek_id)


def by_tenant(keys: Sequence[Key]) -> dict[str, list[bytes]]:
    """Keys by their tenant."""
    found: dict[str, list[bytes]] = {}
    for tenant, dek_id in keys:
        found.setdefault(tenant, []).append(dek_id)
    return found


def _from_arrays(table: Table, columns: Mapping[str, Sequence[Any]]) -> Insert:
    """One statement of one shape, whatever the number of rows."""
    names = list(columns)
    arrays = [literal(list(columns[name]), postgresql.ARRAY(table.c[name].type)) for name in names]
    given = func.unnest(*arrays).table_valued(*(column(name, table.c[name].type) for name in names))
    given = given.render_derived()
    rows = select(*(given.c[name] for name in names))
    return postgresql.insert(table).from_select(names, rows).on_conflict_do_nothing()
