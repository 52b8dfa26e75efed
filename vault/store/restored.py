"""What an operator brought back from a backup, and whether that is on record: before, no plane starts."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Integer, String, Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from vault.store import failures
from vault.store.rows import rows
from vault.store.schema import db_clock, metadata

restoration = Table(
    "restoration",
    metadata,
    Column("restored_at", BigInteger, primary_key=True, autoincrement=False, server_default=db_clock()),
    # SHA-256 of the backup's manifest, in hexadecimal.
    Column("manifest", String(64), nullable=False),
    Column("taken_at", BigInteger, nullable=False),
    # Until when erasures are known that were made after the backup.
    Column("erasures_until", BigInteger, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("buried", Integer, nullable=False),
    Column("keyless", Integer, nullable=False),
    Column("finished_at", BigInteger),
)


@dataclass(frozen=True, slots=True)
class Restoration:
    """One restore: of which backup, and what it did. Times in µs since 1970."""

    manifest: str
    taken_at: int
    erasures_until: int
    added: int
    """Rows that were missing."""
    buried: int
    """Records of the backup that had been erased since."""
    keyless: int
    """Of those, the ones nobody named, whose keys were gone."""


async def put(connection: AsyncConnection, done: Restoration) -> None:
    """Note a restore in its own transaction. Raises: Unavailable."""
    row = {name: getattr(done, name) for name in Restoration.__dataclass_fields__}
    with failures.statements():
        await connection.execute(insert(restoration).inline(), row)


async def unfinished(engine: AsyncEngine) -> list[Restoration]:
    """Restores that are not on record yet, oldest first. Raises: Unavailable."""
    columns = (restoration.c[name] for name in Restoration.__dataclass_fields__)
    wanted = select(*columns).where(restoration.c.finished_at.is_(None)).order_by(restoration.c.restored_at)
    return [Restoration(*row) for row in await rows(engine, wanted)]


async def finish(engine: AsyncEngine) -> None:
    """All restores are on record: planes may start. Raises: Unavailable."""
    ended = update(restoration).where(restoration.c.finished_at.is_(None)).values(finished_at=db_clock())
    with failures.statements():
        async with engine.begin() as connection:
            await connection.execute(ended)
