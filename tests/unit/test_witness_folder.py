"""The witness's folder: made once, guarded, and refused when anything of it is missing."""

import io
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, redirect_stderr, redirect_stdout

import pytest
from strongroom_audit.verifier.notes import COSIGNATURE, read_key
from strongroom_witness.cli import main
from strongroom_witness.cosigner import new_cosigner, read_cosigner
from strongroom_witness.faults import Malformed, Unusable
from strongroom_witness.folder import Folder

from tests.fakes.witnessed_log import WitnessedLog

NAME = "witness.example/w1"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "w"
    Folder(path).create(NAME)
    return path


def run(*arguments):
    """(exit code, standard output, standard error) of a command."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    return ended.value.code or 0, out.getvalue(), err.getvalue()


def test_init_makes_a_private_folder(tmp_path):
    """Key and state are for the owner alone, and the printed vkey is the key's."""
    code, out, _ = run("init", "--name", NAME, tmp_path / "w")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "w").iterdir()}
    assert modes == {"key": 0o600, "state.sqlite": 0o600}
    key = read_key(out.strip())
    assert (code, key.name, key.kind) == (0, NAME, COSIGNATURE)
    assert Folder(tmp_path / "w").cosigner().vkey == out.strip()


def test_init_never_replaces_a_witness(folder):
    """A second init leaves key and state as they are."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, _, err = run("init", "--name", NAME, folder)
    assert (code, {path.name: path.read_bytes() for path in folder.iterdir()}) == (16, before)
    assert "not empty" in err


@pytest.mark.parametrize("name", ["", "has space", "has+plus", "Upper", "\u0440", "a\nb", "x" * 200, "-a"])
def test_bad_names(tmp_path, name):
    """A name that could be misread in a note is refused, and nothing is made."""
    assert run("init", f"--name={name}", tmp_path / "w")[0] == 15
    assert not (tmp_path / "w").exists()


def test_state_that_is_gone_is_not_begun_anew(folder):
    """Without its state the witness has forgotten what it signed, and does not serve."""
    (folder / "state.sqlite").unlink()
    code, _, err = run("serve", folder)
    assert code == 16
    assert "witness unusable" in err
    assert not (folder / "state.sqlite").exists()


def test_state_of_something_else(folder):
    """Any other database in its place is refused."""
    (folder / "state.sqlite").unlink()
    with closing(sqlite3.connect(folder / "state.sqlite")) as connection:
        connection.execute("CREATE TABLE log (a)")
    assert run("serve", folder)[0] == 16
    (folder / "state.sqlite").write_bytes(b"not a database, and long enough to be looked at" * 100)
    assert run("status", folder)[0] == 16


def test_open_key_is_refused(folder):
    """A key that others may read is no secret: the witness does not use it."""
    (folder / "key").chmod(0o640)
    code, _, err = run("serve", folder)
    assert (code, "chmod 600" in err) == (16, True)


def test_no_witness(tmp_path):
    """A folder that is none says how to make one."""
    code, _, err = run("status", tmp_path)
    assert (code, "strongroom-witness init" in err) == (16, True)


def test_key_file_there_and_back():
    """A key is read as it was written; any other spelling is refused, and not quoted."""
    cosigner = new_cosigner(NAME)
    assert read_cosigner(cosigner.text).text == cosigner.text
    secret = cosigner.text.split("+", 4)[4]  # may hold a + itself: it is base64
    for broken in (cosigner.text[:-1], cosigner.text.replace(NAME, "w2"), f"x{cosigner.text}", "", secret):
        with pytest.raises(Malformed) as refused:
            read_cosigner(broken)
        assert secret[:8] not in str(refused.value)
    assert secret not in repr(cosigner)


def test_trust_takes_a_logs_key_only(folder):
    """A witness's own kind of key, and a mistyped one, are refused."""
    log = WitnessedLog()
    assert run("trust", folder, log.vkey)[0] == 0
    assert run("trust", folder, log.vkey)[0] == 0
    assert run("trust", folder, new_cosigner("other.example/w").vkey)[0] == 15
    assert run("trust", folder, log.vkey.replace("acme", "acne"))[0] == 15
    assert list(Folder(folder).state.logs()) == [log.origin]


def test_status_says_what_is_known(folder):
    """Status shows key, logs and sizes, exits 0, and says which log nobody trusts any more."""
    log = WitnessedLog(size=1234)
    run("trust", folder, log.vkey)
    assert "log.example/acme: nothing cosigned yet" in run("status", folder)[1]
    Folder(folder).witness(lambda: 1_800_000_000, print).add_checkpoint(log.submission(0, 1234))
    code, out, _ = run("status", folder)
    assert (code, "1,234 events, cosigned 2027-01-15 08:00:00 UTC" in out) == (0, True)
    run("distrust", folder, log.vkey)
    assert "no key trusted" in run("status", folder)[1]


def test_status_exits_11_while_there_is_an_alarm(folder):
    """A scheduled `status` tells a fork by its exit code until a human has taken the evidence away."""
    log = WitnessedLog(size=12)
    run("trust", folder, log.vkey)
    witness = Folder(folder).witness(lambda: 1_800_000_000, lambda _: None)
    witness.add_checkpoint(log.submission(0, 12))
    witness.add_checkpoint(log.forked(3).submission(0, 12))
    code, out, err = run("status", folder)
    assert code == 11
    assert "ALARM: 2027-01-15T08:00:00+00:00 HISTORY CHANGED: log.example/acme: two roots at size 12" in out
    assert "history changed" in err
    (folder / "ALARM").rename(folder / "evidence.txt")
    assert run("status", folder)[0] == 0


def test_what_cannot_be_remembered_is_not_signed(folder):
    """When the state cannot be written the witness fails, and signs nothing."""
    log = WitnessedLog(size=3)
    run("trust", folder, log.vkey)
    witness = Folder(folder).witness(lambda: 0, lambda _: None)
    (folder / "state.sqlite").rename(folder / "elsewhere")
    with pytest.raises(Unusable):
        witness.add_checkpoint(log.submission(0, 3))


def test_tls_needs_both_files(folder, tmp_path):
    """A certificate without its key is a mistake of the caller's."""
    pem = tmp_path / "c.pem"
    pem.write_text("no certificate")
    assert run("serve", folder, "--tls-cert", pem)[0] == 2
    assert run("serve", folder, "--tls-cert", pem, "--tls-key", pem)[0] == 16


def test_witness_needs_no_vault(tmp_path):
    """The program starts where neither the vault, nor its keys, nor its client is imported."""
    code = (
        "import sys; import strongroom_witness.cli; loaded = {name.split('.')[0] for name in sys.modules}; "
        "print(sorted(loaded & {'vault', 'keys', 'strongroom', 'httpx', 'hvac', 'sqlalchemy'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"
