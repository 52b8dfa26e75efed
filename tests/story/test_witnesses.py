"""The vault and a real witness process: checkpoints come back cosigned, and a changed history does not."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from strongroom_audit.verifier.notes import read_key as read_audit_key
from strongroom_audit.verifier.notes import read_note as read_audit_note
from strongroom_audit.verifier.notes import signed_by
from strongroom_witness.folder import Folder

from tests.fakes.witnessed_log import cosigned_at
from tests.plugins.service import Founder
from tests.plugins.waiting import until
from tests.plugins.witness import Process
from tests.plugins.world import BANK, World
from vault.log.checkpoints import read_signed
from vault.model.names import read_id
from vault.sequencer import RunningSequencer, build_sequencer

NAME = "witness.example/w1"


@dataclass
class Witness:
    """A witness process that trusts a world's log."""

    folder: Path
    process: Process

    @property
    def vkey(self) -> str:
        return Folder(self.folder).cosigner().vkey

    @property
    def setting(self) -> str:
        return f"{self.vkey}@http://127.0.0.1:{self.process.port}#acme"

    @property
    def log(self):
        return Folder(self.folder).state.logs()["strongroom.local/acme"]


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    folder = tmp_path / "witness"
    Folder(folder).create(NAME)
    made = Witness(folder, Process(folder))
    yield made
    if made.process.process.poll() is None:  # a test may have put another one in its place
        made.process.end()


@asynccontextmanager
async def sequencer(world: World, folder: Path, witnesses: str) -> AsyncIterator[RunningSequencer]:
    running = build_sequencer(replace(world.settings, sequencer_state=folder, witnesses=witnesses))
    try:
        await running.prepare()
        yield running
    finally:
        await running.stop()


async def trust(world: World, witness: Witness) -> None:
    keys = (await world.client.get("/v1/log/acme/keys")).json()
    for text in keys["log"]:
        Folder(witness.folder).state.trust(read_audit_key(text))


async def grow(world: World, running: RunningSequencer, *, events: int = 3) -> int:
    """Write events, number and sign them; the size signed."""
    assert (await world.tokenize([("bank_account", BANK)] * events)).status_code == 200
    while await running.sequencer.step(sign=True):
        pass
    return running.sequencer.signed()["acme"].size


async def checkpoint(world: World) -> str:
    answer = await world.client.get("/v1/log/acme/checkpoint")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_checkpoints_come_back_cosigned(
    found_world: Founder, witness: Witness, tmp_path: Path, kind: str
):
    """What the vault serves carries the cosignature, which verifies from the page and by the tools."""
    world = await found_world(kind)
    await trust(world, witness)
    async with sequencer(world, tmp_path / "state", witness.setting) as running:
        for _ in range(3):
            size = await grow(world, running)
            await running.witnesses.witnessing.step()
            note = await checkpoint(world)
            head, signed = read_signed(note)
            assert (head.size, witness.log.size) == (size, size)
            assert cosigned_at(witness.vkey, signed.text, note) > 1_700_000_000
            keys = [read_audit_key((await world.client.get("/v1/log/acme/keys")).json()["log"][0])]
            known = [*keys, read_audit_key(witness.vkey)]
            assert signed_by(read_audit_note(note), known) == ["strongroom.local/acme", NAME]
        assert await running.witnesses.lag.look() == {NAME: 0.0}
        event_id = (await world.events(verb="tokenize"))[-1]["event_id"]
        assert len(read_id("evt", event_id)) == 16
        proof = (await world.client.get(f"/v1/log/acme/proof/{event_id}")).text
        assert cosigned_at(witness.vkey, signed.text, proof)


async def test_witness_down_stops_nothing(found_world: Founder, witness: Witness, tmp_path: Path):
    """Without its witness the log goes on and readiness tells how far it is behind; then it catches up."""
    world = await found_world("sqlite")
    await trust(world, witness)
    setting = witness.setting
    witness.process.end(signal.SIGKILL)
    async with sequencer(world, tmp_path / "state", setting) as running:
        size = await grow(world, running)
        await running.witnesses.witnessing.step()
        assert NAME not in await checkpoint(world)
        await asyncio.sleep(1.1)
        assert (await running.witnesses.lag.look())[NAME] > 1
        client = await world.worker(["audit"], witnesses=setting)
        assert await seconds_behind(client) > 0
        witness.process = Process(witness.folder, port=witness.process.port)
        await until(lambda: caught_up(running, witness, size))
        assert NAME in await checkpoint(world)


async def caught_up(running: RunningSequencer, witness: Witness, size: int) -> bool:
    """Whether the witness has what is signed, after one more round."""
    await running.witnesses.witnessing.step()
    return witness.log.size == size


async def seconds_behind(client) -> int:
    """What /readyz says; it stays 200 whatever the witness does."""
    for _ in range(50):
        answer = await client.get("/readyz")
        assert answer.status_code == 200
        told = answer.json().get("witnesses", {}).get(NAME, {}).get("seconds_behind", 0)
        if told:
            return told
        await asyncio.sleep(0.2)
    return 0


async def test_loop_submits_by_itself(found_world: Founder, witness: Witness, tmp_path: Path):
    """The running sequencer's own task keeps the witness up to date."""
    world = await found_world("sqlite")
    await trust(world, witness)
    async with sequencer(world, tmp_path / "state", witness.setting) as running:
        await running.start()
        assert (await world.tokenize([("bank_account", BANK)])).status_code == 200
        await until(lambda: is_cosigned(world))


async def is_cosigned(world: World) -> bool:
    """Whether what the vault serves carries the witness's name."""
    return NAME in (await world.client.get("/v1/log/acme/checkpoint")).text


async def test_rewritten_log_is_refused_aloud(found_world: Founder, witness: Witness, tmp_path: Path):
    """Who rewrites cosigned events and makes the vault forget that it signed is told on by the witness."""
    world = await found_world("sqlite")
    await trust(world, witness)
    async with sequencer(world, tmp_path / "state", witness.setting) as running:
        size = await grow(world, running, events=5)
        await running.witnesses.witnessing.step()
        honest = witness.log
        assert honest.size == size
    async with world.owner.begin() as connection:
        for table in ("leaf", "node", "checkpoint", "cosignature"):
            await connection.exec_driver_sql(f"DELETE FROM {table}")
        oldest = "SELECT min(list_id) FROM signed_list WHERE tenant = 'acme'"
        await connection.exec_driver_sql(f"DELETE FROM signed_list WHERE list_id = ({oldest})")
    async with sequencer(world, tmp_path / "other", witness.setting) as running:
        assert await grow(world, running, events=size) > size
        await running.witnesses.witnessing.step()
        assert NAME not in await checkpoint(world)
        assert (await running.witnesses.lag.look())[NAME] >= 0
    witness.process.end()
    said = "".join(witness.process.said)
    assert "ALARM: HISTORY CHANGED: strongroom.local/acme" in said or "refused: strongroom.local/acme" in said
    assert witness.log.root == honest.root
