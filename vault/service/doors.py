"""How much of one credential is worked on at once while others are about; what is beyond waits, unread.

Reading, checking and answering requests takes the worker's one thread, and nobody's turn there is kept but
by what is let in. So the unit is the length of the body: sixteen single requests, or one long list.
Whoever is alone on this worker is not held up at all.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from vault.errors import Throttled

BYTES_AT_ONCE = 4096
LEAST_BYTES = 256
"""What the shortest request counts for."""
MOST_WAITING = 256
SECONDS = 3.0
"""How long a request waits here."""
_REMEMBERED_SECONDS = 1.0


@dataclass(slots=True)
class _Door:
    """One credential's."""

    inside: int = 0
    waiting: deque[tuple[int, "asyncio.Future[None]"]] = field(default_factory=deque)


class Doors:
    """Of one plane of a worker."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._clock = clock
        self._doors: dict[str, _Door] = {}
        self._lately: set[str] = set()
        self._before: set[str] = set()
        self._until = 0.0

    async def enter(self, credential: str, size: int) -> int:
        """Wait until the request may be worked on; answers what to `leave` with. Raises: Throttled."""
        size = max(size, LEAST_BYTES)
        self._notice(credential)
        door = self._doors.setdefault(credential, _Door())
        if door.waiting or not self._fits(door, size):
            await self._wait(credential, door, size)
        else:
            door.inside += size
        return size

    def leave(self, credential: str, size: int) -> None:
        """A request is done with; whoever fits now comes in."""
        door = self._doors[credential]
        door.inside -= size
        while door.waiting and (door.waiting[0][1].done() or self._fits(door, door.waiting[0][0])):
            waited, turn = door.waiting.popleft()
            if not turn.done():  # else it has gone away
                door.inside += waited
                turn.set_result(None)
        if not door.inside:
            del self._doors[credential]

    async def _wait(self, credential: str, door: _Door, size: int) -> None:
        """Raises: Throttled, at once when too many wait, or when it has waited too long."""
        if len(door.waiting) >= MOST_WAITING:
            raise Throttled("queue_full_for_credential", retry_after=1)
        turn = asyncio.get_running_loop().create_future()
        door.waiting.append((size, turn))
        try:
            async with asyncio.timeout(SECONDS):
                await turn
        except (TimeoutError, asyncio.CancelledError) as end:
            if turn.done() and not turn.cancelled():  # let in at the moment at which it went
                self.leave(credential, size)
            if isinstance(end, TimeoutError):
                raise Throttled("queue_full_for_credential", retry_after=1) from None
            raise

    def _fits(self, door: _Door, size: int) -> bool:
        return not door.inside or door.inside + size <= BYTES_AT_ONCE or self._alone()

    def _alone(self) -> bool:
        return len(self._lately | self._before) < 2

    def _notice(self, credential: str) -> None:
        """Remember for a second or two who is about."""
        now = self._clock()
        if now >= self._until:
            self._before, self._lately, self._until = self._lately, set(), now + _REMEMBERED_SECONDS
        self._lately.add(credential)
