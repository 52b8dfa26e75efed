"""Everything that runs while the hot path is measured, as processes of their own, and their names."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy import URL, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.by_hand.tables import metadata, open_engine
from benchmarks.hot.contenders import ByHand, Contender, Ours, Transit
from benchmarks.hot.fleet import Shape, serve, watched
from benchmarks.hot.usage import Watched
from benchmarks.stage import vault
from keys.devserver import RunningServer
from tests.plugins.process import ROOT
from tests.plugins.world import World
from vault.policy.load import DEFAULT

BY_HAND_WORKERS = 2
OTHERS = {"importer": ["tokenize"], "payouts": ["detokenize:payment"]}
"""Credentials of the tenant acme that stand beside `signup` and `payments` with the same rights."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Contenders that are ready to be sent requests, and the processes to be watched."""

    contenders: Mapping[str, Contender]
    watched: Watched
    shared: Mapping[int, Sequence[int]]
    """The ports between which requests to a port are shared, where several hosts serve its plane."""


@asynccontextmanager
async def stage(shape: Shape, **environment: str) -> AsyncIterator[Stage]:
    """Start everything, seed everyone, and stop it all at the end."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-hot-")))
        world = await stack.enter_async_context(vault(kind=shape.database))
        fleet = await serve(stack, world, folder, shape, environment)
        urls = fleet.urls()
        await _make_searchable(stack, world, urls["control"])
        for name, grants in OTHERS.items():
            await world.hire(name, grants)
        token = _transit_token(world.bao)
        by_hand, process = await _by_hand(stack, world, token, folder)
        contenders = (Ours(urls, world.secrets), by_hand, Transit(world.bao.addr, token))
        for one in contenders:
            await one.seed()
        everyone = watched(world, fleet, **{"by hand": process.pid})
        yield Stage({one.name: one for one in contenders}, everyone, fleet.shared())


async def _make_searchable(stack: AsyncExitStack, world: World, control: str) -> None:
    """Tenant globex finds tax numbers by value."""
    world.client = await stack.enter_async_context(httpx.AsyncClient(base_url=control, timeout=30))
    opened = DEFAULT.read_text().replace("searchable = []", 'searchable = ["pan"]')
    done = await world.ordered("/v1/policy/apply", {"toml": opened}, tenant="globex")
    assert done.status_code == 200, done.text


def _transit_token(bao: RunningServer) -> str:
    """A token that may encrypt and decrypt under one key, and that key."""
    bao.admin.post("strongroom/keys/by-hand", {"type": "aes256-gcm96"})
    paths = [
        f'path "strongroom/{verb}/by-hand" {{ capabilities = ["update"] }}' for verb in ("encrypt", "decrypt")
    ]
    bao.admin.post("sys/policies/acl/by-hand", {"policy": "\n".join(paths)})
    made = bao.admin.post("auth/token/create", {"policies": ["by-hand"], "no_parent": True, "ttl": "24h"})
    return str(made["auth"]["client_token"])


async def _by_hand(
    stack: AsyncExitStack, world: World, token: str, folder: Path
) -> tuple[ByHand, subprocess.Popen[bytes]]:
    """The service written by hand, with a database of its own on the same server."""
    database = await _database(world, folder)
    engine = open_engine(database, 1)
    metadata.create_all(engine)
    engine.dispose()
    key, port = secrets.token_urlsafe(24), _free_port()
    told = {"BY_HAND_DATABASE": database, "BY_HAND_VAULT": world.bao.addr, "BY_HAND_VAULT_TOKEN": token}
    told |= {"BY_HAND_API_KEY": key, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    if "BY_HAND_THREADS" in os.environ:
        told["BY_HAND_THREADS"] = os.environ["BY_HAND_THREADS"]
    process = _granian(port, told, folder / "by-hand.log")
    stack.callback(process.wait, 20)
    stack.callback(process.terminate)
    url = f"http://127.0.0.1:{port}"
    await _until_answers(f"{url}/openapi.json", process, folder / "by-hand.log")
    return ByHand(url, key), process


def _granian(port: int, told: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--loop", "uvloop"]
    command += ["--port", str(port), "--workers", str(BY_HAND_WORKERS), "benchmarks.by_hand.service:app"]
    with log.open("ab") as said:
        return subprocess.Popen(command, env=told, stdout=said, stderr=said)


async def _database(world: World, folder: Path) -> str:
    if world.databases.kind == "sqlite":
        return f"sqlite:///{folder / 'by-hand.db'}"
    owner = make_url(world.databases.data_url)
    engine = create_async_engine(owner, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("CREATE DATABASE by_hand"))
    await engine.dispose()
    mine: URL = owner.set(drivername="postgresql+psycopg", database="by_hand")
    return mine.render_as_string(hide_password=False)


async def _until_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        while True:
            assert process.poll() is None, f"it did not start: {log}"
            try:
                (await client.get(url)).raise_for_status()
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
            else:
                return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
