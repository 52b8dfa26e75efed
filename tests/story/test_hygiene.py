"""A real process that serves: what of its secrets the machine can see."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.process import ROOT, Served
from tests.plugins.service import PASSWORDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def family(pid: int) -> list[Path]:
    """A process and those it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{pid}"), *(one for child in children for one in family(int(child)))]


async def test_password_is_nowhere_in_proc(found_world, tmp_path: Path):
    """A password in a URL of the environment serves, and is in no environment and no argument."""
    world = await found_world("postgresql")
    told = world.settings
    environment = {
        "STRONGROOM_DATA_URL": told.plane_urls["audit_data_url"],
        "STRONGROOM_VAULT_ADDR": told.vault_addr,
        "STRONGROOM_IDENTITIES": str(told.identities),
    }
    async with Served(environment, tmp_path / "log", planes="audit") as served:
        assert served._process is not None
        seen = family(served._process.pid)
        assert len(seen) > 1
        for process in seen:
            shown = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            assert PASSWORDS["strongroom_audit"].encode() not in shown
            assert b"STRONGROOM_VAULT_ADDR" in shown or b"multiprocessing" in shown
            (core,) = [line for line in (process / "limits").read_text().splitlines() if "core file" in line]
            assert core.split()[4:6] == ["0", "0"]
    assert PASSWORDS["strongroom_audit"] not in (tmp_path / "log").read_text()


def test_every_command_is_hardened_first(tmp_path: Path):
    """Any command, before it does anything: no core dumps, not dumpable, files for their owner alone."""
    code = (
        "import ctypes, os, resource, sys; sys.argv = ['strongroom', 'fields']\n"
        "from vault.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)\n"
        "assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0 and os.umask(0) == 0o077\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
