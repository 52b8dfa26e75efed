"""`strongroom-audit` as a scheduled job runs it: over a socket, with exit codes and messages."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from strongroom_audit import faults
from strongroom_audit.cli import main
from strongroom_audit.faults import Fault
from strongroom_audit.fetch import read_tile, tile_number

from tests.fakes.audit_log import FakeLog, cosign, shown, vkey
from tests.fakes.audit_server import CLIENT, SECRET, serving


@pytest.fixture
def log():
    """Four thousand events would be slow; six hundred already need three tiles."""
    log = FakeLog()
    for number in range(60):
        log.write(10, chain=bytes([number % 4]) * 16)
    return log


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs the command in this process: (exit code, what it printed)."""
    monkeypatch.setenv("STRONGROOM_CLIENT_ID", CLIENT)
    monkeypatch.setenv("STRONGROOM_CLIENT_SECRET", SECRET)
    interval = sys.getswitchinterval()

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(one) for one in arguments])
        said = capsys.readouterr()
        return ended.value.code or 0, said.out + said.err

    yield run
    sys.setswitchinterval(interval)


def test_daily_job(log, tmp_path, run):
    """First run, next run, verify: each exits with 0 and says how many events are proven."""
    with serving(log) as server:
        code, said = run("mirror", server.url, tmp_path / "m", "--tenant", "acme", "--key", log.vkey)
        assert (code, "verified: 600 events mirrored and proven, 600 new" in said) == (0, True), said
        log.write(3)
        code, said = run("mirror", server.url, tmp_path / "m", "--tenant", "acme")
        assert (code, "603 events mirrored and proven, 3 new" in said) == (0, True), said
        assert "/v1/log/acme/tile/entries/002.p/91" in server.asked
    code, said = run("verify", tmp_path / "m")
    assert (code, said.strip()) == (0, "verified: 603 events of log.example/acme, 2 signed checkpoints")


def test_first_run_without_a_key_says_what_it_trusts(log, tmp_path, run):
    """Keys that are pinned on first use are shown, so that they can be compared."""
    with serving(log) as server:
        code, said = run("mirror", server.url, tmp_path, "--tenant", "acme")
    assert (code, f"trusting from now on: {log.vkey}" in said) == (0, True)


def test_wrong_key(log, tmp_path, run):
    """A log whose checkpoints another key signed than the one given is a bad signature."""
    other = FakeLog()
    other._key(), other._key()
    with serving(log) as server:
        key = vkey(log.origin, other._key())
        code, said = run("mirror", server.url, tmp_path, "--tenant", "acme", "--key", key)
    assert (code, "none of the keys you trust" in said) == (14, True), said


def test_new_key_is_not_taken_silently(log, tmp_path, run):
    """After a rotation the job fails until somebody accepts the new key; old checkpoints stay valid."""
    with serving(log) as server:
        assert run("mirror", server.url, tmp_path, "--tenant", "acme")[0] == 0
        old, log.log_key = log.vkey, log._key()
        shown_keys = json.dumps({**json.loads(log.keys()), "log": [old, log.vkey]})
        log.keys = lambda: shown_keys
        log.write(2)
        code, said = run("mirror", server.url, tmp_path, "--tenant", "acme")
        assert (code, f"not trusted: {log.vkey}" in said) == (14, True), said
        assert run("mirror", server.url, tmp_path, "--tenant", "acme", "--accept-new-keys")[0] == 0
    assert run("verify", tmp_path)[0] == 0


def test_exchanged_worker_key(log, tmp_path, run):
    """A worker key that changes under its version is refused, even with --accept-new-keys."""
    with serving(log) as server:
        run("mirror", server.url, tmp_path, "--tenant", "acme")
        log.worker_keys["reveal"] = log._key()
        code, said = run("mirror", server.url, tmp_path, "--tenant", "acme", "--accept-new-keys")
    assert (code, "worker key of reveal, version 1" in said) == (14, True), said


def test_nobody_there(tmp_path, run):
    """A closed port is `cannot reach`."""
    code, said = run("mirror", "http://127.0.0.1:1", tmp_path, "--tenant", "acme")
    assert (code, "cannot reach" in said) == (10, True), said


def test_refused_credential(log, tmp_path, run, monkeypatch):
    """A credential that is refused is `cannot reach`, and the message says why; no secret is printed."""
    monkeypatch.setenv("STRONGROOM_CLIENT_SECRET", "srs_other")
    with serving(log) as server:
        code, said = run("mirror", server.url, tmp_path, "--tenant", "acme")
    assert (code, "invalid_client" in said, "srs_other" in said) == (10, True, False), said


def test_missing_settings(tmp_path, run, monkeypatch):
    """Without a credential the command says which variable is missing."""
    monkeypatch.delenv("STRONGROOM_CLIENT_SECRET")
    code, said = run("mirror", "http://127.0.0.1:1", tmp_path, "--tenant", "acme")
    assert (code, "STRONGROOM_CLIENT_SECRET" in said) == (2, True)


def test_altered_event_over_http(log, tmp_path, run):
    """Exit code 12, and the message names the event and its place."""
    log.events[400].body = log.events[400].body.replace(b"Ravi", b"Xavi")
    with serving(log) as server:
        code, said = run("mirror", server.url, tmp_path, "--tenant", "acme")
    assert (code, f"event altered: {shown('evt', log.events[400].id)} (#400)" in said) == (12, True), said
    assert "NOT VERIFIED" in said


def test_changed_history_over_http(log, tmp_path, run):
    """Exit code 11 when the log forgets events it had."""
    with serving(log) as server:
        run("mirror", server.url, tmp_path, "--tenant", "acme")
        log.events.pop(77)
        log.write(5)
        code, said = run("mirror", server.url, tmp_path, "--tenant", "acme")
    assert (code, "history changed" in said and "(#77)" in said) == (11, True), said


def test_busy_vault_is_asked_again(log, tmp_path, run):
    """A vault that is busy now and then costs time, not the run."""
    with serving(log) as server:
        server.faults.extend([(503, b'{"code": "unavailable", "title": "Busy.", "status": 503}')] * 3)
        assert run("mirror", server.url, tmp_path, "--tenant", "acme")[0] == 0


def test_log_in_bits(log, tmp_path, run):
    """A log that gives out fewer bodies than were asked for is asked for the rest."""
    whole = log.bundle
    log.bundle = lambda first, last: whole(first, min(last, first + 70))
    with serving(log) as server:
        assert run("mirror", server.url, tmp_path, "--tenant", "acme")[0] == 0
    assert run("verify", tmp_path)[0] == 0


def test_dropped_partial_tile(log, tmp_path, run):
    """A partial tile that is gone because the log grew is read from the full one."""
    whole, note = log.tile, log.checkpoint()
    log.write(200)
    log.checkpoint = lambda: note
    log.tile = lambda number, width=256: whole(number) if width == 256 else b"never"
    with serving(log) as server:
        server.missing = "/tile/entries/002.p/88"
        assert run("mirror", server.url, tmp_path, "--tenant", "acme")[0] == 0


def test_lost_state_is_worked_out_from_the_files(log, tmp_path, run):
    """Without state.json the next run verifies what is there and goes on."""
    with serving(log) as server:
        run("mirror", server.url, tmp_path, "--tenant", "acme")
        (tmp_path / "state.json").unlink()
        log.write(2)
        code, said = run("mirror", server.url, tmp_path, "--tenant", "acme")
    assert (code, "602 events mirrored and proven, 2 new" in said) == (0, True), said


def test_other_tenants_mirror(log, tmp_path, run):
    """A mirror of one tenant does not become another's."""
    with serving(log) as server:
        run("mirror", server.url, tmp_path, "--tenant", "acme")
        log.tenant = "globex"
        code, said = run("mirror", server.url, tmp_path, "--tenant", "globex")
    assert code in {14, 15}, said


def test_proof_with_nothing_but_the_key(log, tmp_path, run):
    """A receipt, or a body with its salt, or an entry, is proven by a proof file and the log's key."""
    file, body = tmp_path / "one.tlog-proof", tmp_path / "body.json"
    file.write_text(log.proof(123))
    body.write_bytes(log.events[123].body)
    event = log.events[123]
    for subject in (
        ("--receipt", log.receipt(123)),
        ("--entry", event.entry.hex()),
        ("--body", body, "--salt", event.salt.hex()),
    ):
        code, said = run("proof", file, "--key", log.vkey, *subject)
        assert (code, f"{shown('evt', event.id)} is event #123 of log.example/acme" in said) == (0, True), (
            said
        )
    code, said = run("proof", file, "--key", log.vkey, "--receipt", log.receipt(124))
    assert (code, "does not lead from this event" in said) == (12, True), said
    assert run("proof", file, "--key", log.vkey)[0] == 2
    assert run("proof", file, "--key", vkey(log.origin, log._key()), "--receipt", log.receipt(123))[0] == 14
    file.write_text("not a proof")
    assert run("proof", file, "--key", log.vkey, "--receipt", log.receipt(123))[0] == 15


def test_proof_with_a_witness(log, tmp_path, run):
    """A witness that must have signed is named when it has, and missed when it has not."""
    witness, file = log._key(), tmp_path / "one.tlog-proof"
    key = vkey("witness.example", witness, kind=4)
    arguments = ("proof", file, "--key", log.vkey, "--witness", key, "--receipt", log.receipt(3))
    proof = log.proof(3)
    file.write_text(proof)
    assert run(*arguments)[0] == 14
    note = proof.partition("\n\n")[2]
    file.write_text(proof.replace(note, cosign(note, "witness.example", witness)))
    code, said = run(*arguments)
    assert (code, "witnessed by witness.example" in said) == (0, True), said


def test_help_lists_the_exit_codes(run):
    """Every exit code is explained by --help of the command and of each of its verbs."""
    for arguments in ((), ("mirror",), ("verify",), ("proof",), ("report",)):
        code, said = run(*arguments, "--help")
        assert code == 0
        assert all(re.search(rf"\b{number}\b", said) for number in range(10, 17)), said


def test_guide_explains_every_exit_code():
    """The auditor's guide has a row for the exit code of every fault there is."""
    guide = (Path(__file__).parents[2] / "docs/AUDITING.md").read_text()
    kinds = [kind for kind in vars(faults).values() if isinstance(kind, type) and issubclass(kind, Fault)]
    codes = {kind.exit_code for kind in kinds if kind is not Fault}
    assert codes == set(range(10, 17))
    assert [code for code in codes if f"\n| {code} | " not in guide] == []


def test_verifier_opens_nothing():
    """The verifier imports no network, and of ours only the names of faults."""
    script = (
        "import sys; before = set(sys.modules)\n"
        "import strongroom_audit.verifier.log, strongroom_audit.verifier.notes\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"socket", "ssl", "httpx", "http.client", "urllib.request", "asyncio", "strongroom"}
    assert {name for name in loaded if name.startswith("strongroom") and ".verifier" not in name} == {
        "strongroom_audit",
        "strongroom_audit.faults",
    }


def test_client_needs_no_cryptography():
    """The client is imported without the extra's dependencies."""
    script = "import sys; import strongroom; print(sorted({'cryptography', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("number", "path"),
    [(0, "000"), (7, "007"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067")],
)
def test_tile_paths(number, path):
    """Tiles are named as C2SP tlog-tiles names them."""
    assert tile_number(number) == path


def test_tile_of_other_entries():
    """A tile whose entries are not 49 bytes each is malformed."""
    with pytest.raises(Exception, match="49 bytes"):
        read_tile(b"\x00\x30" + bytes(49), 0)
    assert read_tile(b"\x00\x31" + b"e" * 49, 0) == b"e" * 49
