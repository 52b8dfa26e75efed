"""Where the CPU of a serving worker goes, as a flame graph (SVG) and as a list.

    python -m benchmarks.hot.profile tokenize|detokenize|tokenize_indexed|tokenize_bulk|detokenize_bulk
        [--database postgresql|sqlite] [--seconds 10] [--connections 64] [--svg FILE] [--top 40]

The stage is that of `benchmarks.hot`; the vault's processes carry a sampler (benchmarks/hot/sampler.py),
whose own time is not counted. What is shown is CPU of the worker.
"""

import argparse
import asyncio
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.hot.cases import Case
from benchmarks.hot.contenders import BULK
from benchmarks.hot.flame import Stacks, by_function, by_itself, by_package, flame
from benchmarks.hot.fleet import Shape
from benchmarks.hot.measure import Measuring, Stretch, generator
from benchmarks.hot.profiled import FOLDER
from benchmarks.hot.stage import stage

KINDS = ("tokenize", "detokenize", "tokenize_indexed", "tokenize_bulk", "detokenize_bulk")
_WRITTEN_AFTER = 1.5
_SAMPLER = "benchmarks/hot/sampler:"
_LOOP = "granian/server/mp:MPServer._spawn_asgi"


@contextmanager
def _sampling(folder: Path) -> Iterator[None]:
    switch = folder / "on"
    switch.touch()
    try:
        yield
    finally:
        switch.unlink()


async def sampled(given: argparse.Namespace, folder: Path) -> Stretch:
    """One stretch under load, sampled. The busiest process is the worker that was asked."""
    shape = Shape(given.database, program="benchmarks.hot.profiled")
    values = BULK if given.kind.endswith("_bulk") else 1
    case = Case(given.kind, given.kind, given.connections, values=values)
    async with stage(shape, **{FOLDER: str(folder)}) as place:
        with generator() as process:
            await Measuring(place, process, 2.0).stretch(case, "ours", 0)
            with _sampling(folder):
                found = await Measuring(place, process, given.seconds).stretch(case, "ours", 1)
            await asyncio.sleep(_WRITTEN_AFTER)
    return found


def busiest(folder: Path) -> Stacks:
    """The stacks of the process that used most."""
    return max((_read(one) for one in folder.glob("*.json")), key=lambda stacks: sum(stacks.values()))


def _read(path: Path) -> Stacks:
    stacks: dict[tuple[str, ...], float] = defaultdict(float)
    for *stack, seconds in json.loads(path.read_text("utf-8")):
        if not stack[-1].startswith(_SAMPLER):
            stacks[_without_start(stack)] += seconds
    return stacks


def _without_start(stack: list[str]) -> tuple[str, ...]:
    """A stack from the event loop on: how the worker was started says nothing."""
    loop = next((place for place, name in enumerate(stack) if name.startswith(_LOOP)), 0)
    return tuple(stack[loop:])


def show(stacks: Stacks, found: Stretch, top: int) -> None:
    """Shares, and microseconds for each value."""
    whole, values = sum(stacks.values()), found.values_per_second * found.lasted
    console = Console(width=150)
    console.print(found.line())
    for title, some in (
        ("package, itself", by_package(stacks)),
        ("function, itself", by_itself(stacks)),
        ("function and what it calls", by_function(stacks)),
    ):
        table = Table(title, "share", "µs a value", box=None)
        for name, seconds in some[:top]:
            table.add_row(name, f"{seconds / whole:.1%}", f"{seconds / values * 1e6:,.0f}")
        console.print(table, "")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("kind", choices=KINDS)
    arguments.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--svg", type=Path)
    arguments.add_argument("--top", type=int, default=40)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-samples-") as folder:
        found = asyncio.run(sampled(given, Path(folder)))
        stacks = busiest(Path(folder))
    show(stacks, found, given.top)
    if given.svg:
        said = f"{given.kind}, {given.connections} connections, {given.database}: CPU of the worker"
        given.svg.write_text(flame(stacks, said), "utf-8")


if __name__ == "__main__":
    main()
