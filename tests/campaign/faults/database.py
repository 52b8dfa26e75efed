"""Rows 1 to 3, 6 to 8: PostgreSQL is killed, slow, or not heard."""

import asyncio
import signal

from sqlalchemy import text

from tests.campaign.fault import Scene
from tests.fakes.proxy import Mode


async def killed(scene: Scene) -> None:
    """SIGKILL to every process of the server at once, again and again."""
    for _ in range(int(scene.held(long=10, short=2))):
        await _down(scene, signal.SIGKILL)


async def quit_at_once(scene: Scene) -> None:
    """SIGQUIT: immediate shutdown, without a checkpoint."""
    for _ in range(int(scene.held(long=5, short=1))):
        await _down(scene, signal.SIGQUIT)


async def _down(scene: Scene, how: signal.Signals) -> None:
    postgres = scene.rig.postgres
    scene.begin()
    await postgres.die(how)
    await postgres.start_again()
    scene.end()
    await scene.load.served(40)


async def slow(scene: Scene) -> None:
    """Every answer two seconds late: each request ends in time, the queue and memory stay as they were."""
    before = sum(one.memory() for one in scene.rig.served.values())
    scene.rig.database.seconds = 2.0
    await _astray(scene, "delay", seconds=scene.held(long=20, short=4))
    grown = sum(one.memory() for one in scene.rig.served.values()) - before
    scene.seen.append(f"memory of all processes grew by {grown / 2**20:.0f} MiB")
    assert grown < 64 * 2**20, grown


async def lost_commits(scene: Scene) -> None:
    """One COMMIT in five arrives and is not answered: its outcome is unknown until its key is asked again."""
    await _astray(scene, "lose_reply", seconds=scene.held(long=15, short=3), trigger=b"COMMIT", share=0.2)


async def failed_commits(scene: Scene) -> None:
    """One COMMIT in five never arrives, then each hangs: refused, and nothing is unwrapped."""
    await _astray(scene, "reset", seconds=scene.held(long=10, short=2), trigger=b"COMMIT", share=0.2)
    await _astray(scene, "blackhole", seconds=scene.held(long=6, short=3), trigger=b"COMMIT")


async def events_refused(scene: Scene) -> None:
    """No event can be written: nothing is opened, nothing is sealed, until it can."""
    planes = "strongroom_reveal, strongroom_ingest"
    scene.begin()
    async with scene.rig.owner.begin() as connection:
        await connection.execute(text(f"REVOKE INSERT ON event FROM {planes}"))
    await asyncio.sleep(scene.held(long=5, short=1.5))
    async with scene.rig.owner.begin() as connection:
        await connection.execute(text(f"GRANT INSERT ON event TO {planes}"))
    scene.end()


async def _astray(
    scene: Scene, mode: Mode, *, seconds: float, trigger: bytes = b"", share: float = 1.0
) -> None:
    proxy = scene.rig.database
    scene.begin()
    proxy.trigger, proxy.share, proxy.mode = trigger, share, mode
    await asyncio.sleep(seconds)
    proxy.mode, proxy.trigger, proxy.share = "ok", b"", 1.0
    scene.end()
    assert proxy.struck
    await scene.load.served(40)
