"""Whether erasures wait for their keys to be destroyed: a shred cycle begins only when none does."""

from sqlalchemy import exists, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.rows import rows
from vault.store.schema import replaced, tombstone


async def unfinished(engine: AsyncEngine, tenant: str) -> bool:
    """Whether a key of something erased or corrected is still to be destroyed. Raises: Unavailable."""
    waiting = [
        select(exists().where(table.c.tenant == tenant, table.c.key_destroyed_at.is_(None)))
        for table in (tombstone, replaced)
    ]
    return any(row[0] for row in await rows(engine, union_all(*waiting)))
