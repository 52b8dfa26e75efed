"""Workers that take whoever waits as one list, and what callers wait: a discrete-event simulation."""

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass

MOST = 1000
"""Values in one list."""
SPARE = 4
"""Workers beyond twice what the CPU needs that are tried."""


@dataclass(frozen=True, slots=True)
class Service:
    """How long a list takes: a part that does not grow with it, and one for each value."""

    fixed_ms: float
    value_ms: float

    def of(self, values: int) -> float:
        """Milliseconds."""
        return self.fixed_ms + values * self.value_ms


@dataclass(frozen=True, slots=True)
class Seen:
    """What the callers of a run saw."""

    p50_ms: float
    p99_ms: float
    values_a_list: float
    busy: float
    """The share of its time that a worker had a list."""


def simulate(
    rate: float, service: Service, workers: int, *, calls: int, chance: random.Random, size: int = 1
) -> Seen:
    """Calls of `size` values arrive by chance, `rate` values a second in all, each at a worker by chance.

    A worker has one list under way, and takes everybody who waits when it ends, up to 1,000 values.
    """
    waited, lists, busy, now = list[float](), 0, 0.0, 0.0
    queues: list[deque[float]] = [deque() for _ in range(workers)]
    ends: list[tuple[float, int]] = []
    idle = set(range(workers))
    gap = 1e3 * size / rate

    def begin(number: int, at: float) -> None:
        nonlocal lists, busy
        some = [queues[number].popleft() for _ in range(min(len(queues[number]), max(1, MOST // size)))]
        took = service.of(len(some) * size)
        waited.extend(at + took - came for came in some)
        lists, busy = lists + 1, busy + took
        idle.discard(number)
        heapq.heappush(ends, (at + took, number))

    for _ in range(calls):
        now += chance.expovariate(1) * gap
        while ends and ends[0][0] <= now:
            ended, number = heapq.heappop(ends)
            idle.add(number)
            if queues[number]:
                begin(number, ended)
        number = chance.randrange(workers)
        queues[number].append(now)
        if number in idle:
            begin(number, now)
    waited.sort()
    counted = max(1, len(waited))
    p50, p99 = waited[counted // 2], waited[min(counted - 1, math.ceil(counted * 0.99) - 1)]
    return Seen(p50, p99, counted * size / max(1, lists), busy / max(now * workers, 1e-9))


def fewest(
    rate: float, service: Service, *, p99_ms: float, most_busy: float, calls: int, seed: int
) -> tuple[int, Seen]:
    """The fewest workers that are not busier than that and keep the bound, and what their callers see.

    Where no number keeps it, as when one call alone takes longer, what is seen says how near it is.
    """
    first = max(1, math.ceil(rate * service.value_ms / 1e3 / most_busy))
    for workers in range(first, 2 * first + SPARE):
        seen = simulate(rate, service, workers, calls=calls, chance=random.Random(seed))
        if seen.p99_ms <= p99_ms or service.of(1) > p99_ms:
            break
    return workers, seen
