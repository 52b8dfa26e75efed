"""How often somebody may try: a bucket per key that fills again with time. In memory, bounded, per worker."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

MOST = 10_000
"""Buckets kept; the one longest unused goes first. A bucket nobody uses fills up anyway."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` tries at once, then one every `seconds`."""

    burst: int
    seconds: float


class Limiter:
    """Take before the costly work, give back when it was honest."""

    def __init__(self, rate: Rate, *, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._rate = rate
        self._clock = clock
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable) -> float:
        """Take one try. 0 when there was one, else the seconds until there is."""
        level = self._level(key)
        if level < 1:
            return (1 - level) * self._rate.seconds
        self._set(key, level - 1)
        return 0.0

    def owe(self, key: Hashable, count: int) -> float:
        """Take `count`, more than there are if need be, unless some are owed already. 0, or the seconds."""
        level = self._level(key)
        if level < 0:
            return (1 - level) * self._rate.seconds
        self._set(key, level - count)
        return 0.0

    def left(self, key: Hashable) -> float:
        """How many tries there are; below 0 what is owed."""
        return self._level(key)

    def give_back(self, key: Hashable) -> None:
        """Undo one `take`."""
        self._set(key, min(self._rate.burst, self._level(key) + 1))

    def _level(self, key: Hashable) -> float:
        level, at = self._levels.get(key, (float(self._rate.burst), 0.0))
        return min(self._rate.burst, level + max(0.0, self._clock() - at) / self._rate.seconds)

    def _set(self, key: Hashable, level: float) -> None:
        self._levels[key] = (level, self._clock())
        self._levels.move_to_end(key)
        if len(self._levels) > MOST:
            self._levels.popitem(last=False)
