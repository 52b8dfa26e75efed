"""`strongroom sequence` as operators run it: once, for good, and to see how the logs are."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.plugins.world import BANK, World
from vault.store import schema


def environment(world: World, folder: Path) -> dict[str, str]:
    told = world.settings
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")},
        "STRONGROOM_DATA_URL": told.data_url_of("sequencer"),
        "STRONGROOM_VAULT_ADDR": told.vault_addr,
        "STRONGROOM_IDENTITIES": str(told.identities),
        "STRONGROOM_SEQUENCER_STATE": str(folder),
    }


async def sequence(world: World, folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "vault.cli", "sequence", *options]
    return await asyncio.to_thread(
        subprocess.run,
        command,
        env=environment(world, folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_once_and_status(found_world, tmp_path: Path, kind: str):
    """--once signs all there is; --status tells it, and ends with 1 when a list is refused."""
    world = await found_world(kind)
    await world.tokenize([("bank_account", BANK)] * 5)
    done = await sequence(world, tmp_path / "state", "--once")
    assert done.returncode == 0, done.stderr
    assert (await world.client.get("/v1/log/acme/checkpoint")).status_code == 200
    told = await sequence(world, tmp_path / "state", "--status", "--json")
    logs = {one["tenant"]: one for one in json.loads(told.stdout)["logs"]}
    assert told.returncode == 0
    assert (set(logs), logs["acme"]["waiting_events"]) == ({"acme", "globex"}, 0)
    assert logs["acme"]["signed"] == logs["acme"]["size"] >= 5
    await world.tokenize([("bank_account", BANK)])
    async with world.owner.begin() as connection:
        newest = schema.event.c.event_id > bytes(16)
        await connection.execute(update(schema.event).where(newest).values(commitment=bytes(32)))
    told = await sequence(world, tmp_path / "state", "--status")
    assert told.returncode == 1
    assert "signature does not hold" in told.stdout


async def test_runs_until_told_to_stop(found_world, tmp_path: Path):
    """The process numbers what comes in, ends with 0 on SIGTERM, and gives its lease back."""
    world = await found_world("sqlite")
    command = [sys.executable, "-m", "vault.cli", "sequence"]
    process = subprocess.Popen(command, env=environment(world, tmp_path / "state"), stderr=subprocess.PIPE)
    try:
        receipt = (await world.tokenize([("bank_account", BANK)])).json()["items"][0]["receipt"]
        assert receipt
        async with asyncio.timeout(60):
            while (await world.client.get("/v1/log/acme/checkpoint")).status_code != 200:
                await asyncio.sleep(0.1)
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.to_thread(process.communicate, None, 20)
    assert process.returncode == 0, said
    async with world.owner.connect() as connection:
        lease = (await connection.execute(schema.sequencer_lease.select())).one()
    assert lease.until <= time.time_ns() // 1000


async def test_without_a_state_folder_it_does_not_start(found_world, tmp_path: Path):
    """On PostgreSQL the folder must be named; one that cannot be written is said to be so."""
    world = await found_world("postgresql")
    told = environment(world, tmp_path)
    del told["STRONGROOM_SEQUENCER_STATE"]
    command = [sys.executable, "-m", "vault.cli", "sequence", "--once"]
    done = await asyncio.to_thread(
        subprocess.run, command, env=told, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "STRONGROOM_SEQUENCER_STATE is missing" in done.stderr) == (2, True)
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = await sequence(world, blocked / "state", "--once")
    assert (done.returncode, "STRONGROOM_SEQUENCER_STATE cannot be written" in done.stderr) == (2, True)
