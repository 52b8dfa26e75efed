"""Records sealed anew under a vault that serves, a run killed in its middle; an index key rotated."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from sqlalchemy import func, select, update

from keys.keystore import dek
from tests.plugins.bridge import bridged
from tests.plugins.process import ROOT
from tests.plugins.scene import audit, sequence
from tests.plugins.world import World
from vault.cli.checkup.finding import Finding
from vault.cli.checkup.records import _compare
from vault.cli.founding import operator
from vault.cli.keys.resealing import Asked, _reindex, _reseal
from vault.errors import Conflict
from vault.operators import operating
from vault.policy.load import DEFAULT
from vault.service.index_retirement import retire, rotate
from vault.service.reopening import Job
from vault.store.resealing import Resealing
from vault.store.schema import blind_index, db_clock, record, resealed, tombstone

pytestmark = pytest.mark.asyncio(loop_scope="module")
MANY = 400


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(service: World) -> World:
    """With somebody who corrects, and e-mail addresses to be searched."""
    await service.hire("corrector", ["replace"])
    opened = DEFAULT.read_text().replace("searchable = []", 'searchable = ["email"]')
    assert (await service.ordered("/v1/policy/apply", {"toml": opened})).status_code == 200
    await service.hire("finder", ["search:payment"])
    await asyncio.sleep(1)  # by when every worker has seen it
    return service


class Command:
    """`strongroom …` as a process of its own."""

    def __init__(self, world: World, *arguments: str) -> None:
        self._environment = {**world.environment(), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        self._arguments = arguments

    async def start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "vault.cli", *self._arguments, env=self._environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def run(self) -> tuple[int | None, dict[str, Any]]:
        process = await self.start()
        out, err = await process.communicate()
        assert out, err.decode()
        return process.returncode, orjson.loads(out)


async def doctor(world: World) -> Finding:
    """What it says of a sample of sealed records."""
    return await _compare(world.settings, "acme", ["person_name", "email"])


async def one(world: World, statement: Any) -> Any:
    async with world.owner.connect() as connection:
        return await connection.scalar(statement)


async def kill_in_its_middle(world: World, *arguments: str) -> int:
    """Start a run, and kill it once some records are done; answers how many."""
    process = await Command(world, *arguments).start()
    count = select(func.count()).select_from(resealed)
    async with asyncio.timeout(60):
        while await one(world, count) == 0:
            assert process.returncode is None
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    return int(await one(world, count))


async def acts(world: World, tokens: Sequence[str], done: asyncio.Event) -> None:
    """Until it is done: open, erase, correct and make records, among those that are being sealed anew."""
    for turn, token in enumerate(tokens):
        if done.is_set():
            break
        new = world.canary()
        assert (await world.detokenize([token])).status_code == 200
        if turn % 2:
            assert (await world.erase([token])).status_code == 200
        else:
            body = {"items": [{"token": token, "value": new}], "reason": "case-5"}
            answer = await world.post("/v1/replace", body, who="corrector")
            assert answer.status_code == 200, answer.text
            world.journal.values[token] = new
        await world.seal()


async def test_records_are_sealed_anew_while_the_vault_serves(world: World, tmp_path: Path):
    """Killed in its middle and run again among erasures and corrections: nothing is lost, nothing returns.

    Dates stay, every old DEK is gone, the log verifies, and doctor finds each record as its events say.
    """
    tokens = [token for _ in range(MANY // 100) for token in await world.seal(100)]
    born = select(func.sum(record.c.created_at)).where(record.c.token.in_(tokens[:100]))
    before = await one(world, born)
    command = ("keys", "reseal", "--tenant", "acme", "--before", "now", "--person", "Meera Iyer", "--json")
    assert 0 < await kill_in_its_middle(world, *command) < MANY
    done = asyncio.Event()
    traffic = asyncio.create_task(acts(world, tokens[100:], done))
    code, told = await Command(world, *command).run()
    done.set()
    await traffic
    assert (code, told["left"], told["failed"]) == (0, 0, [])
    assert await one(world, born) == before
    async with asyncio.timeout(
        60
    ):  # the office destroys them by itself, with the next erasure or in a minute
        while await one(world, select(func.count()).where(resealed.c.key_destroyed_at.is_(None))):
            await world.erase(await world.seal())
    gone = [*await _dek_ids(world, resealed), *await _dek_ids(world, tombstone)]
    async with world.keystore_owner.connect() as connection:
        left = set((await connection.execute(select(dek.c.dek_id))).scalars())
    assert left.isdisjoint(gone)
    assert set(await _dek_ids(world, record)) <= left
    assert (await doctor(world)).state == "ok"
    assert await sequence(replace(world.settings, sequencer_state=tmp_path / "state")) == []
    with bridged(world.client) as url:
        secret = world.secrets["acme.auditor"]
        said = await audit("mirror", url, tmp_path / "mirror", "--tenant", "acme", secret=secret)
    assert said.code == 0, said.words
    # Last: it reads the files of SQLite itself, after which no other process may touch them.
    await world.recheck()


async def _dek_ids(world: World, table: Any) -> list[bytes]:
    async with world.owner.connect() as connection:
        found = await connection.execute(select(table.c.dek_id).where(table.c.tenant == "acme"))
        return list(found.scalars())


async def test_the_seal_of_before_is_refused(world: World):
    """A database writer who puts the old seal back opens nothing, and doctor says which record it is."""
    [token] = await world.seal()
    mine = record.c.token == token
    seal = select(record.c.sealed, record.c.dek_id).where(mine)
    async with world.owner.connect() as connection:
        old = (await connection.execute(seal)).mappings().one()
    now = await one(world, select(db_clock()))
    await _reseal(world.settings, Asked("acme", None, "Meera Iyer", before=now))
    await world.erase(await world.seal())  # and with it the old DEKs go
    async with world.owner.connect() as connection:
        new = (await connection.execute(seal)).mappings().one()
    assert new["sealed"] != old["sealed"]
    async with world.owner.begin() as connection:
        await connection.execute(update(record).where(mine).values(**old))
    refused = await world.detokenize([token])
    assert (refused.status_code, refused.json()["code"]) == (409, "record_tampered")
    async with world.owner.begin() as connection:
        others = record.c.field_type == "person_name", record.c.token != token
        await connection.execute(record.delete().where(*others))
    said = await doctor(world)
    assert (said.state, token in said.says) == ("bad", True)
    async with world.owner.begin() as connection:
        await connection.execute(update(record).where(mine).values(**new))
    assert (await doctor(world)).state == "ok"


async def test_an_index_key_is_rotated_and_its_old_versions_retired(world: World):
    """Search finds every value before, during and after; retiring waits for the last old row, on record."""
    values = [f"asha{n}@example.in" for n in range(4)]

    async def found() -> list[int]:
        hits = []
        for value in values:
            answer = await world.post("/v1/search", {"type": "email", "value": value}, who="finder")
            assert answer.status_code == 200, answer.text
            hits.append(len(answer.json()["tokens"]))
        return hits

    assert (await world.tokenize([("email", value) for value in values])).status_code == 200
    job = Job(operator("acme", "Meera Iyer"), "keys", "", "change-118")
    async with operating("rotator", world.settings) as running:
        newest = await rotate(job, "email", running.transit, running.parts)
    assert (await world.tokenize([("email", values[0])])).status_code == 200
    assert await found() == [2, 1, 1, 1]
    async with operating("rotator", world.settings) as running:
        rows = Resealing(running.plane.data)
        with pytest.raises(Conflict, match="index_rows_left"):
            await retire(job, "email", running.transit, rows, running.parts, settle=0)
        written = await _reindex(world.settings, Asked("acme", "email", "Meera Iyer", "change-118"))
        assert (written.done, written.left, written.failed) == (4, 0, ())
        assert await found() == [2, 1, 1, 1]
        done = await retire(job, "email", running.transit, rows, running.parts, settle=0)
        assert (done.version, done.old_rows, done.rows) == (newest, 0, 5)
    assert await found() == [2, 1, 1, 1]
    assert await one(world, select(func.count()).where(blind_index.c.key_version < newest)) == 0
    told = (await world.events(verb="keys"))[0]
    assert (told["action"], told["key"], told["old_rows"]) == ("retired", "bidx-acme-email", 0)
