"""How fast something is used up: what was taken in the last minute. Pure: time comes in as an argument."""

from collections import deque

WINDOW = 60.0
_SLOT = 5.0


class Pace:
    """Counts what is taken, in slots of five seconds. A clock that is set back starts it anew."""

    def __init__(self) -> None:
        self._slots: deque[tuple[float, int]] = deque()

    def took(self, count: int, *, at: float) -> None:
        """`count` were taken at this second of any clock."""
        start = at - at % _SLOT
        if self._slots and self._slots[-1][0] > start:
            self._slots.clear()
        if self._slots and self._slots[-1][0] == start:
            self._slots[-1] = start, self._slots[-1][1] + count
        else:
            self._slots.append((start, count))
        self._forget(at)

    def per_second(self, *, at: float) -> float:
        """The rate over the last minute."""
        self._forget(at)
        return sum(count for _, count in self._slots) / WINDOW

    def _forget(self, at: float) -> None:
        while self._slots and self._slots[0][0] <= at - WINDOW:
            self._slots.popleft()
