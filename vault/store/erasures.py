"""Whether erasures wait for their keys to be destroyed: a shred cycle begins only when none does."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.rows import rows
from vault.store.schema import replaced, tombstone


async def unfinished(engine: AsyncEngine, tenant: str) -> bool:
    """Whether a key of something erased or corrected is still to be destroyed. Raises: Unavailable."""
    for table in (tombstone, replaced):
        waits = table.c.tenant == tenant, table.c.key_destroyed_at.is_(None)
        if await rows(engine, select(table.c.dek_id).where(*waits).limit(1)):
            return True
    return False
