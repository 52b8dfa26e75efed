"""Whether cost grows with size: vaults of different sizes beside each other, under the same loads in turns.

    python -m benchmarks.hot.sizes [--records 10000 1000000] [--real 20000] [--rounds 5] [--warm 1]
        [--seconds 3] [--shared-buffers 2GB] [--json bench-sizes.json]

Each size has a PostgreSQL of its own (every commit synced), an OpenBao, the vault's processes. Databases are
filled first (benchmarks/hot/fill.py): so many records with their keys, twice as many events with lists and
numbers; `--real` of the records are real ones, spread over the tables, and those are opened. Then every round
sends every load to every size. Throughput depends on what else the machine does; CPU for each value, that of
PostgreSQL apart, and blocks that PostgreSQL looked at for each value hardly do.

A million records take some 2 minutes to fill and 4 GB; ten million 20 minutes and 34 GB, under --folder.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.hot.cases import CASES, Case
from benchmarks.hot.contenders import Ours
from benchmarks.hot.fill import TENANT, Filling, fill
from benchmarks.hot.fleet import Shape, serve, watched
from benchmarks.hot.measure import Measuring, Stretch, generator, warn
from benchmarks.hot.report import conditions
from benchmarks.hot.stage import Stage
from benchmarks.stage import vault
from tests.plugins.waiting import until
from tests.plugins.world import World
from vault.store.backlog import Backlog, read_backlog
from vault.store.engine import open_database

NAMES = ("tokenize", "detokenize", "tokenize, 1,000 at once", "detokenize, 1,000 at once")
_SIZES = """
    SELECT coalesce(parent.relname, child.relname), sum(pg_table_size(child.oid)),
        sum(pg_indexes_size(child.oid))
    FROM pg_class child LEFT JOIN pg_inherits i ON i.inhrelid = child.oid
    LEFT JOIN pg_class parent ON parent.oid = i.inhparent
    WHERE child.relkind = 'r' AND child.relnamespace = 'public'::regnamespace
    GROUP BY 1 HAVING sum(pg_total_relation_size(child.oid)) > 1048576 ORDER BY 1"""
_LOOKED_AT = (
    "SELECT sum(blks_hit), sum(blks_read), pg_current_wal_insert_lsn() - '0/0'::pg_lsn,"
    " (SELECT wal_fpi FROM pg_stat_wal) FROM pg_stat_database"
)
NEAR = 2_000
"""Events that may wait for their checkpoint when a stretch begins: past 10,000 the vault opens nothing."""
_BOUND = 10**15
_FLUSH_SECONDS = 1.1
"""A connection of PostgreSQL tells its counters with the first statement a second after it told them last."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What PostgreSQL has done since it was started."""

    hit: int
    read: int
    wal: int
    images: int

    def each(self, before: "Looked", values: float) -> dict[str, float]:
        """For each value since an earlier look: blocks looked at, those it did not hold, bytes of WAL."""
        return {
            "blocks each": (self.hit - before.hit + self.read - before.read) / values,
            "asked of the system": (self.read - before.read) / values,
            "WAL bytes": (self.wal - before.wal) / values,
            "pages in it": (self.images - before.images) / values,
        }


@dataclass(frozen=True, slots=True)
class Sized:
    """A vault of a size, ready to be sent requests."""

    records: int
    stage: Stage
    owner: AsyncEngine
    tables: dict[str, tuple[int, int]]
    """Bytes of each table and of its indexes, before the first load."""

    async def looked(self) -> Looked:
        """What its PostgreSQL did so far."""
        async with self.owner.connect() as connection:
            row = (await connection.execute(text(_LOOKED_AT))).one()
        return Looked(*map(int, row))


@dataclass(frozen=True, slots=True)
class Found:
    """One size under one load for some seconds."""

    records: int
    stretch: Stretch
    each: dict[str, float]
    """What PostgreSQL did for each value."""

    @property
    def figures(self) -> dict[str, float]:
        """What is compared between sizes."""
        one = self.stretch
        postgresql = one.cpu_seconds["PostgreSQL"] * 1e3 / max(1, one.values)
        cpu = {"CPU ms each": one.cpu_ms_per_value, "PostgreSQL ms each": postgresql}
        return {"values/s": one.values_per_second} | cpu | self.each

    def line(self) -> str:
        """In one line."""
        return f"{self.records:>11,} {self.stretch.line()}  {self.each['blocks each']:.1f} blocks each"


Compared: TypeAlias = dict[str, dict[int, dict[str, tuple[float, float]]]]
"""Median and ratio of each figure, by case and records."""


async def sized(stack: AsyncExitStack, records: int, given: argparse.Namespace) -> Sized:
    """Make, fill and start a vault of a size."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-sizes-")))
    world = await stack.enter_async_context(vault(shared_buffers=given.shared_buffers))
    ours = Ours({}, world.secrets)
    async with AsyncExitStack() as before:
        ours.urls = (await serve(before, world, folder, Shape(kinds=("control", "ingest")), {})).urls()
        await ours.seed(min(given.real, records))
    begun = time.perf_counter()
    print(f"filling {records:,} records", flush=True)
    await fill(world, Filling(records))
    print(f"  filled in {time.perf_counter() - begun:.0f} s", flush=True)
    fleet = await serve(stack, world, folder, Shape(), {})
    ours.urls = fleet.urls()
    owner = open_database(world.databases.data_url, statement_seconds=None)
    stack.push_async_callback(owner.dispose)
    stage = Stage({"ours": ours}, watched(world, fleet), fleet.shared())
    await _numbered(owner, 1)
    return Sized(records, stage, owner, await _tables(world))


async def _numbered(owner: AsyncEngine, fewer: int) -> None:
    """Return once fewer events than so many wait for a signed checkpoint."""
    await until(partial(_is_numbered, owner, fewer), 120)


async def _is_numbered(owner: AsyncEngine, fewer: int) -> bool:
    return (await read_backlog(owner, TENANT, Backlog(_BOUND, _BOUND))).events < fewer


async def _tables(world: World) -> dict[str, tuple[int, int]]:
    """Bytes of each table and of its indexes; of events those of all months."""
    found: dict[str, tuple[int, int]] = {}
    for url in (world.databases.data_url, world.databases.keystore_url):
        engine = open_database(url, statement_seconds=None)
        async with engine.connect() as connection:
            rows = (await connection.execute(text(_SIZES))).all()
        found |= {str(row[0]): (int(row[1]), int(row[2])) for row in rows}
        await engine.dispose()
    return found


async def look(one: Sized, case: Case, number: int, measuring: Measuring) -> Found:
    """A stretch, and what PostgreSQL did in it. Before it the log catches up, or nothing would be opened."""
    await _numbered(one.owner, NEAR)
    nudge = Measuring(one.stage, measuring.generator, 0.2)
    await nudge.stretch(case, "ours", number)
    before = await one.looked()
    found = await Measuring(one.stage, measuring.generator, measuring.seconds).stretch(case, "ours", number)
    await asyncio.sleep(_FLUSH_SECONDS)
    last = await nudge.stretch(case, "ours", number)
    each = (await one.looked()).each(before, found.values + last.values)
    return Found(one.records, found, each)


async def rounds(sizes: Sequence[Sized], given: argparse.Namespace) -> list[Found]:
    """Every load on every size, once a round; who is first takes turns. The first rounds are not counted."""
    done: list[Found] = []
    with generator() as process:
        for number in range(-given.warm, given.rounds):
            for case in (case for case in CASES if case.name in NAMES):
                turn = number % len(sizes)
                for one in (*sizes[turn:], *sizes[:turn]):
                    measuring = Measuring(one.stage, process, given.seconds)
                    found = await look(one, case, number, measuring)
                    done += [found] if number >= 0 else []
                    print(f"{number + 1}/{given.rounds} {found.line()}", flush=True)
    return done


def compared(done: Sequence[Found]) -> Compared:
    """By case and size the median of every figure, and that of its ratios to the smallest's in each round."""
    found: Compared = {}
    smallest = min(one.records for one in done)
    for name in NAMES:
        of = {(one.records, one.stretch.round): one.figures for one in done if one.stretch.case == name}
        for records in sorted({one.records for one in done}):
            rounds = [number for size, number in of if size == records]
            found.setdefault(name, {})[records] = {
                figure: (
                    statistics.median(of[records, n][figure] for n in rounds),
                    statistics.median(
                        _ratio(of[records, n][figure], of[smallest, n][figure]) for n in rounds
                    ),
                )
                for figure in of[records, rounds[0]]
            }
    return found


def show(found: Compared, sizes: Sequence[Sized]) -> None:
    """Medians, and ratios to the smallest size."""
    console = Console(width=150)
    figures = list(next(iter(next(iter(found.values())).values())))
    table = Table("load", "records", *figures, box=None, title="Medians (and of ratios to the smallest)")
    for name, by_size in found.items():
        for records, medians in by_size.items():
            cells = [f"{medians[one][0]:,.2f} ({medians[one][1]:.2f})" for one in figures]
            table.add_row(name, f"{records:,}", *cells)
    console.print(table, "")
    table = Table("records", "table", "MiB", "MiB of indexes", box=None, title="Tables before the first load")
    for size in sizes:
        for name, (rows, indexes) in size.tables.items():
            table.add_row(f"{size.records:,}", name, f"{rows >> 20:,}", f"{indexes >> 20:,}")
    console.print(table)


def _ratio(here: float, there: float) -> float:
    return here / there if there else float("nan")


async def run(given: argparse.Namespace) -> None:
    """Fill, measure, print, write."""
    tempfile.tempdir = str(given.folder) if given.folder else None
    async with AsyncExitStack() as stack:
        sizes = [await sized(stack, records, given) for records in given.records]
        if given.ask:
            await asyncio.to_thread(input, "filled; Enter when the machine is quiet\n")
        done = await rounds(sizes, given)
        found = compared(done)
        show(found, sizes)
        warn(one.stretch for one in done)
        told = conditions(cores=os.cpu_count(), real=given.real, shared_buffers=given.shared_buffers)
        document = {
            "conditions": told,
            "medians": found,
            "table_bytes": {size.records: size.tables for size in sizes},
            "stretches": [{"records": o.records, **o.stretch.as_json(), "each": o.each} for o in done],
        }
        given.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--records", type=int, nargs="+", default=[10_000, 1_000_000])
    arguments.add_argument("--real", type=int, default=20_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--warm", type=int, default=1, help="rounds that are not counted")
    arguments.add_argument("--seconds", type=float, default=3)
    arguments.add_argument("--shared-buffers", default="2GB")
    arguments.add_argument("--ask", action="store_true", help="wait for Enter between filling and measuring")
    arguments.add_argument("--folder", type=Path, help="where databases are made, in place of the system's")
    arguments.add_argument("--json", type=Path, default=Path("bench-sizes.json"))
    asyncio.run(run(arguments.parse_args()))


if __name__ == "__main__":
    main()
