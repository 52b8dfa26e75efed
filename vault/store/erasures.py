"""Whether keys that erasures destroy are still there, or again: a shred cycle begins only when none is."""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store import failures
from vault.store.rows import rows
from vault.store.schema import replaced, resealed, tombstone

_TABLES = (tombstone, replaced, resealed)
_PAGE = 1000
Present = Callable[[str, Sequence[bytes]], Awaitable[int]]
"""How many of a tenant's keys the keystore has."""


async def unfinished(engine: AsyncEngine, tenant: str) -> bool:
    """Whether a key of something erased or corrected is still to be destroyed. Raises: Unavailable.

    A key that a record had before it was sealed anew counts too: the record may have been erased since, and
    a copy of the databases from before opens with it.
    """
    for table in _TABLES:
        waits = table.c.tenant == tenant, table.c.key_destroyed_at.is_(None)
        if await rows(engine, select(table.c.dek_id).where(*waits).limit(1)):
            return True
    return False


async def returned(engine: AsyncEngine, tenant: str, present: Present) -> int:
    """How many keys are there again that were destroyed: a keystore that was set back brings them.

    Raises: Unavailable, and as `present`.
    """
    return sum([await _returned(engine, table, tenant, present) for table in _TABLES])


async def _returned(engine: AsyncEngine, table: Table, tenant: str, present: Present) -> int:
    gone = table.c.tenant == tenant, table.c.key_destroyed_at.is_not(None)
    wanted, found = select(table.c.dek_id).where(*gone), 0
    with failures.statements():
        async with engine.connect() as connection:
            told = await connection.stream(wanted, execution_options={"yield_per": _PAGE})
            async for page in told.partitions(_PAGE):
                found += await present(tenant, [bytes(row[0]) for row in page])
    return found
