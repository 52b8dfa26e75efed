"""The resealer's process: opens and seals, for as long as one job takes.

It starts like a plane and serves nobody. Nothing else may both wrap and unwrap, which is why its identity is
lent for a job and its database role can end no record's life and name no date.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from keys.keystore import Keystore
from keys.migrate import KEYSTORE, is_current
from keys.pool import Pool
from keys.transit import Transit
from vault.operators import STATEMENT_SECONDS
from vault.plane import NotReady, base, more
from vault.service.reopening import AT_ONCE, Resealer
from vault.settings import RESEALER, Settings
from vault.store.engine import open_database
from vault.store.resealing import Resealing

READY = 2 * AT_ONCE
"""DEKs kept ready: one page's, and the next's while it is at work."""


@asynccontextmanager
async def resealing(settings: Settings) -> AsyncIterator[tuple[Resealer, Transit]]:
    """The resealer, started, then stopped. Raises: SettingsError, KeysError, ServiceError."""
    plane = base(RESEALER, settings)
    counting = open_database(settings.data_url_of(RESEALER), statement_seconds=STATEMENT_SECONDS)
    keys = open_database(settings.keystore_url_of(RESEALER), pool_size=settings.database_connections)
    keystore, common = Keystore(keys), plane.parts
    pool = Pool(plane.transit, keystore, now=common.now, random=common.random, size=READY)
    parts: Resealer = more(
        Resealer,
        common,
        keystore=keystore,
        unwrapper=plane.transit,
        pool=pool,
        indexer=plane.transit,
        resealing=Resealing(counting),
    )
    try:
        if not await is_current(keys, KEYSTORE):
            raise NotReady(detail="The keystore database needs `strongroom migrate`.")
        await plane.start()
        yield parts, plane.transit
    finally:
        await pool.close()
        await keystore.close()
        await counting.dispose()
        await plane.stop()
