"""The keystore: wrapped DEKs in a database of their own. Deleting a row shreds the one value it sealed.

A row is inserted before its DEK is handed out and is never updated by the service; whether a DEK is in
use is known from the records, so no right to change rows is needed to take one. An insert holds the tenant's
row of the fence: a DEK under a KEK version that a rotation has left behind is not added (decisions/0015).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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
    delete,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import text

from keys.database import FAILURES, Database
from keys.errors import KeystoreUnavailable, Outdated
from keys.prepared import Prepared, Statement, given, listed
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

_FENCE = {
    "postgresql": text(
        "SELECT min_version, (extract(epoch from clock_timestamp()) * 1000000)::bigint FROM kek_fence"
        " WHERE tenant = :tenant FOR SHARE"
    ),
    "sqlite": text(
        "SELECT min_version, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) FROM kek_fence"
        " WHERE tenant = :tenant"
    ),
}
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
            async with self._engine.begin() as connection:
                until = lease + await _admitted(connection, tenant, deks)
                await connection.execute(insert(dek), [_row(tenant, one, until) for one in deks])
        return until

    async def plant_canary(self, tenant: str, wrapped: WrappedDek) -> None:
        """Store the one DEK that seals nothing, unless it is there: readiness of reveal unwraps it.

        Raises: Outdated, as `insert`.
        """
        try:
            async with self._engine.begin() as connection:
                await _admitted(connection, tenant, [wrapped])
                await connection.execute(insert(dek), _row(tenant, wrapped, FOR_EVER))
        except IntegrityError:
            return
        except FAILURES:
            raise KeystoreUnavailable from None

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


def _fetch(dialect: str) -> Statement:
    return select(dek.c.dek_id, dek.c.wrapped).where(
        given(dek.c.tenant), listed(dialect, dek.c.dek_id, "dek_ids")
    )


_FETCH = Prepared(_fetch)


async def _admitted(connection: AsyncConnection, tenant: str, deks: Sequence[WrappedDek]) -> int:
    """The database's clock, once the fence has let these DEKs in. Raises: Outdated.

    The row stays locked until the commit, so whoever raises the fence waits for all who passed it. SQLite
    has one writer at a time: there the write that comes first is the lock.
    """
    dialect, of = connection.dialect.name, {"tenant": tenant}
    found = None
    if dialect != "sqlite":
        found = (await connection.execute(_FENCE[dialect], of)).one_or_none()
    if found is None:
        await connection.execute(_MAKE_FENCE, of)
        found = (await connection.execute(_FENCE[dialect], of)).one()
    if any(one.kek_version < found[0] for one in deks):
        raise Outdated
    return int(found[1])


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
