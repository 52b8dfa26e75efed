"""The keystore: wrapped DEKs in a database of their own. Deleting a row shreds the one value it sealed.

A row is inserted before its DEK is handed out and is never updated by the service; whether a DEK is in
use is known from the records, so no right to change rows is needed to take one.
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
    String,
    Table,
    Text,
    delete,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql import text

from keys.errors import KeystoreUnavailable
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

CANARY = bytes(16)
"""The id of a DEK that seals nothing; left out of every reconciliation."""
FOR_EVER = 2**62

_CLOCK = {
    "postgresql": "SELECT (extract(epoch from clock_timestamp()) * 1000000)::bigint",
    "sqlite": "SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
}


class Keystore:
    """Wrapped DEKs by tenant and id. Every method may raise KeystoreUnavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def insert(self, tenant: str, deks: Sequence[WrappedDek], *, lease: int) -> int:
        """Store wrapped DEKs, leased for `lease` µs; answer when the lease ends on the database's clock."""
        with translated():
            async with self._engine.begin() as connection:
                clock = await connection.scalar(text(_CLOCK[self._engine.dialect.name]))
                until = int(clock) + lease
                await connection.execute(
                    insert(dek),
                    [
                        {
                            "tenant": tenant,
                            "dek_id": one.dek_id,
                            "wrapped": one.wrapped,
                            "kek_version": one.kek_version,
                            "lease_until": until,
                        }
                        for one in deks
                    ],
                )
        return until

    async def plant_canary(self, tenant: str, wrapped: WrappedDek) -> None:
        """Store the one DEK that seals nothing, unless it is there: readiness of reveal unwraps it."""
        try:
            async with self._engine.begin() as connection:
                await connection.execute(
                    insert(dek),
                    {
                        "tenant": tenant,
                        "dek_id": CANARY,
                        "wrapped": wrapped.wrapped,
                        "kek_version": wrapped.kek_version,
                        "lease_until": FOR_EVER,
                    },
                )
        except IntegrityError:
            return
        except (SQLAlchemyError, OSError, TimeoutError):
            raise KeystoreUnavailable from None

    async def fetch(self, tenant: str, dek_ids: Sequence[bytes]) -> dict[bytes, WrappedDek]:
        """The wrapped DEKs that exist, by id."""
        wanted = select(dek.c.dek_id, dek.c.wrapped).where(dek.c.tenant == tenant, dek.c.dek_id.in_(dek_ids))
        with translated():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(wanted)).all()
        return {row[0]: WrappedDek(row[0], row[1]) for row in rows}

    async def destroy(self, tenant: str, dek_ids: Sequence[bytes]) -> None:
        """Delete DEKs. Doing it twice does no harm."""
        with translated():
            async with self._engine.begin() as connection:
                await connection.execute(delete(dek).where(dek.c.tenant == tenant, dek.c.dek_id.in_(dek_ids)))

    async def close(self) -> None:
        """Let the connections go."""
        await self._engine.dispose()


@contextmanager
def translated() -> Iterator[None]:
    """Inside, what a database cannot answer is KeystoreUnavailable."""
    try:
        yield
    except (SQLAlchemyError, OSError, TimeoutError):
        raise KeystoreUnavailable from None
