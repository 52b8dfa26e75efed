"""Whose turn it is among the waiting requests of one tenant: counted in items, not in requests. No I/O.

Each credential's requests stand in a line of its own. The next to be taken is of the credential that stands
earliest, and taking it moves that credential on by the items it got (start-time fair queueing: Goyal, Vin and
Cheng, 1996). Who comes new stands where the last one was taken, so it waits for no backlog of others; who got
a thousand items lets others have a thousand first, if they are there. A request is never split.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

WORTH_A_LIST = 128
"""Items that wait, from which on a second list beside the first gains more than it costs."""


class Waiting(Protocol):
    """A request that waits."""

    @property
    def items(self) -> int: ...


W = TypeVar("W", bound=Waiting)


@dataclass(slots=True)
class _Line(Generic[W]):
    """One credential's."""

    waiting: deque[W] = field(default_factory=deque)
    items: int = 0
    """That wait."""
    lists: int = 0
    """Under way, with requests of it."""
    place: int = 0
    """Where its next request stands, in items."""


class Turns(Generic[W]):
    """The lines of one tenant, and the lists under way."""

    def __init__(self, lists_at_once: int) -> None:
        """Of one credential no more than one, while others are there, or while few of its own items wait for
        a list that is short.

        One more list may be under way, for credentials that are in none: it waits for no two others to end.
        """
        self._lists_at_once = lists_at_once
        self._lines: dict[str, _Line[W]] = {}
        self._under_way = self._long = 0
        """Lists, and how many of them are long."""
        self._now = 0
        """Where the request stood that was taken last."""

    def add(self, credential: str, waiter: W) -> None:
        """Let a request wait."""
        line = self._lines.setdefault(credential, _Line())
        if not line.waiting:
            line.place = max(line.place, self._now)
        line.waiting.append(waiter)
        line.items += waiter.items

    def items(self, credential: str) -> int:
        """Of the credential's requests that wait."""
        line = self._lines.get(credential)
        return line.items if line else 0

    def ready(self) -> bool:
        """Whether somebody may go now."""
        if self._under_way > self._lists_at_once:
            return False
        return any(line.waiting and self._may_go(line) for line in self._lines.values())

    def next_list(self, most: int) -> dict[str, list[W]]:
        """Requests for one list, by credential, none when nobody may go now; call `done` when it has run.

        It holds up to `most` items, or one request that is larger.
        """
        taken: dict[str, list[W]] = {}
        for credential, waiter in self._taken(most):
            taken.setdefault(credential, []).append(waiter)
        for credential in taken:
            self._lines[credential].lists += 1
        self._under_way += bool(taken)
        self._long += _is_long(taken)
        return taken

    def done(self, taken: dict[str, list[W]]) -> None:
        """A list has run. Who is at rest is forgotten when he owes nobody a turn, or when all are at rest."""
        self._under_way -= 1
        self._long -= _is_long(taken)
        for credential in taken:
            self._lines[credential].lists -= 1
        resting = {name: line for name, line in self._lines.items() if not (line.waiting or line.lists)}
        all_rest = len(resting) == len(self._lines)
        for credential, line in resting.items():
            if all_rest or line.place <= self._now:
                del self._lines[credential]

    def _taken(self, most: int) -> Iterator[tuple[str, W]]:
        heap = [
            (line.place, name) for name, line in self._lines.items() if line.waiting and self._may_go(line)
        ]
        heapq.heapify(heap)
        room = most
        while heap:
            place, name = heap[0]
            line = self._lines[name]
            if line.waiting[0].items > room and room < most:
                return
            waiter = line.waiting.popleft()
            line.items -= waiter.items
            line.place, self._now = place + waiter.items, max(self._now, place)
            room -= waiter.items
            yield name, waiter
            if line.waiting:
                heapq.heapreplace(heap, (line.place, name))
            else:
                heapq.heappop(heap)

    def _may_go(self, line: _Line[W]) -> bool:
        if not line.lists:
            return self._under_way <= self._lists_at_once
        alone = self._under_way < self._lists_at_once and len(self._lines) == 1
        return alone and (self._long > 0 or line.items >= WORTH_A_LIST)


def _is_long(taken: dict[str, list[W]]) -> bool:
    """Whether a list is one that a few should not wait behind."""
    return sum(waiter.items for some in taken.values() for waiter in some) >= WORTH_A_LIST
