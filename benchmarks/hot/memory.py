"""Memory of every worker under a load that goes on: how much, and whether it grows.

    python -m benchmarks.hot.memory [--minutes 10] [--rate 150] [--warm 2] [--ingest-workers 1]
        [--reveal-workers 1] [--json bench-memory.json]

The vault's processes as in production, on a PostgreSQL that syncs every commit and a real OpenBao. So many
values a second are tokenized and as many opened, singly, and a list of 1,000 each way every other second on
average; each kind arrives by a chance of its own, another one in each slice of the load.
Every five seconds each process is asked for its resident memory and for its share of it (pages in common with
others, such as those from before a fork, divided among them). After the warm-up a line is laid through the
samples by least squares: its slope is printed in MiB a minute. An hour: --minutes 60.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.hot.alone import alone
from benchmarks.hot.fleet import Shape
from benchmarks.hot.load import Plan, Taken, drive
from benchmarks.hot.report import conditions
from benchmarks.hot.stage import Stage
from benchmarks.hot.usage import Held

EVERY = 5.0
"""Seconds between two samples."""
SLICE = 30.0
"""Seconds of load between two looks at the access tokens, which live for five minutes."""
LISTS = 0.5
"""Lists of 1,000 a second, each way."""
BOUND = 200
"""MiB that a worker may hold."""
LOADS = (("tokenize", 32), ("detokenize", 32), ("tokenize_bulk", 2), ("detokenize_bulk", 2))
"""Kinds, and the connections of each."""
_IMPORTED = ("orjson", "msgspec", "structlog", "typer", "httpx", "cryptography.hazmat.primitives.ciphers",
             "requests", "hvac", "sqlalchemy", "sqlalchemy.ext.asyncio", "asyncpg", "fastapi",
             "prometheus_client", "granian.server", "vault.app", "vault.cli.worker")  # fmt: skip
_WEIGH = """
import importlib, sys
def held():
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * 4096 / 2**20
print("the interpreter", round(held(), 1))
for name in sys.argv[1:]:
    before = held()
    importlib.import_module(name)
    print(name, round(held() - before, 1))
"""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one process's memory."""

    name: str
    at_rest: float
    """MiB before the first request."""
    largest: float
    """MiB resident at most."""
    last: float
    share: float
    """MiB of its own and its part of what is shared, at the end."""
    slope: float
    """MiB a minute."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of the load, the how manieth, and values a second of each single kind."""

    number: int
    seconds: float
    rate: float


@dataclass(slots=True)
class Samples:
    """Of every process, by name, from before the load to its end."""

    begun: float = field(default_factory=time.monotonic)
    held: dict[str, list[tuple[float, Held]]] = field(default_factory=dict)

    def take(self, place: Stage) -> None:
        """One more of each."""
        at = time.monotonic() - self.begun
        for name, held in place.watched.memory().items():
            if not name.startswith(("OpenBao", "PostgreSQL")):
                self.held.setdefault(name, []).append((at, held))

    def lines(self, warm: float) -> list[Line]:
        """One for each process; `warm`: seconds whose samples do not count for the slope."""
        return [_line(name, some, warm) for name, some in sorted(self.held.items())]


def _line(name: str, some: Sequence[tuple[float, Held]], warm: float) -> Line:
    late = [(at / 60, held.resident) for at, held in some if at >= warm]
    slope = statistics.linear_regression(*zip(*late, strict=True)).slope if len(late) > 2 else 0.0
    last = some[-1][1]
    return Line(
        name, some[0][1].resident, max(held.resident for _, held in some), last.resident, last.share, slope
    )


async def load(place: Stage, pool: ProcessPoolExecutor, asked: Slice) -> list[Taken]:
    """All kinds of load at once, for a slice."""
    running, loop = [], asyncio.get_running_loop()
    for number, (kind, connections) in enumerate(LOADS):
        port, requests = await place.contenders["ours"].requests(kind)
        each = LISTS if kind.endswith("bulk") else asked.rate
        seed = asked.number * len(LOADS) + number
        plan = Plan(port, requests, connections, asked.seconds, each, seed=seed, warm=0.0)
        running.append(loop.run_in_executor(pool, drive, plan))
    return await asyncio.gather(*running)


async def watch(place: Stage, samples: Samples, going: asyncio.Event) -> None:
    """Sample until told to stop."""
    while not going.is_set():
        samples.take(place)
        await asyncio.sleep(EVERY)


async def measure(given: argparse.Namespace) -> tuple[list[Line], Samples, int]:
    """Load for so long: a line for each process, all samples, requests that failed."""
    samples, failed = Samples(), 0
    shape = Shape(ingest_workers=given.ingest_workers, reveal_workers=given.reveal_workers)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-memory-")))
        place = await alone(stack, folder, shape, before=samples.take)
        pool = stack.enter_context(ProcessPoolExecutor(len(LOADS), multiprocessing.get_context("spawn")))
        stop = asyncio.Event()
        watching = asyncio.create_task(watch(place, samples, stop))
        until, number = time.monotonic() + given.minutes * 60, 0
        while (left := until - time.monotonic()) > 1:
            done = await load(place, pool, Slice(number, min(SLICE, left), given.rate))
            number += 1
            failed += sum(one.failed for one in done)
            _say(samples, done)
        stop.set()
        await watching
    return samples.lines(given.warm * 60), samples, failed


def _say(samples: Samples, done: Sequence[Taken]) -> None:
    rates = ", ".join(f"{kind} {one.per_second:.1f}/s" for (kind, _), one in zip(LOADS, done, strict=True))
    now = ", ".join(f"{name} {some[-1][1].resident:.0f}" for name, some in samples.held.items())
    wrong = next((one.first_failure for one in done if one.failed), "")
    print(f"{time.monotonic() - samples.begun:6.0f} s: {rates}; MiB: {now} {wrong}", flush=True)


def weigh() -> dict[str, float]:
    """MiB that each import adds in a fresh interpreter, in this order."""
    told = subprocess.run(
        [sys.executable, "-c", _WEIGH, *_IMPORTED], capture_output=True, text=True, check=True
    )
    lines = [line.rpartition(" ") for line in told.stdout.splitlines()]
    return {name: float(held) for name, _, held in lines}


def show(lines: Sequence[Line], weights: dict[str, float]) -> None:
    console = Console(width=140)
    heads = ("at rest", "largest", "last", "its share", "MiB a minute")
    table = Table("process", *heads, title=f"Resident memory, MiB (at most {BOUND} wanted)", box=None)
    for one in lines:
        cells = (one.at_rest, one.largest, one.last, one.share)
        table.add_row(one.name, *(f"{cell:.0f}" for cell in cells), f"{one.slope:+.2f}")
    console.print(table, "")
    table = Table("import, in this order", "MiB", box=None, title=f"At rest: {sum(weights.values()):.0f} MiB")
    for name, held in weights.items():
        table.add_row(name, f"{held:.1f}")
    console.print(table)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--rate", type=float, default=150)
    arguments.add_argument("--warm", type=float, default=2, help="minutes that do not count for the slope")
    arguments.add_argument("--ingest-workers", type=int, default=1)
    arguments.add_argument("--reveal-workers", type=int, default=1)
    arguments.add_argument("--json", type=Path, default=Path("bench-memory.json"))
    given = arguments.parse_args()
    lines, samples, failed = asyncio.run(measure(given))
    weights = weigh()
    show(lines, weights)
    print(f"{failed} requests failed")
    document = {
        "conditions": conditions(minutes=given.minutes, rate=given.rate),
        "processes": [asdict(one) for one in lines],
        "failed": failed,
        "imports_mib": weights,
        "samples": {name: [(at, asdict(held)) for at, held in some] for name, some in samples.held.items()},
    }
    given.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
