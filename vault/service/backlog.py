"""The bound on what is not proved yet: past it nothing is opened until the log has caught up."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from vault import metrics
from vault.errors import ServiceError, Unavailable
from vault.store.backlog import Backlog

FRESH = 1.0
"""Seconds after which there is another look, which nobody waits for yet."""
LATEST = 2.0
"""Seconds a look counts."""
BEHIND = 60.0
"""Seconds of lag that wake someone, and between two alarms."""


class LogBacklog(Unavailable):
    code, title = "log_backlog", "The log is too far behind to open anything now."


@dataclass(slots=True, kw_only=True)
class Bound:
    """How far behind each tenant's log is, looked at about once a second, and what follows from it."""

    read: Callable[[str, Backlog], Awaitable[Backlog]]
    limit: Backlog
    clock: Callable[[], float]
    alarm: Callable[[str, str, str], None]
    """Told (code, tenant, what exactly)."""
    _looks: "dict[str, asyncio.Task[Backlog]]" = field(default_factory=dict)
    _known: dict[str, tuple[float, Backlog]] = field(default_factory=dict)
    """When the last look that told something began, and what it told."""
    _alarmed: dict[str, float] = field(default_factory=dict)

    async def assert_near(self, tenant: str) -> None:
        """Raises: LogBacklog past the bound; Unavailable when nobody can tell."""
        found = await self.look(tenant)
        if found.reaches(self.limit):
            behind = (
                f"{found.events} events, the oldest {found.microseconds // 1_000_000} s old, wait for it."
            )
            raise LogBacklog(detail=behind, retry_after=5)

    async def look(self, tenant: str) -> Backlog:
        """How far behind, by a look begun two seconds ago at most, or by one that everybody waits for.

        Raises: Unavailable.
        """
        looked, found = self._known.get(tenant, (float("-inf"), None))
        age = self.clock() - looked
        look = self._looks.get(tenant)
        if look is None or (look.done() and (age >= FRESH or _failed(look))):
            look = self._looks[tenant] = asyncio.create_task(self._read(tenant))
            look.add_done_callback(_failed)  # seen: perhaps nobody waits for it
        if found is None or age >= LATEST:
            # Shielded: a caller that hangs up does not spoil the look for the others.
            found = await asyncio.shield(look)
        self._wake(tenant, found.microseconds / 1_000_000)
        return found

    async def drain(self) -> None:
        """Wait for the looks that nobody waits for."""
        await asyncio.gather(*self._looks.values(), return_exceptions=True)

    async def _read(self, tenant: str) -> Backlog:
        begun = self.clock()
        found = await self.read(tenant, self.limit)
        self._known[tenant] = begun, found
        return found

    async def watch(self, tenants: Iterable[str]) -> None:
        """Look at every tenant, and show the worst to whoever watches the metrics."""
        lags = []
        for tenant in tenants:
            try:
                lags.append(await self.look(tenant))
            except ServiceError:
                continue  # the database's own trouble has its own signs
        metrics.log_waiting.set(max((one.events for one in lags), default=0))
        metrics.log_lag.set(max((one.microseconds for one in lags), default=0) / 1_000_000)

    def _wake(self, tenant: str, seconds: float) -> None:
        due = self.clock() - self._alarmed.get(tenant, float("-inf")) >= BEHIND
        if seconds >= BEHIND and due:
            self._alarmed[tenant] = self.clock()
            self.alarm("log_lagging", tenant, f"an event has had no checkpoint for {int(seconds)} s")


def _failed(look: "asyncio.Task[Backlog]") -> bool:
    return look.done() and (look.cancelled() or look.exception() is not None)
