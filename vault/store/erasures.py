"""Whether erasures wait for their keys to be destroyed: a shred cycle begins only when none does."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.rows import rows
from vault.store.schema import replaced, resealed, tombstone


async def unfinished(engine: AsyncEngine, tenant: str) -> bool:
    """Whether a key of something erased or corrected is still to be destroyed. Raises: Unavailable.

    A key that a record had before it was sealed anew counts too: the record may have been erased since, and
    a copy of the databases from before opens with it.
    """
    for table in (tombstone, replaced, resealed):
        waits = table.c.tenant == tenant, table.c.key_destroyed_at.is_(None)
        if await rows(engine, select(table.c.dek_id).where(*waits).limit(1)):
            return True
    return False
