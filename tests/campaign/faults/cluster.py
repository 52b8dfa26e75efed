"""Rows 13 to 15: three nodes of OpenBao lose the active one, a node that hangs, or their quorum."""

import asyncio
import signal
import time

from keys.errors import KeysError
from tests.campaign.fault import Scene
from tests.campaign.rig import Rig
from tests.plugins.cluster import Cluster, Node

PAYOUT, PAYOUT_SHORT, PER_CALL, AT_ONCE = 10_000, 1_000, 100, 4


async def active_killed_in_a_payout(scene: Scene) -> None:
    """A payout is under way when the active node dies: every token of it is opened."""
    bao = scene.rig.keyserver
    tokens = await _sealed(scene.rig, PAYOUT if scene.long else PAYOUT_SHORT)
    paying = asyncio.create_task(_paid(scene, tokens))
    await _going(scene, len(tokens) // PER_CALL // 4)
    node = await asyncio.to_thread(lambda: bao.active)
    scene.begin()
    node.send(signal.SIGKILL)
    scene.seen.append(f"a new active node after {await _elected(bao):.1f} s")
    scene.end()
    again = await paying
    calls = scene.ledger.of("payout")
    worst = max(call.took for call in calls)
    scene.seen.append(
        f"{len(tokens):,} paid in {len(calls)} calls, {again} of them repeats, worst {worst:.2f} s"
    )
    await _back(bao, node)


async def _sealed(rig: Rig, count: int) -> list[str]:
    """As many values of their own; they are waiting to be paid."""
    return [token for _ in range(count // 500) for token in await rig.seal(500)]


async def _paid(scene: Scene, tokens: list[str]) -> int:
    """Open them all, a hundred to a call, four calls at once; how many calls had to be repeated."""
    parts = [tokens[start : start + PER_CALL] for start in range(0, len(tokens), PER_CALL)]
    again = 0

    async def payer() -> None:
        nonlocal again
        while parts:
            part = parts.pop()
            while not await scene.load.pay(part, "payout"):
                again += 1
                await asyncio.sleep(0.1)

    async with asyncio.timeout(120):
        await asyncio.gather(*(payer() for _ in range(AT_ONCE)))
    return again


async def _going(scene: Scene, calls: int) -> None:
    async with asyncio.timeout(60):
        while len(scene.ledger.of("payout")) < calls:
            await asyncio.sleep(0.01)


async def active_stopped(scene: Scene) -> None:
    """The active node hangs (SIGSTOP) for fifteen seconds, and comes back."""
    bao = scene.rig.keyserver
    node = await asyncio.to_thread(lambda: bao.active)
    scene.begin()
    node.send(signal.SIGSTOP)
    await asyncio.sleep(scene.held(long=15, short=5))
    node.send(signal.SIGCONT)
    scene.end()
    await scene.load.served(100)
    await asyncio.to_thread(_voting, bao)


async def quorum_lost(scene: Scene) -> None:
    """Two of three nodes are gone: opening goes on where standbys read, a rotation fails cleanly."""
    bao = scene.rig.keyserver
    active = await asyncio.to_thread(lambda: bao.active)
    gone = [active, next(node for node in bao.nodes if node is not active)]
    left = next(node for node in bao.nodes if node not in gone)
    scene.begin()
    for node in gone:
        node.send(signal.SIGKILL)
    await asyncio.sleep(scene.held(long=10, short=3))
    scene.seen.append(f"rotating meanwhile: {await asyncio.to_thread(_rotation, bao, left)}")
    for node in gone:
        await asyncio.to_thread(node.start)
    await _elected(bao)
    scene.end()
    await scene.load.served(100)
    await asyncio.to_thread(_voting, bao)


async def rotated(scene: Scene) -> None:
    """The KEK is rotated again and again while standbys open what was wrapped just now: nobody notices."""
    bao = scene.rig.keyserver
    for _ in range(int(scene.held(long=10, short=3))):
        scene.begin()
        await asyncio.to_thread(bao.admin.post, "strongroom/keys/kek-acme/rotate")
        await scene.rig.seal(200)
        scene.end()
        await scene.load.served(40)


def _rotation(bao: Cluster, node: Node) -> str:
    try:
        node.admin(bao.root_token).post("strongroom/keys/kek-acme/rotate")
    except KeysError as error:
        return error.code
    return "done, though nobody could have agreed to it"


async def _elected(bao: Cluster) -> float:
    """Wait until a node is active; how long it took."""
    began = time.monotonic()
    async with asyncio.timeout(40):
        while not await asyncio.to_thread(_led, bao):
            await asyncio.sleep(0.05)
    return time.monotonic() - began


def _led(bao: Cluster) -> bool:
    return any(node.alive and node.status() == 200 for node in bao.nodes)


async def _back(bao: Cluster, node: Node) -> None:
    """The dead node joins the others again."""
    await asyncio.to_thread(bao.restart, node)
    await asyncio.to_thread(_voting, bao)


def _voting(bao: Cluster) -> None:
    for node in bao.nodes:
        bao.wait(node, {200, 429})
    bao.wait_voting()
