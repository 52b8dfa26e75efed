"""Rows 9, 10, 26: processes of the vault end, by order or by SIGKILL, in the middle of their work."""

import asyncio
import signal

from tests.campaign.fault import Scene
from tests.plugins.process import Served


async def told_to_end(scene: Scene) -> None:
    """SIGTERM under load: what was begun is answered and on record, the process ends with 0."""
    for process in _serving(scene):
        for _ in range(int(scene.held(long=3, short=1))):
            scene.begin()
            status = await asyncio.to_thread(process.end, signal.SIGTERM)
            assert status == 0, process.log.read_text()[-2000:]
            await process.start()
            scene.end()
            await scene.load.served(40)


async def killed(scene: Scene) -> None:
    """SIGKILL to the process of a plane; started again, nothing acknowledged is missing."""
    for process in _serving(scene):
        for _ in range(int(scene.held(long=3, short=1))):
            scene.begin()
            await asyncio.to_thread(process.end, signal.SIGKILL)
            await process.start()
            scene.end()
            await scene.load.served(40)


def _serving(scene: Scene) -> list[Served]:
    """The processes that seal and open, each once."""
    return list(dict.fromkeys(scene.rig.process_of(plane) for plane in ("ingest", "reveal")))


async def sequencer_killed(scene: Scene) -> None:
    """The sequencer is killed in its work and another takes over: serving goes on, the log has no gap."""
    process = scene.rig.process_of("sequencer")
    for _ in range(int(scene.held(long=5, short=1))):
        scene.begin()
        await asyncio.to_thread(process.end, signal.SIGKILL)
        await process.start()
        scene.end()
        await scene.load.served(40)
