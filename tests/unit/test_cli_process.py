"""Claims about how a command ends: asked to, it tidies up once, and is not interrupted while it does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vault.cli.failures import CommandError
from vault.cli.home import Home, read_json, write_json
from vault.cli.process import Stopped, stoppable


def interrupted(number, tidied):
    """Work that a signal ends, and that is signalled again while it tidies up."""
    with stoppable():
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
            tidied.append(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_stops_and_a_second_one_does_not_disturb(number):
    """Ctrl-C, a service manager, a closed terminal: each stops it; a second one does no harm."""
    before = signal.getsignal(number)
    tidied = []
    with pytest.raises(Stopped):
        interrupted(number, tidied)
    assert tidied == [number]
    assert signal.getsignal(number) is before


def test_a_child_whose_parent_is_gone_does_not_start():
    """A process told of a parent that is not its own ends at once: the parent died before it could ask."""
    code = "from vault.cli.process import end_with; end_with(1 << 22); print('started')"
    root = str(Path(__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, capture_output=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, b"")


def test_two_development_vaults_do_not_share_a_folder(tmp_path):
    """A second `strongroom dev` in the same folder is refused while the first one runs."""
    home = Home(tmp_path)
    with home.locked(), pytest.raises(CommandError, match="another"), home.locked():
        pass
    with home.locked():
        pass


def test_settings_come_back_as_they_were_kept(tmp_path):
    """What `dev` writes down is what `doctor` reads: also values with an equals sign."""
    home = Home(tmp_path)
    assert home.kept_settings() == {}
    settings = {"STRONGROOM_A": "x=y", "STRONGROOM_B": "/a b"}
    home.keep_settings(settings)
    assert home.kept_settings() == settings
    assert home.settings.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("body", [b"", b"[]", b'{"a"', b"\xff"])
def test_a_damaged_file_of_ours_is_told(tmp_path, body):
    """A file cut short is named as damaged, not taken for an empty one."""
    file = tmp_path / "demo.json"
    assert read_json(file) == {}
    file.write_bytes(body)
    with pytest.raises(CommandError, match="damaged"):
        read_json(file)
    write_json(file, {"a": 1})
    assert read_json(file) == {"a": 1}
