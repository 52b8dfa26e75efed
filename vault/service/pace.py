"""How fast work that nobody waits for may go: as fast as it finds the machines idle, and no faster.

The key server and the keystore serve the planes as well, and nothing tells from outside how busy they are but
how long they take. So each kind of call is compared with the shortest of its kind lately. While calls take
up to three times that, which a few of our own side by side bring about, the share of time we work grows;
once they take longer somebody else is at work, and the share halves, down to a twentieth. (The idea is
LEDBAT's, RFC 6817: yield to those who cannot wait, by the rise of delay.) With a rate the pace is that rate.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf

CALM = 3.0
"""Times the shortest call, up to which the machines count as idle."""
LEAST, FIRST, MOST = 0.05, 0.25, 1.0
"""Shares of the time in which a worker works."""
WINDOW = 0.5
"""Seconds between two judgements."""
MEMORY = 300.0
"""Seconds after which a shortest call is forgotten: machines change."""
_LONGEST_PAUSE = 2.0


@dataclass(slots=True)
class _Kind:
    """Calls of one kind."""

    shortest: float = inf
    shortest_lately: float = inf
    total: float = 0.0
    count: int = 0

    def take(self, seconds: float) -> None:
        self.shortest_lately = min(self.shortest_lately, seconds)
        self.total += seconds
        self.count += 1

    @property
    def rise(self) -> float:
        """How much longer than the shortest the calls of this window took, on average."""
        return self.total / self.count / min(self.shortest, self.shortest_lately) if self.count else 1.0


@dataclass(slots=True, kw_only=True)
class Pace:
    """Shared by the workers of one run."""

    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    rate: float | None = None
    """Items a second, where somebody says so."""
    share: float = FIRST
    _kinds: dict[str, _Kind] = field(default_factory=dict)
    _judged: float = 0.0
    _forgot: float = 0.0
    _due: float = 0.0

    async def after(self, kind: str, seconds: float, *, items: int) -> None:
        """A call of `kind` took `seconds` for `items`: pause as long as is due before the next."""
        now = self.clock()
        if self.rate is not None:
            self._due = max(self._due, now) + items / self.rate
            await self.sleep(self._due - now)
            return
        self._kinds.setdefault(kind, _Kind()).take(seconds)
        self._judge(now)
        pause = min(seconds * (1 / self.share - 1), _LONGEST_PAUSE)
        if pause > 0:
            await self.sleep(pause)

    def _judge(self, now: float) -> None:
        if now - self._judged < WINDOW:
            return
        self._judged = now
        rise = max(one.rise for one in self._kinds.values())
        self.share = max(LEAST, self.share / 2) if rise > CALM else min(MOST, self.share * 1.5)
        forget = now - self._forgot >= MEMORY
        self._forgot = now if forget else self._forgot
        for one in self._kinds.values():
            # The shortest of the last stretch outlives it by one more: there is always one to compare with.
            one.shortest = one.shortest_lately if forget else min(one.shortest, one.shortest_lately)
            one.shortest_lately = inf if forget else one.shortest_lately
            one.total, one.count = 0.0, 0
