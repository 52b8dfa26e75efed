"""Throughput against concurrency, and latency against load: as JSON, and as plots (SVG).

    python -m benchmarks.hot.sweep [--database postgresql|sqlite] [--rounds 3] [--seconds 4] [--folder .]

The stage is that of `benchmarks.hot`. First every contender under 1, 4, 16, 64 and 128 connections, each of
which sends its next request when its last is answered. Then the vault under shares of what it reached with
64: requests that arrive by chance at that rate, on 128 connections, whatever becomes of them; a request that
has to wait for a connection waits on the clock. Medians of all rounds.
"""

import argparse
import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.hot.cases import ALL, OURS, Case
from benchmarks.hot.fleet import Shape
from benchmarks.hot.measure import Measuring, Stretch, generator, median, warn
from benchmarks.hot.plot import Axis, Line, Plot
from benchmarks.hot.stage import stage

CONNECTIONS = (1, 4, 16, 64, 128)
LOADS = (0.1, 0.25, 0.5, 0.75, 0.9)
VERBS = ("tokenize", "detokenize")
_FULL = 64

Crowded = tuple[int, Stretch]
Loaded = tuple[float, Stretch]


async def crowds(verb: str, measuring: Measuring, rounds: int) -> list[Crowded]:
    """Every contender under every number of connections, in turns."""
    found = []
    for number in range(rounds):
        for many in CONNECTIONS:
            for name in ALL:
                case = Case(f"{verb}, {many} connections", verb, many)
                found.append((many, await _told(measuring, case, name, number)))
    return found


async def loads(verb: str, most: float, measuring: Measuring, rounds: int) -> list[Loaded]:
    """The vault under shares of the most it reached."""
    found = []
    for number in range(rounds):
        for share in LOADS:
            case = Case(f"{verb}, load {share:.0%}", verb, 128, OURS, load=share)
            found.append((share, await _told(measuring, case, "ours", number, share * most)))
    return found


async def _told(
    measuring: Measuring, case: Case, name: str, number: int, rate: float | None = None
) -> Stretch:
    found = await measuring.stretch(case, name, number, rate)
    print(found.line(), flush=True)
    return found


def throughput(verb: str, found: Sequence[Crowded]) -> Plot:
    """Requests a second against connections, a line for each contender."""
    lines = {name: list(_medians(found, name)) for name in ALL}
    return Plot(f"{verb}: throughput", Axis("connections", base=2), Axis("requests a second"), lines)


def _medians(found: Sequence[Crowded], name: str) -> Iterator[tuple[float, float]]:
    for many in CONNECTIONS:
        some = [one for number, one in found if number == many and one.contender == name]
        yield many, median(some, "requests_per_second")


def latency(verb: str, found: Sequence[Loaded]) -> Plot:
    """Median, p95 and p99 against the rate at which requests arrive."""
    lines: dict[str, Line] = {}
    for member in ("p50", "p95", "p99"):
        by_share = {share: [one for other, one in found if other == share] for share in LOADS}
        lines[member] = [
            (median(some, "requests_per_second"), median(some, f"{member}_ms")) for some in by_share.values()
        ]
    return Plot(f"{verb}: latency of ours", Axis("requests a second"), Axis("milliseconds", base=10), lines)


async def run(given: argparse.Namespace) -> None:
    document: dict[str, object] = {"database": given.database}
    async with stage(Shape(given.database)) as place:
        with generator() as process:
            measuring = Measuring(place, process, given.seconds)
            for verb in VERBS:
                crowded = await crowds(verb, measuring, given.rounds)
                full = [one for many, one in crowded if many == _FULL and one.contender == "ours"]
                loaded = await loads(verb, median(full, "requests_per_second"), measuring, given.rounds)
                warn(one for _, one in (*crowded, *loaded))
                document[verb] = {
                    "concurrency": [{"connections": many, **one.as_json()} for many, one in crowded],
                    "load": [{"share": share, **one.as_json()} for share, one in loaded],
                }
                for name, plot in (
                    ("throughput", throughput(verb, crowded)),
                    ("latency", latency(verb, loaded)),
                ):
                    (given.folder / f"{verb}-{name}-{given.database}.svg").write_text(plot.svg(), "utf-8")
    written = json.dumps(document, indent=1)
    (given.folder / f"bench-sweep-{given.database}.json").write_text(written, "utf-8")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=4)
    arguments.add_argument("--folder", type=Path, default=Path())
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(run(given))


if __name__ == "__main__":
    main()
