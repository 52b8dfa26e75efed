"""Rows 4 and 5: no room for data or for the write-ahead log, a disk that does not keep what it takes."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from tests.campaign.fault import Scene


async def data_full(scene: Scene) -> None:
    """No room for tables: the server stays up and writes fail; with room again all goes on."""
    await _filled(scene, scene.rig.postgres.folder)
    assert scene.rig.postgres.alive


async def wal_full(scene: Scene) -> None:
    """No room for the write-ahead log: the server gives up. With room again it is started by its operator."""
    await _filled(scene, (scene.rig.postgres.folder / "data" / "pg_wal").resolve())


async def _filled(scene: Scene, place: Path) -> None:
    filler = place / "filler"
    scene.begin()
    before = scene.ledger.refused
    _fill(filler)
    async with asyncio.timeout(60):
        while scene.ledger.refused < before + 10:
            _fill(filler)
            await asyncio.sleep(0.1)
    await asyncio.sleep(scene.held(long=8, short=2))
    filler.unlink()
    await _up_again(scene)
    scene.end()
    await scene.load.served(40)


def _fill(filler: Path) -> None:
    """Take what room there is."""
    left = os.statvfs(filler.parent)
    size = filler.stat().st_size if filler.exists() else 0
    with filler.open("ab") as file:
        try:
            file.write(bytes(left.f_bavail * left.f_frsize))
        except OSError:
            file.truncate(max(size, file.tell()))


async def _up_again(scene: Scene) -> None:
    """As its supervisor would: a server that is gone is started."""
    postgres = scene.rig.postgres
    await asyncio.sleep(0.5)
    if not postgres.alive:
        scene.seen.append("PostgreSQL ended by itself and was started again")
        await postgres.die(signal.SIGKILL)
    await postgres.start_again()


async def sync_fails(scene: Scene) -> None:
    """fsync answers EIO: PostgreSQL panics rather than say a commit is on disk. Needs root and strace."""
    postgres = scene.rig.postgres
    calls = "fsync,fdatasync"
    command = ["strace", "-f", "-qq", "-e", f"trace={calls}", "-e", f"inject={calls}:error=EIO"]
    command += ["-o", "/dev/null", "-p", str(postgres.pid), *_attached(postgres.pid)]
    scene.begin()
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await asyncio.sleep(scene.held(long=8, short=3))
    finally:
        tracer.send_signal(signal.SIGINT)
        await asyncio.to_thread(tracer.wait, 20)
    # What it still has in memory was never on the disk that failed: its operator starts it afresh.
    await postgres.die(signal.SIGKILL)
    await postgres.start_again()
    scene.end()
    panics = postgres.log.read_bytes().count(b"PANIC:")
    scene.seen.append(f"PostgreSQL panicked {panics} times")
    assert panics, "no fsync failed"
    await scene.load.served(40)


def _attached(parent: int) -> list[str]:
    """The processes there are already."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [part for child in children for part in ("-p", child)]
