"""Throughput against workers and hosts that share one PostgreSQL.

    python -m benchmarks.hot.workers [--workers 1 2 3 4] [--hosts 2] [--rounds 2] [--seconds 3]
        [--json bench-workers.json]

For each number of workers a vault is started with so many for ingest and as many for reveal, in one `serve`
each; then one with so many simulated hosts: processes of their own on ports of their own, each with its
pool of DEKs and its connections, between which the load's connections are dealt out. Throughput of
tokenizing and opening, CPU for each value by process, and ratios to one worker. Where all share two cores,
more workers can only show what they cost; compare CPU for each value.
"""

import argparse
import asyncio
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.hot.alone import alone
from benchmarks.hot.cases import CASES
from benchmarks.hot.fleet import Shape
from benchmarks.hot.measure import Measuring, Stretch, generator, median, warn
from benchmarks.hot.report import conditions

NAMES = ("tokenize", "detokenize")
CONNECTIONS = 64
"""For each worker: with a fixed number in all, every worker more makes lists shorter, and values dearer."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one shape of a vault reached."""

    name: str
    stretches: Sequence[Stretch]

    def of(self, case: str, member: str) -> float:
        """The median of a member under a load."""
        return median([one for one in self.stretches if one.case == case], member)

    def postgresql(self, case: str) -> float:
        """ms of PostgreSQL's CPU for each value."""
        some = [one for one in self.stretches if one.case == case]
        return (
            sum(one.cpu_seconds["PostgreSQL"] for one in some) * 1e3 / max(1, sum(one.values for one in some))
        )


def shapes(workers: Sequence[int], hosts: int) -> dict[str, Shape]:
    """What is measured, by name."""
    found = {
        f"{n} worker{'s' if n > 1 else ''} each": Shape(ingest_workers=n, reveal_workers=n) for n in workers
    }
    return found | ({f"{hosts} hosts, one worker each": Shape(hosts=hosts)} if hosts > 1 else {})


async def measure(name: str, shape: Shape, seconds: float, rounds: int) -> Found:
    """Start it, drive it, stop it."""
    done: list[Stretch] = []
    workers = shape.hosts * shape.ingest_workers
    cases = [replace(case, connections=CONNECTIONS * workers) for case in CASES if case.name in NAMES]
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-workers-")))
        place = await alone(stack, folder, shape)
        with generator() as process:
            for number in range(rounds):
                for case in cases:
                    done.append(await Measuring(place, process, seconds).stretch(case, "ours", number))
                    print(f"{name:24} {done[-1].line()}", flush=True)
    return Found(name, done)


def show(found: Sequence[Found]) -> None:
    """Medians, and what they are to those of the first."""
    table = Table("load", "", "values/s", "p99 ms", "CPU ms each", "PostgreSQL ms each", box=None)
    for case in NAMES:
        first = found[0]
        for one in found:
            rate, cpu = one.of(case, "values_per_second"), one.of(case, "cpu_ms_per_value")
            rates = f"{rate:,.0f} ({rate / first.of(case, 'values_per_second'):.2f})"
            cpus = f"{cpu:.3f} ({cpu / first.of(case, 'cpu_ms_per_value'):.2f})"
            table.add_row(
                case, one.name, rates, f"{one.of(case, 'p99_ms'):.0f}", cpus, f"{one.postgresql(case):.3f}"
            )
    Console(width=120).print(table)


async def run(given: argparse.Namespace) -> None:
    """Each shape in turn."""
    wanted = shapes(given.workers, given.hosts)
    found = [await measure(name, shape, given.seconds, given.rounds) for name, shape in wanted.items()]
    show(found)
    warn(stretch for one in found for stretch in one.stretches)
    document = {
        "conditions": conditions(cores=os.cpu_count(), seconds=given.seconds, rounds=given.rounds),
        "shapes": {one.name: [stretch.as_json() for stretch in one.stretches] for one in found},
    }
    given.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3, 4])
    arguments.add_argument("--hosts", type=int, default=2, help="1: none")
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--seconds", type=float, default=3)
    arguments.add_argument("--json", type=Path, default=Path("bench-workers.json"))
    asyncio.run(run(arguments.parse_args()))


if __name__ == "__main__":
    main()
