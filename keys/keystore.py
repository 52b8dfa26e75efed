"""The keystore: wrapped DEKs in a database of their own. Deleting a row shreds the one value it sealed.

A row is inserted before its DEK is handed out and is never updated by the service; whether a DEK is in
use is known from the records, so no right to change rows is needed to take one. An insert holds the tenant's
row of the fence: a DEK under a KEK version that a rotation has left behind is not added (decisions/0015).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

import asyncpg
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import text

from keys.database import FAILURES, Database
from keys.errors import KeystoreUnavailable, Outdated
from keys.prepared import POSTGRESQL, Prepared, Statement, given, looked_up_each, unnested, wide
from keys.ring import WrappedDek

metadata = MetaData()

dek = Table(
    "dek",
    metadata,
    Column("tenant", String(32), primary_key=True),
    Column("dek_id", LargeBinary, primary_key=True),
    Column("wrapped", Text, nullable=False),
    Column("kek_version", Integer, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
)
Index("dek_kek_version", dek.c.tenant, dek.c.kek_version)

kek_fence = Table(
    "kek_fence",
    metadata,
    Column("tenant", String(32), primary_key=True),
    # Under an older KEK version than this nothing is added.
    Column("min_version", Integer, nullable=False, server_default="0"),
    # Never written. A right to change it is the right to hold the row against whoever raises the fence.
    Column("held", SmallInteger, nullable=False, server_default="0"),
)

CANARY = bytes(16)
"""The id of a DEK that seals nothing; left out of every reconciliation."""
FOR_EVER = 2**62

_CLOCK = {
    "postgresql": "(extract(epoch from clock_timestamp()) * 1000000)::bigint",
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
}
"""Microseconds, on the database's own clock."""
_FENCE = text(f"SELECT min_version, {_CLOCK['sqlite']} FROM kek_fence WHERE tenant = :tenant")  # noqa: S608
_MAKE_FENCE = text("INSERT INTO kek_fence (tenant) VALUES (:tenant) ON CONFLICT DO NOTHING")


class Keystore:
    """Wrapped DEKs by tenant and id. Every method may raise KeystoreUnavailable."""

    def __init__(self, engine: Database) -> None:
        self._engine = engine

    async def insert(self, tenant: str, deks: Sequence[WrappedDek], *, lease: int) -> int:
        """Store wrapped DEKs, leased for `lease` µs; answer when the lease ends on the database's clock.

        Raises: Outdated when a rotation has left their KEK version behind; they are to be wrapped anew.
        """
        with translated():
            return await self._add(tenant, deks, lease)

    async def plant_canary(self, tenant: str, wrapped: WrappedDek) -> None:
        """Store the one DEK that seals nothing, unless it is there: readiness of reveal unwraps it.

        Raises: Outdated, as `insert`.
        """
        with translated(), suppress(IntegrityError, asyncpg.IntegrityConstraintViolationError):
            await self._add(tenant, [wrapped], FOR_EVER)

    async def fetch(self, tenant: str, dek_ids: Sequence[bytes]) -> dict[bytes, WrappedDek]:
        """The wrapped DEKs that exist, by id."""
        with translated():
            rows = await _FETCH.run(self._engine, tenant=tenant, dek_ids=dek_ids)
        return {row[0]: WrappedDek(row[0], row[1]) for row in rows}

    async def destroy(self, tenant: str, dek_ids: Sequence[bytes]) -> None:
        """Delete DEKs. Doing it twice does no harm."""
        with translated():
            async with self._engine.begin() as connection:
                await connection.execute(delete(dek).where(dek.c.tenant == tenant, dek.c.dek_id.in_(dek_ids)))

    async def close(self) -> None:
        """Let the connections go."""
        await self._engine.dispose()

    async def _add(self, tenant: str, deks: Sequence[WrappedDek], lease: int) -> int:
        """Store them, once the fence has let them in; answer when the lease ends. Raises: Outdated."""
        if self._engine.dialect.name != POSTGRESQL:
            return await self._add_as_only_writer(tenant, deks, lease)
        columns = {name: [getattr(one, name) for one in deks] for name in _GIVEN}
        oldest = min(one.kek_version for one in deks)
        add = partial(_ADD.run, self._engine, tenant=tenant, oldest=oldest, lease=lease, **columns)
        added = await add()
        if not added:
            # The fence has passed them, or nobody has made this tenant's row yet.
            async with self._engine.begin() as connection:
                await connection.execute(_MAKE_FENCE, {"tenant": tenant})
            added = await add()
        if not added:
            raise Outdated
        return int(added[0][0])

    async def _add_as_only_writer(self, tenant: str, deks: Sequence[WrappedDek], lease: int) -> int:
        """SQLite has one writer at a time: the write that comes first is the lock."""
        async with self._engine.begin() as connection:
            await connection.execute(_MAKE_FENCE, {"tenant": tenant})
            least, now = (await connection.execute(_FENCE, {"tenant": tenant})).one()
            if any(one.kek_version < least for one in deks):
                raise Outdated
            until = int(now) + lease
            await connection.execute(insert(dek), [_row(tenant, one, until) for one in deks])
        return until


def _fetch(dialect: str) -> Statement:
    mine = select(dek.c.dek_id, dek.c.wrapped).where(given(dek.c.tenant))
    return looked_up_each(dialect, mine, dek.c.dek_id, "dek_ids")


_FETCH = Prepared(_fetch)


_GIVEN = ("dek_id", "wrapped", "kek_version")


def _add(_: str) -> Statement:
    """DEKs and their lease's end, if none is older than the fence; nothing, if one is.

    The fence's row stays locked until this is committed, so whoever raises it waits for all who passed it.
    PostgreSQL looks at the row again once it has it: whom a raise kept waiting is judged by what it left.
    """
    clock = literal_column(_CLOCK[POSTGRESQL], BigInteger).label("clock")
    passed = given(kek_fence.c.tenant), kek_fence.c.min_version <= bindparam("oldest", None, Integer)
    fence = select(clock).where(*passed).with_for_update(read=True).cte("fence")
    until = fence.c.clock + bindparam("lease", None, BigInteger)
    rows = unnested({name: dek.c[name] for name in _GIVEN}, "given")
    tenant = bindparam("tenant", None, wide(dek.c.tenant.type))
    filled = select(tenant, *rows.c, until).select_from(fence, rows)
    added = insert(dek).from_select(["tenant", *_GIVEN, "lease_until"], filled)
    return select(until).add_cte(added.cte("added"))


_ADD = Prepared(_add)


def _row(tenant: str, one: WrappedDek, until: int) -> dict[str, object]:
    return {
        "tenant": tenant,
        "dek_id": one.dek_id,
        "wrapped": one.wrapped,
        "kek_version": one.kek_version,
        "lease_until": until,
    }


@contextmanager
def translated() -> Iterator[None]:
    """Inside, what a database cannot answer is KeystoreUnavailable."""
    try:
        yield
    except FAILURES:
        raise KeystoreUnavailable from None
