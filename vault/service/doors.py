"""How much of one credential is worked on at once while others are about; what is beyond waits.

Reading, checking and answering requests takes the worker's one thread, and nobody's turn there is kept but
by what is let in. So the unit is the length of the body: sixteen single requests, or one long list.
Before that door is another, by number: behind it bodies arrive, and wait for the first. How long an upload
takes is up to who sends it, and keeps no other request from work; how many are held in memory is not.
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
BODIES_AT_ONCE = 16
"""Of a credential: that arrive, or have arrived and are not yet worked on."""
MOST_WAITING = 256
SECONDS = 3.0
"""How long a request waits at each door."""
_REMEMBERED_SECONDS = 1.0


@dataclass(slots=True)
class _Door:
    """One credential's."""

    inside: int = 0
    waiting: deque[tuple[int, "asyncio.Future[None]"]] = field(default_factory=deque)


class Doors:
    """Of one plane of a worker."""

    def __init__(
        self, *, clock: Callable[[], float], most: int = BYTES_AT_ONCE, least: int = LEAST_BYTES
    ) -> None:
        """`most` of a credential inside, or one that is larger. `clock` is monotonic, in seconds."""
        self._clock = clock
        self._most = most
        self._least = least
        self._doors: dict[str, _Door] = {}
        self._lately: set[str] = set()
        self._before: set[str] = set()
        self._until = 0.0

    async def enter(self, credential: str, size: int) -> int:
        """Wait until the request may be worked on; answers what to `leave` with. Raises: Throttled."""
        size = max(size, self._least)
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
        self._let_in(door)
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
            elif (size, turn) in door.waiting:
                door.waiting.remove((size, turn))
                self._let_in(door)  # whoever stood behind it may be smaller
            if isinstance(end, TimeoutError):
                raise Throttled("queue_full_for_credential", retry_after=1) from None
            raise

    def _let_in(self, door: _Door) -> None:
        while door.waiting and (door.waiting[0][1].done() or self._fits(door, door.waiting[0][0])):
            waited, turn = door.waiting.popleft()
            if not turn.done():  # else it has gone away
                door.inside += waited
                turn.set_result(None)

    def _fits(self, door: _Door, size: int) -> bool:
        return not door.inside or door.inside + size <= self._most or self._alone()

    def _alone(self) -> bool:
        return len(self._lately | self._before) < 2

    def _notice(self, credential: str) -> None:
        """Remember for a second or two who is about."""
        now = self._clock()
        if now >= self._until:
            self._before, self._lately, self._until = self._lately, set(), now + _REMEMBERED_SECONDS
        self._lately.add(credential)
