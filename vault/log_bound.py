"""The bound on the log's backlog, built for a plane; and the task that looks when nobody asks."""

import asyncio
import time
from functools import partial

from vault.alarms import raise_alarm
from vault.errors import ServiceError
from vault.service.backlog import Bound
from vault.store.backlog import Backlog, read_backlog
from vault.store.log import LogStore

WATCH_SECONDS = 5.0


def bound_of(store: LogStore, limit: Backlog) -> Bound:
    """The bound on this plane's database."""
    return Bound(
        read=partial(read_backlog, store.engine),
        limit=limit,
        clock=time.monotonic,
        alarm=_alarm,
    )


class Watch:
    """Looks at every log now and then, so that a sequencer that died is noticed without any traffic."""

    def __init__(self, bound: Bound, store: LogStore) -> None:
        self._bound = bound
        self._store = store
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._bound.drain()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._bound.watch(await self._store.tenants())
            except ServiceError:
                continue  # the database's own trouble has its own signs


def _alarm(code: str, tenant: str, says: str) -> None:
    raise_alarm(code, tenant, says=says)
