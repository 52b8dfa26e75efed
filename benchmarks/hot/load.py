"""The load: HTTP/1.1 over kept connections, from bytes made beforehand, one process, one thread, epoll.

It does as little as can be done: a request is one `send`, an answer one `recv`, a search for its length and a
look at its status. `benchmarks.hot.ceiling` says how much it can send, and what one request costs it.
"""

import gc
import itertools
import random
import re
import select
import socket
import time
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PATIENCE = 5.0
"""Seconds that what is under way at the end may still take."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, where, and for how long."""

    port: int
    requests: Sequence[bytes]
    """Taken in turn, from the beginning again after the last."""
    connections: int
    seconds: float
    rate: float | None = None
    """Requests a second that arrive whatever becomes of them (Poisson), or None: each connection sends its
    next request when its last is answered."""
    seed: int = 8472
    """Of the chance by which they arrive: plans that run beside each other have one each."""
    warm: float = 0.5
    """Seconds before the counting begins."""
    ports: Sequence[int] = ()
    """Where several serve: the ports that the connections are dealt out to, in turn, `port` among them."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came back within the counted seconds."""

    seconds: float
    latencies: "array[float]"
    """Seconds from the time a request was due to the last byte of its answer, sorted."""
    failed: int
    first_failure: str
    answered: int
    """All answers, refusals and those before and after the counted seconds included."""
    served: int
    """Those of them that were no refusals: what was paid for."""
    cpu: float
    """Seconds of CPU that the generator used for all of it."""

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """The latency in ms that `share` of them did not exceed; all the time, if none was answered."""
        if not self.latencies:
            return self.seconds * 1e3
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))] * 1e3


@dataclass(slots=True, eq=False)
class _Line:
    """One connection, with at most one request under way."""

    port: int
    due: float = 0.0
    answer: bytes = b""
    wire: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.wire = socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE)
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes, due: float) -> None:
        self.due, self.answer = due, b""
        self.wire.sendall(request)

    def receive(self) -> bool:
        """Whether the answer is whole now. Raises: ConnectionError."""
        part = self.wire.recv(1 << 20)
        if not part:
            raise ConnectionError("the server hung up")
        self.answer = self.answer + part if self.answer else part
        return _whole(self.answer)


def _whole(answer: bytes) -> bool:
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = _LENGTH.search(answer, 0, end)
    if length is None:
        return answer.endswith(b"0\r\n\r\n")  # chunked, as Go sends long answers
    return len(answer) >= end + 4 + int(length[1])


class _Tally:
    """Counts what is answered between `begin` and `end`."""

    def __init__(self, plan: Plan) -> None:
        self.begin = time.perf_counter() + plan.warm
        self.end = self.begin + plan.seconds
        self.latencies = array("d")
        self.failed, self.first_failure = 0, ""
        self.answered, self.served = 0, 0
        self._cpu = time.process_time()

    def count(self, line: _Line, now: float) -> None:
        good = line.answer.startswith(b"HTTP/1.1 200")
        self.answered += 1
        self.served += good
        if not self.begin <= now < self.end:
            return
        if good:
            self.latencies.append(now - line.due)
            return
        self.failed += 1
        self.first_failure = self.first_failure or line.answer[:600].decode("latin-1")

    def taken(self, seconds: float) -> Taken:
        cpu = time.process_time() - self._cpu
        ordered = array("d", sorted(self.latencies))
        return Taken(seconds, ordered, self.failed, self.first_failure, self.answered, self.served, cpu)


def drive(plan: Plan) -> Taken:
    """Send as planned, and say what came back. Raises: OSError."""
    gc.freeze()  # what is there now is not looked through while the clock runs
    ports = plan.ports or [plan.port]
    lines = [_Line(ports[number % len(ports)]) for number in range(plan.connections)]
    by_number = {line.wire.fileno(): line for line in lines}
    with select.epoll() as poll:
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        tally = _Tally(plan)
        if plan.rate is None:
            _each_in_turn(plan, by_number, poll, tally)
        else:
            _as_they_arrive(plan, by_number, poll, tally)
        taken = tally.taken(plan.seconds)
    for line in lines:
        line.wire.close()
    return taken


def _each_in_turn(plan: Plan, lines: dict[int, _Line], poll: select.epoll, tally: _Tally) -> None:
    """Every connection sends its next request when its last is answered."""
    requests = itertools.cycle(plan.requests)
    for line in lines.values():
        line.send(next(requests), time.perf_counter())
    busy = len(lines)
    while busy and time.perf_counter() < tally.end + _PATIENCE:
        for number, _ in poll.poll(1.0):
            line = lines[number]
            if not line.receive():
                continue
            now = time.perf_counter()
            tally.count(line, now)
            if now < tally.end:
                line.send(next(requests), now)
            else:
                busy -= 1


def _as_they_arrive(plan: Plan, lines: dict[int, _Line], poll: select.epoll, tally: _Tally) -> None:
    """Requests come at their own times; one that finds no connection free waits, and its waiting counts."""
    requests = itertools.cycle(plan.requests)
    arrivals = _arrivals(plan.rate or 1.0, plan.seed)
    free = deque(lines.values())
    due = next(arrivals)
    while (now := time.perf_counter()) < tally.end or (
        len(free) < len(lines) and now < tally.end + _PATIENCE
    ):
        while free and due <= now < tally.end:
            free.popleft().send(next(requests), due)
            due = next(arrivals)
        # On epoll's own number: `select` waits for microseconds, `poll` for whole milliseconds.
        select.select([poll], [], [], max(0.0, min(due - now, 0.1)) if free else 0.1)
        for number, _ in poll.poll(0):
            line = lines[number]
            if line.receive():
                tally.count(line, time.perf_counter())
                free.append(line)


def _arrivals(rate: float, seed: int) -> Iterator[float]:
    """Times at which requests come, by chance but the same in every run."""
    chance = random.Random(seed)
    at = time.perf_counter()
    while True:
        at += chance.expovariate(rate)
        yield at
