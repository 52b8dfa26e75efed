"""The hot path side by side: us, a service written by hand, and transit alone; in turns, on this machine.

    python -m benchmarks.hot [--database postgresql|sqlite] [--rounds 3] [--seconds 5] [--only TEXT]
        [--ingest-workers 1] [--reveal-workers 1] [--json FILE]

PostgreSQL with fsync and synchronous_commit on (or SQLite, synchronous=FULL), an OpenBao with a file audit
device, and `strongroom serve` as in production: control, ingest, reveal and the sequencer as processes of
their own, each under its own database role, with everything on. On SQLite one process has all planes.

Each round sends every load to every contender, one after the other, and the order is turned by one each time.
At half load requests arrive at half of what the same contender reached so far: at us, and at transit alone.
The load comes from a process of its own over kept connections (benchmarks/hot/load.py). Prints medians, those
of ratios within a round too, and writes every stretch as JSON. Throughput depends on what else the machine
does; CPU for each value less so.
`--only` measures the cases whose name begins with the text, and those that they are compared with.
"""

import argparse
import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.hot.cases import CASES, Case
from benchmarks.hot.ceiling import ceiling
from benchmarks.hot.fleet import Shape
from benchmarks.hot.measure import Measuring, Stretch, generator, median
from benchmarks.hot.report import Report, conditions
from benchmarks.hot.stage import BY_HAND_WORKERS, stage


def wanted(only: str) -> list[Case]:
    """The cases to measure, in their order."""
    named = [case for case in CASES if case.name.startswith(only)]
    bases = {case.kind for case in named if case.load is not None} | {case.singly for case in named}
    return [case for case in CASES if case in named or case.name in bases]


async def rounds(cases: Sequence[Case], measuring: Measuring, count: int) -> list[Stretch]:
    """Every case of every contender, once a round."""
    done: list[Stretch] = []
    for number in range(count):
        for case in cases:
            turn = number % len(case.contenders)
            for name in (*case.contenders[turn:], *case.contenders[:turn]):
                rate = None if case.load is None else case.load * _reached(done, case.kind, name)
                found = await measuring.stretch(case, name, number, rate)
                done.append(found)
                print(f"{number + 1}/{count} {found.line()}", flush=True)
    return done


def _reached(done: Sequence[Stretch], kind: str, name: str) -> float:
    """What the contender reached under full load so far."""
    return median([one for one in done if (one.case, one.contender) == (kind, name)], "requests_per_second")


async def run(given: argparse.Namespace) -> Report:
    shape = Shape(given.database, given.ingest_workers, given.reveal_workers)
    most = ceiling(2.0, 64)
    told = conditions(
        database=given.database, rounds=given.rounds, seconds=given.seconds, cores=os.cpu_count(),
        ingest_workers=given.ingest_workers, reveal_workers=given.reveal_workers,
        by_hand_workers=BY_HAND_WORKERS,
        generator_requests_per_second=round(most.per_second),
        generator_cpu_us_per_request=round(most.cpu / max(1, most.answered) * 1e6, 1),
    )  # fmt: skip
    async with stage(shape) as place:
        with generator() as process:
            measuring = Measuring(place, process, given.seconds)
            done = await rounds(wanted(given.only), measuring, given.rounds)
        return Report(told, done, place.watched.peak_memory())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=5)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--ingest-workers", type=int, default=1)
    arguments.add_argument("--reveal-workers", type=int, default=1)
    arguments.add_argument("--json", type=Path, default=Path("bench-hot.json"))
    given = arguments.parse_args()
    if not wanted(given.only):
        arguments.error(f"--only: no case is named so; there are: {'; '.join(case.name for case in CASES)}")
    report = asyncio.run(run(given))
    report.show(Console(width=160))
    report.write(given.json)


if __name__ == "__main__":
    main()
