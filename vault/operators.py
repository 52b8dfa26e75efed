"""An operator's process: `rotator` or `shredder` at work on keys, for as long as one command takes.

It starts like a plane: its own identity at the key server, proof that it can do nothing else, a signing key
that its own `worker-<name>` endorses. It serves nobody; what it does goes into each tenant's log.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from keys.holdings import Holdings
from keys.migrate import KEYSTORE, is_current
from keys.transit import Transit
from vault.plane import Base, NotReady, base
from vault.service.parts import Parts
from vault.settings import Settings
from vault.store.engine import open_database

STATEMENT_SECONDS = 300.0
"""Counting ten million keys takes seconds; a database that hangs must not be waited for without end."""


@dataclass(frozen=True, slots=True)
class Operator:
    """What a verb over keys is given to work with."""

    plane: Base
    holdings: Holdings

    @property
    def transit(self) -> Transit:
        """The key server, as this identity sees it."""
        return self.plane.transit

    @property
    def parts(self) -> Parts:
        """What writes events."""
        return self.plane.parts


@asynccontextmanager
async def operating(name: str, settings: Settings) -> AsyncIterator[Operator]:
    """`rotator` or `shredder`, started, then stopped. Raises: SettingsError, KeysError, ServiceError."""
    plane = base(name, settings)
    keystore = open_database(
        settings.keystore_url_of(name),
        pool_size=settings.database_connections,
        statement_seconds=STATEMENT_SECONDS,
    )
    try:
        if not await is_current(keystore, KEYSTORE):
            raise NotReady(detail="The keystore database needs `strongroom migrate`.")
        await plane.start()
        yield Operator(plane, Holdings(keystore))
    finally:
        await keystore.dispose()
        await plane.stop()
