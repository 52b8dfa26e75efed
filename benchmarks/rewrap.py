"""How many DEKs a second a rotation rewraps, and what it leaves to those who are served meanwhile.

    python -m benchmarks.rewrap [--deks 200000] [--clients 8]

A PostgreSQL that syncs every commit and a real OpenBao with its audit file. First the key server alone
rewraps wrapped DEKs, four calls at a time, nothing read or written: what no rotation can beat. Then
`strongroom keys rotate`, a process of its own, rewraps as many as are in the keystore: unpaced, while nobody
is served; and at the pace it sets itself, while clients tokenize and detokenize without a breath.
The sequencer runs in the process that serves. The machine's load average is printed beside each.
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx

from benchmarks.retention import Load
from benchmarks.stage import vault
from keys.identity import read_identity
from keys.keystore import Keystore
from keys.ring import WrappedDek
from keys.transit import Transit
from tests.plugins.process import ROOT, Served
from tests.plugins.world import World
from vault.store.engine import open_database

SERVING = "ingest,reveal,control,audit,sequencer"
ALONE_SECONDS = 20
BARE = 40_000
AT_ONCE = 4 * 128
UNPACED = "1000000000"


def transit(world: World, name: str) -> Transit:
    """The key server as one identity."""
    settings = world.settings
    return Transit(settings.server, read_identity(settings.identity_file(name)), mount=settings.vault_mount)


async def fill(world: World, count: int) -> list[WrappedDek]:
    """So many DEKs in acme's keystore; the first of them, as they are stored."""
    ring, engine = transit(world, "ingest"), open_database(world.settings.keystore_url_of("ingest"))
    keystore, kept = Keystore(engine), list[WrappedDek]()
    for start in range(0, count, AT_ONCE * 4):
        fresh = {
            secrets.token_bytes(16): secrets.token_bytes(32) for _ in range(min(AT_ONCE * 4, count - start))
        }
        wrapped = await ring.wrap("acme", fresh)
        await keystore.insert("acme", wrapped, lease=10**9)
        kept += wrapped if len(kept) < BARE else []
    await keystore.close()
    await ring.aclose()
    return kept


async def bare(world: World, wrapped: list[WrappedDek]) -> float:
    """DEKs a second that the key server rewraps by itself."""
    ring, begun = transit(world, "rotator"), time.perf_counter()
    for start in range(0, len(wrapped), AT_ONCE):
        await ring.rewrap("acme", wrapped[start : start + AT_ONCE], at_least=1)
    took = time.perf_counter() - begun
    await ring.aclose()
    return len(wrapped) / took


async def rotate(world: World, *more: str) -> dict[str, Any]:
    """`strongroom keys rotate` as a process: its report."""
    told = {**world.environment(), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = ("-m", "vault.cli", "keys", "rotate", "--tenant", "acme", "--person", "Meera Iyer", "--json")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, *more, env=told, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    done: dict[str, Any] = json.loads(out)["tenants"][0]
    return done


def says(done: dict[str, Any]) -> str:
    rate = done["rewrapped"] / done["seconds"]
    return f"{done['rewrapped']:,} DEKs in {done['seconds']} s: {rate:,.0f}/s (load {os.getloadavg()[0]:.1f})"


async def measure(deks: int, clients: int) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-bench-")))
        world = await stack.enter_async_context(vault())
        served = Served(world.environment(), folder / "served", planes=SERVING)
        await served.start()  # a control plane vouches for which tenants there are
        stack.callback(served.end, signal.SIGTERM)
        wrapped = await fill(world, deks)
        print(
            f"bare transit: {await bare(world, wrapped):,.0f}/s (load {os.getloadavg()[0]:.1f})", flush=True
        )
        print(f"rotation, nobody served: {says(await rotate(world, '--rate', UNPACED))}", flush=True)
        world.client = await stack.enter_async_context(httpx.AsyncClient(base_url=served.url, timeout=60))
        await beside(world, Load(world, clients, 0.0))


async def beside(world: World, load: Load) -> None:
    await load.during(asyncio.sleep(3))  # a first breath is not counted
    _, alone = await load.during(asyncio.sleep(ALONE_SECONDS))
    print(f"serving alone:     {load.says(alone)}", flush=True)
    done, meanwhile = await load.during(rotate(world))
    print(f"serving meanwhile: {load.says(meanwhile)}; {meanwhile / alone:.0%} of alone")
    print(f"rotation beside:   {says(done)}", flush=True)
    _, after = await load.during(asyncio.sleep(ALONE_SECONDS))
    print(f"serving after:     {load.says(after)}; {meanwhile / after:.0%} of it were served meanwhile")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--deks", type=int, default=200_000)
    arguments.add_argument("--clients", type=int, default=8)
    given = arguments.parse_args()
    asyncio.run(measure(given.deks, given.clients))


if __name__ == "__main__":
    main()
