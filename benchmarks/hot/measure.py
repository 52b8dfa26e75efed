"""Sends one kind of load to one contender, and says what became of it and what it cost."""

import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from benchmarks.hot.cases import Case
from benchmarks.hot.load import Plan, Taken, drive
from benchmarks.hot.stage import Stage

SETTLE = 0.3
"""Seconds between two stretches, for what the first has left behind."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One contender under one load for some seconds."""

    case: str
    contender: str
    round: int
    requests_per_second: float
    values_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failed: int
    first_failure: str
    cpu_seconds: dict[str, float]
    """Of each process, of the load generator, and of `others` that have nothing to do with it."""
    cpu_ms_per_value: float
    """Of all that serve the contender; neither the generator's nor the others'. Refusals are no values."""
    values: int
    """All that were served while the CPU was watched, refusals left out."""
    lasted: float
    """Seconds that the CPU was watched: the counted ones, those before, and the end of what was under way."""
    load_average: float

    def line(self) -> str:
        """In one line."""
        return (
            f"{self.case:26} {self.contender:8} {self.values_per_second:9,.0f} values/s  "
            f"p50 {self.p50_ms:7.1f}  p99 {self.p99_ms:7.1f} ms  {self.cpu_ms_per_value:7.3f} ms CPU each  "
            f"others {self.cpu_seconds['others'] / self.lasted:.2f} cores"
            f"{f'  FAILED {self.failed}' if self.failed else ''}"
        )

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Measuring:
    """A stage, the generator's process, and how long a stretch is."""

    stage: Stage
    generator: ProcessPoolExecutor
    seconds: float

    async def stretch(self, case: Case, contender: str, number: int, rate: float | None = None) -> Stretch:
        """Drive it. `rate`: requests a second that arrive, or None for as many as are answered."""
        port, requests = await self.stage.contenders[contender].requests(case.kind)
        ports = self.stage.shared.get(port, ())
        plan = Plan(port, requests, case.connections, self.seconds, rate, ports=ports)
        await asyncio.sleep(SETTLE)
        before, begun = self.stage.watched.cpu(), time.perf_counter()
        taken = await asyncio.get_running_loop().run_in_executor(self.generator, drive, plan)
        used = self.stage.watched.cpu().since(before)
        used["others"] = max(0.0, used["others"] - taken.cpu)
        found = _Watched(taken, used, time.perf_counter() - begun)
        return found.stretch(case, contender, number)


@dataclass(frozen=True, slots=True)
class _Watched:
    """What came back, and the CPU that was used meanwhile."""

    taken: Taken
    used: dict[str, float]
    lasted: float

    def stretch(self, case: Case, contender: str, number: int) -> Stretch:
        taken, served = self.taken, sum(self.used.values()) - self.used["others"]
        spent = self.used | {"load": taken.cpu}
        return Stretch(
            case=case.name,
            contender=contender,
            round=number,
            requests_per_second=taken.per_second,
            values_per_second=taken.per_second * case.values,
            p50_ms=taken.quantile(0.5),
            p95_ms=taken.quantile(0.95),
            p99_ms=taken.quantile(0.99),
            failed=taken.failed,
            first_failure=taken.first_failure,
            cpu_seconds={name: round(one, 3) for name, one in spent.items()},
            cpu_ms_per_value=served * 1e3 / max(1, taken.served * case.values),
            values=taken.served * case.values,
            lasted=self.lasted,
            load_average=os.getloadavg()[0],
        )


@contextmanager
def generator() -> Iterator[ProcessPoolExecutor]:
    """A process of its own that sends the load."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


def warn(stretches: Iterable[Stretch]) -> None:
    """Say so if any request failed."""
    if failed := sum(one.failed for one in stretches):
        print(f"{failed} REQUESTS FAILED: the figures above are worth nothing")


def median(stretches: Sequence[Stretch], member: str) -> float:
    """The median of a member over all rounds."""
    return float(statistics.median(getattr(one, member) for one in stretches))
