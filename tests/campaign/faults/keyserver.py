"""Rows 11, 12, 16 to 20: the key server dies, is sealed, refuses, cannot log, or lies."""

import asyncio
import json
import signal
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import text

from keys.policies import policy
from tests.campaign.fault import Scene
from tests.campaign.ledger import DEADLINE
from tests.campaign.rig import Rig


async def killed(scene: Scene) -> None:
    """Killed and started again: sealing goes on from the pool, opening is refused and recovers."""
    bao = scene.rig.keyserver
    for _ in range(int(scene.held(long=5, short=1))):
        scene.begin()
        bao.nodes[0].send(signal.SIGKILL)
        await asyncio.to_thread(bao.restart, bao.nodes[0])
        scene.end()
        await scene.load.served(40)


async def sealed(scene: Scene) -> None:
    """Sealed for a minute: reveal is not ready, opening refused; unsealed, all goes on without a restart."""
    bao = scene.rig.keyserver
    scene.begin()
    await asyncio.to_thread(bao.seal)
    await scene.ready("reveal", 503)
    await asyncio.sleep(scene.held(long=60, short=4))
    assert bao.nodes[0].status() == 503
    await asyncio.to_thread(bao.unseal)
    scene.end()
    await scene.ready("reveal", 200)
    await scene.load.served(40)


async def revoked(scene: Scene) -> None:
    """Every token revoked in the middle of the work: each identity logs in again once."""
    before = await asyncio.to_thread(logins, scene)
    for _ in range(times := int(scene.held(long=3, short=1))):
        scene.begin()
        await asyncio.to_thread(scene.rig.keyserver.admin.post, "sys/leases/revoke-prefix/auth/approle/login")
        scene.end()
        # A refusal may ask for one login of an identity in five seconds.
        await asyncio.sleep(scene.held(long=6, short=0))
        await scene.load.served(40)
    made = await asyncio.to_thread(logins, scene) - before
    scene.seen.append(f"{made} logins for {times} revocations of the tokens of six identities")
    assert made <= 6 * times, made


async def policy_removed(scene: Scene) -> None:
    """Reveal's policy taken away: refused at once, as a fault of configuration, without a storm of logins."""
    admin = scene.rig.keyserver.admin
    before = await asyncio.to_thread(logins, scene)
    scene.begin()
    await asyncio.to_thread(admin.delete, "sys/policies/acl/strongroom-reveal")
    await asyncio.sleep(scene.held(long=10, short=3))
    assert await scene.rig.ready("reveal") == 503
    told = {"policy": policy("reveal", "strongroom")}
    await asyncio.to_thread(admin.post, "sys/policies/acl/strongroom-reveal", told)
    scene.end()
    made = await asyncio.to_thread(logins, scene) - before
    scene.seen.append(f"{made} logins meanwhile")
    assert made <= 2, made
    await scene.load.served(40)


async def audit_full(scene: Scene) -> None:
    """Its audit device has no room left: it answers nobody though its health is good; readiness tells."""
    node = scene.rig.keyserver.nodes[0]
    log = node.folder / "audit.log"
    kept = log.with_name(f"audit.{len(list(node.folder.iterdir()))}.log")
    await asyncio.to_thread(_reopened, scene, log, kept, Path("/dev/full"))
    scene.begin()
    await scene.ready("reveal", 503)
    assert node.status() == 200, "its own health notices nothing"
    await asyncio.sleep(scene.held(long=10, short=2))
    log.unlink()
    node.send(signal.SIGHUP)
    scene.end()
    await scene.ready("reveal", 200)
    await scene.load.served(40)


def _reopened(scene: Scene, log: Path, kept: Path, place: Path) -> None:
    log.rename(kept)
    log.symlink_to(place)
    scene.rig.read_up_to[kept] = scene.rig.read_up_to.pop(log, 0)
    scene.rig.keyserver.nodes[0].send(signal.SIGHUP)


async def lying(scene: Scene) -> None:
    """It answers 429, 500, half an answer, byte by byte, and what is no JSON: typed refusals in time."""
    proxy = scene.rig.keys
    assert proxy is not None
    for answer in (_answer(429), _answer(500), _answer(200), _answer(200, b"<html>"), b"HTTP/1.1 200 OK\r\n"):
        scene.begin()
        proxy.answer, proxy.trigger, proxy.mode = answer, b"/decrypt/", "answer"
        await asyncio.sleep(scene.held(long=4, short=1))
        proxy.mode = "drip"
        await asyncio.sleep(scene.held(long=4, short=0))
        proxy.mode, proxy.trigger = "ok", b""
        scene.end()
        await scene.load.served(20)


def _answer(status: int, body: bytes = b'{"errors":[]}') -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        status, len(body), body,
    )  # fmt: skip


async def hung(scene: Scene) -> None:
    """It takes requests and answers none: each caller hears within the deadline."""
    proxy = scene.rig.keys
    assert proxy is not None
    scene.begin()
    proxy.mode = "blackhole"
    await asyncio.sleep(scene.held(long=15, short=DEADLINE + 1))
    proxy.mode = "ok"
    scene.end()
    await scene.load.served(40)


async def one_key_spoilt(scene: Scene) -> None:
    """One wrapped DEK among many is another's: its item is refused, its neighbours open, nothing is told."""
    rig = scene.rig
    tokens = await rig.seal(20)
    scene.begin()
    await _swap(rig, tokens[:2])
    answer = await rig.detokenize(tokens, mode="each")
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert [item["problem"]["code"] for item in items[:2]] == ["record_tampered"] * 2, items[:2]
    assert all(
        item["value"] == rig.journal.values[token] for item, token in zip(items[2:], tokens[2:], strict=True)
    )
    whole = await rig.detokenize(tokens)
    assert whole.status_code == 409
    assert rig.marker not in whole.text
    await _swap(rig, tokens[:2])
    scene.end()


async def _swap(rig: Rig, tokens: Sequence[str]) -> None:
    """Exchange two wrapped DEKs by hand."""
    async with rig.owner.connect() as connection:
        query = text("SELECT dek_id FROM record WHERE token = ANY(:tokens)")
        one, other = [row[0] for row in await connection.execute(query, {"tokens": list(tokens)})]
    swap = text(
        "UPDATE dek SET wrapped = there.wrapped FROM dek there WHERE dek.tenant = there.tenant"
        " AND dek.dek_id IN (:one, :other) AND there.dek_id IN (:one, :other) AND dek.dek_id <> there.dek_id"
    )
    async with rig.keystore_owner.begin() as connection:
        await connection.execute(swap, {"one": one, "other": other})


def logins(scene: Scene) -> int:
    """How many logins the key server's own log has seen in all its life."""
    logs = [log for log in scene.rig.keyserver.folder.rglob("audit*.log") if not log.is_symlink()]
    return sum(_login(line) for log in logs for line in log.read_bytes().splitlines())


def _login(line: bytes) -> bool:
    if b'"path":"auth/approle/login"' not in line or b'"type":"response"' not in line:
        return False
    return "error" not in json.loads(line)
