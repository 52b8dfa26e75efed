"""This process's clock against its database's: a difference is measured, and told once it is past a bound.

What may not happen early or late on one wrong clock goes by both: DEK leases and the sequencer's lease by the
database's alone, the end of retention only while the two agree.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from vault.errors import Unavailable

BOUND = 5_000_000
"""µs the two may be apart: as much as an access token may come from the future."""
QUIET_SECONDS = 60.0


class Alarm(Protocol):
    def __call__(self, code: str, *, says: str) -> None: ...


async def ahead(read: Callable[[], Awaitable[int]], now: Callable[[], int]) -> int:
    """µs by which our clock is at least ahead of what `read` tells, behind if negative. Raises: Unavailable.

    A slow answer proves nothing: any clock that may have been right while it was on its way counts as right.
    """
    before = now()
    theirs = await read()
    after = now()
    return max(0, min(before, after) - theirs) or min(0, max(before, after) - theirs)


async def agreed(read: Callable[[], Awaitable[int]], now: Callable[[], int]) -> None:
    """Raises: Unavailable (`clock_skewed`) while the two clocks are too far apart to end anything by them."""
    if abs(await ahead(read, now)) > BOUND:
        raise Unavailable("clock_skewed", retry_after=30)


@dataclass(slots=True, kw_only=True)
class ClockWatch:
    """Measures the difference, and says once a minute that it is too large."""

    read: Callable[[], Awaitable[int]]
    """The database's clock, in µs."""
    now: Callable[[], int]
    show: Callable[[float], None]
    alarm: Alarm
    clock: Callable[[], float] = time.monotonic
    _said: float = field(default=-inf)

    async def look(self) -> None:
        """One question to the database. Raises: Unavailable."""
        apart = await ahead(self.read, self.now) / 1_000_000
        self.show(apart)
        if abs(apart) * 1_000_000 > BOUND and self.clock() - self._said >= QUIET_SECONDS:
            self._said = self.clock()
            which = "ahead of" if apart > 0 else "behind"
            self.alarm("clock_skewed", says=f"this clock is {abs(apart):.1f} s {which} the database's")
