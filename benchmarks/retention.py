"""How many records a second a retention run judges and ends, and what is left meanwhile for those served.

    python -m benchmarks.retention [--subjects 100000] [--clients 4] [--pause 0.02]

A PostgreSQL that syncs every commit, a real OpenBao, and three processes as in production: the planes that
serve, the office, the sequencer. One record for each subject is tokenized over HTTP; then dates are moved so
that half of them have to be erased, a quarter archived and a quarter kept under the profile `in`. A light
load of tokenize and detokenize calls, one value each, is measured alone, and again while
`strongroom retention run --apply` runs, as a process of its own. Its start is counted.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select, update

from benchmarks.sequencer_beside import sequencing
from benchmarks.stage import vault
from tests.plugins.process import ROOT, Served
from tests.plugins.world import World
from vault.retention import load
from vault.store.engine import open_database
from vault.store.schema import record, tombstone

SERVING = "ingest,reveal,control,audit"
AT_ONCE = 500
ALONE_SECONDS = 20
BANK = {"number": "123456789012", "ifsc": "HDFC0000123", "holder": "Asha Traders"}


@dataclass
class Load:
    """A few clients that each take a breath between two calls."""

    world: World
    clients: int
    pause: float
    took: list[float] = field(default_factory=list)
    failed: int = 0

    async def during(self, work: Any) -> tuple[Any, float]:
        """What `work` answers, and the calls a second that were answered meanwhile."""
        self.took, self.failed = [], 0
        begun = time.perf_counter()
        running = [asyncio.create_task(self._client(number)) for number in range(self.clients)]
        try:
            done = await work
        finally:
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return done, len(self.took) / (time.perf_counter() - begun)

    async def _client(self, number: int) -> None:
        while True:
            made = await self._timed(self.world.tokenize([("pan", "ABCPE1234F")], subject=f"live-{number}"))
            if made.status_code == 200:
                await self._timed(self.world.detokenize([made.json()["items"][0]["token"]]))

    async def _timed(self, call: Any) -> httpx.Response:
        begun = time.perf_counter()
        answer: httpx.Response = await call
        self.took.append(time.perf_counter() - begun)
        self.failed += answer.status_code != 200
        await asyncio.sleep(self.pause)
        return answer

    def says(self, rate: float) -> str:
        cuts = statistics.quantiles(self.took, n=100)
        shown = f"{rate:,.0f} calls/s, median {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms"
        return f"{shown}, {self.failed} failed"


async def seed(world: World, office: httpx.AsyncClient, subjects: int) -> None:
    """So many records, old enough, a quarter of them of subjects who were invoiced and have left."""
    kinds = (("email", "asha@example.com"), ("bank_account", BANK))
    for start in range(0, subjects, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, subjects))
        items = [
            {"subject": f"kept-{n}", "type": kinds[n % 4 == 0][0], "value": kinds[n % 4 == 0][1]}
            for n in numbers
        ]
        done = await world.post("/v1/tokenize", {"items": items, "mode": "all"}, who="signup")
        assert done.status_code == 200, done.text
        for fact, day in (("invoiced", "2024-06-30"), ("closed", "2025-01-31")):
            left = [{"subject": f"kept-{n}", "fact": fact, "on": day} for n in numbers if n % 4 == 0]
            headers = await world.bearer("runner")
            told = await office.post("/v1/subjects", json={"items": left}, headers=headers)
            assert told.status_code == 200, told.text


async def grow_old(world: World) -> None:
    """All but every fourth was collected fourteen months ago."""
    engine = open_database(world.settings.data_url)
    then = int((datetime.now(UTC) - timedelta(days=14 * 31)).timestamp() * 1_000_000)
    young = [record.c.subject.like(f"%{digits}") for digits in _every_fourth()]
    async with engine.begin() as connection:
        await connection.execute(update(record).values(created_at=then))
        now = time.time_ns() // 1000
        for one in young:
            await connection.execute(update(record).where(one).values(created_at=now))
        await connection.exec_driver_sql("ANALYZE")
    await engine.dispose()


def _every_fourth() -> list[str]:
    """The last two digits of numbers that are 1 more than a multiple of four."""
    return [f"{n:02}" for n in range(100) if n % 4 == 1]


async def run_command(url: str, office: str, secret: str) -> tuple[dict[str, Any], float]:
    """`strongroom retention run --apply`, as a process: its report, and the seconds it took."""
    told = {
        "PATH": os.environ["PATH"],
        "STRONGROOM_URL": url,
        "STRONGROOM_OFFICE_URL": office,
        "STRONGROOM_CLIENT_ID": "acme.runner",
        "STRONGROOM_CLIENT_SECRET": secret,
    }
    command = ("-m", "vault.cli", "retention", "run", "--apply", "--json")
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=told, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out), time.perf_counter() - begun


async def ended(world: World) -> int:
    engine = open_database(world.settings.data_url)
    async with engine.connect() as connection:
        done = (await connection.execute(select(func.count()).select_from(tombstone))).scalar_one()
    await engine.dispose()
    return int(done)


async def measure(subjects: int, clients: int, pause: float) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-bench-")))
        world = await stack.enter_async_context(vault())
        told = world.environment()
        served = await stack.enter_async_context(Served(told, folder / "served", planes=SERVING))
        office = await stack.enter_async_context(Served(told, folder / "office", planes="office"))
        process = {**told, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        stack.enter_context(sequencing(process))
        world.client = await stack.enter_async_context(httpx.AsyncClient(base_url=served.url, timeout=60))
        await world.keep(Path(load.__file__).with_name("in.toml").read_text("utf-8"))
        await world.hire("runner", ["retention", "subjects"])
        begun = time.perf_counter()
        async with httpx.AsyncClient(base_url=office.url, timeout=60) as desk:
            await seed(world, desk, subjects)
        await grow_old(world)
        print(f"{subjects:,} records in {time.perf_counter() - begun:,.0f} s", flush=True)
        await beside(world, Load(world, clients, pause), (served.url, office.url))


async def beside(world: World, light: Load, urls: tuple[str, str]) -> None:
    await light.during(asyncio.sleep(3))  # a first breath is not counted
    _, alone = await light.during(asyncio.sleep(ALONE_SECONDS))
    print(f"serving alone:     {light.says(alone)}", flush=True)
    command = run_command(*urls, world.secrets["acme.runner"])
    (report, took), meanwhile = await light.during(command)
    print(f"serving meanwhile: {light.says(meanwhile)}; {meanwhile / alone:.0%} of alone")
    print(f"retention run: {report['checked']:,} records in {took:.1f} s: {report['checked'] / took:,.0f}/s")
    print(f"  {report['counts']}; {await ended(world):,} are erased", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--subjects", type=int, default=100_000)
    arguments.add_argument("--clients", type=int, default=4)
    arguments.add_argument("--pause", type=float, default=0.02)
    given = arguments.parse_args()
    asyncio.run(measure(given.subjects, given.clients, given.pause))


if __name__ == "__main__":
    main()
