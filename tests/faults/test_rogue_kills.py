"""Real `strongroom sequence` processes under load: two at once, and kill -9 at random moments.

Afterwards the whole log is verified: no gap, no duplicate, every acknowledged event in its place.
"""

import asyncio
import base64
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.plugins.bridge import bridged
from tests.plugins.process import ROOT, ended
from tests.plugins.scene import audit
from tests.plugins.service import KINDS, Founder
from tests.plugins.waiting import until
from tests.plugins.world import BANK, World

KILLS, MANY_KILLS = 2, 100
TAKEN_OVER = 10.0
"""Seconds within which another leads after a leader's death."""


class Process:
    """`strongroom sequence`, and what it says."""

    def __init__(self, world: World, folder: Path, name: str, *options: str) -> None:
        self.log = folder / f"{name}.log"
        told = {"STRONGROOM_SEQUENCER_STATE": str(folder / "state"), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-P", "-m", "vault.cli", "sequence", *options]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env={**world.environment(), **told, "PATH": os.environ["PATH"]},
                stdout=log,
                stderr=log,
            )

    @property
    def leads(self) -> bool:
        """Whether it has been the leader."""
        assert self._process.poll() is None, self.log.read_text()
        return b'"leads"' in self.log.read_bytes()

    @property
    def waits(self) -> bool:
        """Whether it is up, and would lead if nobody else did."""
        assert self._process.poll() is None, self.log.read_text()
        return b'"sequencing"' in self.log.read_bytes()

    async def end(self, how: signal.Signals) -> int:
        return await asyncio.to_thread(ended, self._process, how)

    async def done(self) -> int:
        """Wait until it ends by itself."""
        return await asyncio.to_thread(self._process.wait, 60)


@dataclass(slots=True)
class Load:
    """People at work beside it all. What was acknowledged is in the world's journal."""

    world: World
    _stop: bool = False
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    async def __aenter__(self) -> None:
        await self.world.seal(3)
        self._tasks = [asyncio.create_task(work()) for work in (self._tokenize, self._open, self._open)]

    async def __aexit__(self, *_: object) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def _tokenize(self) -> None:
        while not self._stop:
            assert (await self.world.tokenize([("bank_account", BANK)] * 20)).status_code == 200
            await asyncio.sleep(0.05)

    async def _open(self) -> None:
        tokens = list(self.world.journal.values)[:3]
        while not self._stop:
            assert (await self.world.detokenize(tokens)).status_code == 200
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(world: World, folder: Path) -> AsyncIterator[Callable[[], Process]]:
    """Starts sequencers that share what one machine remembers; none is left behind."""
    started: list[Process] = []

    def start() -> Process:
        started.append(Process(world, folder, f"sequencer-{len(started)}"))
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            await one.end(signal.SIGKILL)


async def verify(world: World, folder: Path) -> None:
    """Hold the log to the auditor's judgement, and to everything the service acknowledged."""
    last = Process(world, folder, "last", "--once")
    await lease_ends(world)
    assert await last.done() == 0, last.log.read_text()
    async with world.owner.connect() as connection:
        query = "SELECT idx, event_id, commitment FROM leaf WHERE tenant = 'acme' ORDER BY idx"
        leaves = (await connection.execute(text(query))).all()
        query = "SELECT count(*) FROM event WHERE tenant = 'acme'"
        events = await connection.scalar(text(query))
    assert [leaf.idx for leaf in leaves] == list(range(len(leaves)))
    entries = {(leaf.event_id, leaf.commitment) for leaf in leaves}
    assert len(entries) == len(leaves) == events
    for receipt in world.journal.receipts:
        raw = base64.urlsafe_b64decode(receipt.removeprefix("rcp_") + "==")
        assert (raw[1:17], raw[17:49]) in entries
    for line in b"".join(path.read_bytes() for path in folder.glob("*.log")).splitlines():
        assert b'"alarm"' not in line, line
    with bridged(world.client) as url:
        run = "mirror", url, folder / "mirror", "--tenant", "acme"
        said = await audit(*run, secret=world.secrets["acme.auditor"])
    assert (said.code, f"{len(leaves):,} events mirrored" in said.words) == (0, True), said.words
    await world.recheck()


async def lease_ends(world: World) -> None:
    """As if the seconds had passed that a dead leader's lease still runs."""
    async with world.owner.begin() as connection:
        await connection.execute(text("UPDATE sequencer_lease SET until = 0"))


async def kill_again_and_again(world: World, folder: Path, times: int) -> None:
    """Kill the leader somewhere in its work, with its successor already waiting."""
    moments = random.Random(times)
    async with running(world, folder) as start, Load(world):
        leader, heir = await first_of(start(), start())
        for number in range(times):
            await until(lambda: heir.waits)  # noqa: B023  # it is waited for here
            await asyncio.sleep(moments.uniform(0.0, 0.7))
            assert not heir.leads, "one leads at a time"
            await leader.end(signal.SIGKILL)
            if number:
                await lease_ends(world)
            await until(lambda: heir.leads, TAKEN_OVER)  # noqa: B023  # it is waited for here
            leader, heir = heir, start()
        for _ in range(100):  # a busy machine may not have let them number anything between two kills
            if await numbered(world) > times:
                break
            await asyncio.sleep(0.2)
    assert await numbered(world) > times, "they did work"
    await verify(world, folder)


async def first_of(one: Process, other: Process) -> tuple[Process, Process]:
    """Who leads, and who does not."""
    await until(lambda: one.leads or other.leads)
    return (one, other) if one.leads else (other, one)


async def numbered(world: World) -> int:
    async with world.owner.connect() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM leaf WHERE tenant = 'acme'")) or 0)


@pytest.mark.parametrize("kind", KINDS)
async def test_leaders_killed_at_random_moments(found_world: Founder, tmp_path: Path, kind: str):
    """One of two works; killed in the middle, it is followed within seconds, without gap or duplicate."""
    await kill_again_and_again(await found_world(kind), tmp_path, KILLS)


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
async def test_leaders_killed_a_hundred_times(found_world: Founder, tmp_path: Path, kind: str):
    """The same a hundred times."""
    await kill_again_and_again(await found_world(kind), tmp_path, MANY_KILLS)
