"""How far each witness is behind: the age of the oldest signed checkpoint that it has not covered."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vault import metrics
from vault.errors import ServiceError
from vault.service.witness_http import Place

LOOK_SECONDS = 5.0


class Waits(Protocol):
    """Where cosignatures are read. May raise Unavailable."""

    async def cosigned(self, tenant: str) -> dict[str, int]:
        """The largest size that each witness signed, by its name."""

    async def waiting(self, tenant: str, size: int) -> int:
        """How long, in µs, the oldest checkpoint of more than `size` events has been there; 0 without one."""


@dataclass(slots=True)
class LagWatch:
    """Looks now and then how far the configured witnesses are behind, for metrics and for whoever asks."""

    places: Sequence[Place]
    tenants: Callable[[], Awaitable[Iterable[str]]]
    store: Waits
    seconds: dict[str, float] = field(default_factory=dict)
    """By witness, for the tenant where it is worst, as of the last look."""
    _task: "asyncio.Task[None] | None" = None

    async def look(self) -> dict[str, float]:
        """Look now. Raises: Unavailable."""
        worst = {place.key.name: 0.0 for place in self.places}
        for tenant in await self.tenants() if self.places else ():
            cosigned = await self.store.cosigned(tenant)
            for name in [place.key.name for place in self.places if place.covers(tenant)]:
                behind = await self.store.waiting(tenant, cosigned.get(name, 0))
                worst[name] = max(worst[name], behind / 1_000_000)
        for name, seconds in worst.items():
            metrics.witness_lag.labels(name).set(seconds)
        self.seconds = worst
        return worst

    def start(self) -> None:
        """Go on looking until `stop`, if there are witnesses."""
        if self.places:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(ServiceError):  # the database's own trouble has its own signs
                await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def detail(self) -> dict[str, object]:
        """What /readyz says about it."""
        shown = {name: {"seconds_behind": round(seconds)} for name, seconds in self.seconds.items()}
        return {"witnesses": shown} if shown else {}
