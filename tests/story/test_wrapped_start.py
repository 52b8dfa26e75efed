"""A service whose secret id comes wrapped: opened once for all its workers, and nowhere but in memory."""

import os
import signal
import ssl
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from keys.errors import Misconfigured, SecretIdStolen
from keys.identity import write_identity
from keys.logins import issue_identity
from keys.methods import WrappedAppRole
from keys.plan import Plan
from tests.plugins.waiting import until
from tests.story.test_serve import Plane, certificate
from vault import metrics
from vault.identities import opened
from vault.settings import Settings

SERVING = b'"event":"serving"'


def workers(parent: int) -> list[int]:
    """The processes that `parent` started and that run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def shown(process: int) -> bytes:
    """What any other program of this user can see of a process."""
    return b"".join((Path("/proc") / str(process) / name).read_bytes() for name in ("cmdline", "environ"))


async def test_a_wrapped_secret_id_serves_all_workers_once(databank, bao, provisioned, tmp_path):
    """Two workers, and one respawned after a kill, log in with what their parent unwrapped; nothing shows it.
    A restart asks for a fresh wrapping; an opened one is theft: an alarm, and no start."""
    databases = await databank("postgresql")
    settings = Settings(
        data_url=databases.data_url,
        plane_urls=databases.plane_urls,
        vault_addr=bao.addr,
        identities=tmp_path,
    )
    identity = issue_identity(bao.admin, "control", Plan(wrap_ttl=300))
    assert isinstance(identity, WrappedAppRole)
    file = tmp_path / "control.json"
    write_identity(file, identity)
    handed_over = file.read_bytes()
    log, seen = await served_by_three(settings, tmp_path)
    assert log.count(b'"event":"secret_id_unwrapped"') == 1
    for place in (log, file.read_bytes(), *seen, bao.audit_log.read_bytes()):
        assert identity.wrapped_secret_id.encode() not in place
    assert b'secret_id"' not in log + file.read_bytes()

    with pytest.raises(Misconfigured, match="hand over a fresh one"):
        opened(settings, ["control"])
    file.write_bytes(handed_over)
    alarms = metrics.alarms.labels("secret_id_stolen")
    before = alarms._value.get()
    with pytest.raises(SecretIdStolen):
        opened(settings, ["control"])
    assert alarms._value.get() == before + 1
    assert file.read_bytes() == handed_over


async def served_by_three(settings: Settings, folder: Path) -> tuple[bytes, list[bytes]]:
    """Two workers serve, one is killed, a third takes its place; the log, and what the processes showed."""
    pem, _ = certificate(folder)
    plane = Plane("control", SimpleNamespace(settings=settings), folder, "--workers", "2")
    try:
        async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(pem))) as client:
            await plane.ready(client)
        await until(lambda: plane.log.read_bytes().count(SERVING) == 2, seconds=60)
        seen = [shown(one) for one in (plane.process.pid, *workers(plane.process.pid))]
        os.kill(workers(plane.process.pid)[-1], signal.SIGKILL)
        await until(lambda: plane.log.read_bytes().count(SERVING) == 3, seconds=60)
    finally:
        plane.process.terminate()
        plane.process.wait(30)
    return plane.log.read_bytes(), seen
