"""A witness killed at any step never signs two histories, and never forgets what it signed."""

import subprocess
import sys

import pytest
from strongroom_audit.verifier.notes import read_key
from strongroom_witness.folder import Folder

from tests.fakes import mortal_witness
from tests.fakes.witnessed_log import WitnessedLog, cosigned_at, hash_of


@pytest.fixture
def log():
    return WitnessedLog(size=20)


@pytest.fixture
def folder(tmp_path, log):
    path = tmp_path / "w"
    Folder(path).create("witness.example/w1")
    Folder(path).state.trust(read_key(log.vkey))
    return path


def submit(folder, body, step="never"):
    """(status, body) of the answer; None when the witness was killed."""
    command = [sys.executable, mortal_witness.__file__, str(folder), step]
    done = subprocess.run(command, input=body, capture_output=True, timeout=60, check=False)
    if done.returncode == -9:
        assert done.stdout == b""
        return None
    assert (done.returncode, done.stderr) == (0, b"")
    status, _, answer = done.stdout.decode().partition("\n")
    return int(status), answer


@pytest.mark.parametrize("step", [one for one in mortal_witness.STEPS if one != "never"])
def test_killed_at_a_step(folder, log, step):
    """Whatever the moment of its death, afterwards one history can be cosigned, the other never both."""
    assert submit(folder, log.submission(0, 7))[0] == 200
    assert submit(folder, log.submission(7, 12), step) is None
    remembered = Folder(folder).state.logs()[log.origin]
    assert remembered.size in {7, 12}
    assert remembered.root == hash_of(log.leaves[: remembered.size])
    fork = log.forked(3)
    for old in (0, 7, 12):
        assert submit(folder, fork.submission(old, 12))[0] in {409, 422}
        assert submit(folder, fork.submission(old, 20))[0] in {409, 422}
    status, line = submit(folder, log.submission(remembered.size, 12))
    assert status == 200
    cosigned_at(Folder(folder).cosigner().vkey, log.text(12), line)


@pytest.mark.parametrize("step", ["committed", "sign", "signed"])
def test_nothing_is_signed_before_it_is_remembered(folder, log, step):
    """At the moment of signing the new checkpoint is on the disk already."""
    assert submit(folder, log.submission(0, 12), step) is None
    assert Folder(folder).state.logs()[log.origin].size == 12


@pytest.mark.parametrize("step", ["begin", "last", "remember", "commit"])
def test_what_was_not_committed_is_gone(folder, log, step):
    """Before the commit a death leaves the state as it was, and the next submission finds nothing locked."""
    assert submit(folder, log.submission(0, 12), step) is None
    assert Folder(folder).state.logs()[log.origin].size == 0
    assert submit(folder, log.forked(3).submission(0, 12))[0] == 200
    assert submit(folder, log.submission(0, 12)) == (409, "12\n")
