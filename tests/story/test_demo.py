"""The demonstration as a newcomer runs it: twice in an empty folder, then with the printed lines by hand."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.plugins.ports import free_port
from vault.cli.failures import UNAVAILABLE
from vault.demo.cast import ROLES
from vault.demo.signups import generate

ROOT = Path(__file__).parents[2]
COUNT = 60
PARTS = ("number", "holder", "line1")
START_SECONDS = 100


@pytest.fixture(scope="module")
def port():
    """A port nobody uses now."""
    return free_port()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The newcomer's folder."""
    return tmp_path_factory.mktemp("newcomer")


def start(place, port, *more, **options):
    """`strongroom dev --demo` as a process of its own, in `place`."""
    wanted = ("PATH", "HOME", "TMPDIR", "LANG")
    environment = {name: os.environ[name] for name in wanted if name in os.environ}
    command = [sys.executable, "-P", "-m", "vault.cli", "dev", "--demo", "--port", str(port)]
    return subprocess.Popen(
        [*command, "--signups", str(COUNT), *more],
        cwd=place,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def once(place, port):
    """One whole run; what it printed."""
    process = start(place, port, "--once")
    out, _ = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 0, out
    return out


@pytest.fixture(scope="module")
def first(place, port):
    """What the first start printed."""
    return once(place, port)


@pytest.fixture(scope="module")
def second(place, port, first):
    """What the second start printed."""
    return once(place, port)


def plaintexts(run):
    """What could be recognised of every fourth sign-up of a run, if it stood somewhere."""
    values = [item["value"] for one in list(generate(COUNT, seed=run))[::4] for item in one.items]
    whole = [value for value in values if isinstance(value, str)]
    parts = [value.get(part, "") for value in values if isinstance(value, dict) for part in PARTS]
    return {one for one in (*whole, *parts) if len(one) >= 10}


def test_a_customer_leaves_by_four_eyes(place, first):
    """Consent stops, the e-mail is shredded, bank and PAN wait for their date; the certificate holds."""
    assert "this stops from the next request on" in first
    assert "the officer cannot release it alone: 403" in first
    assert "archived; payment: 403 record_archived" in first
    assert "✓ the certificate verifies under the published key" in first
    [certificate] = (place / ".strongroom" / "certificates").glob("cas_*.txt")
    assert "asha@example.com" not in certificate.read_text() + first


def test_the_main_job_is_shown(first):
    """Sign-ups become tokens, a payout opens them, others are refused with the reason, the log is shown."""
    assert f"values of {COUNT} sign-ups became tokens" in first
    assert "got the same tokens" in first
    assert re.search(r"(\d+) of \1 are what was signed up", first)
    assert re.search(r"\*\*\*\*\d{4}\s+(DEMO|ZZBK|XMPL|FAKE)\*\*\*\*", first)
    assert "403 policy_denied" in first
    assert "3 of 3 refused; nothing was opened" in first
    assert re.search(r"payout\s+detokenize\s+payment\s+allow", first)
    assert re.search(r"marketing\s+detokenize\s+marketing_display\s+deny", first)
    assert "✗" not in first


def test_dirty_rows_are_told_by_rule(first):
    """Each refused value is counted by its type and the rule it broke."""
    dirty = sum(bool(one.dirty) for one in generate(COUNT, seed=0))
    assert f"in {dirty} dirty rows were refused" in first


def test_it_reads_well_in_a_pipe(first):
    """Without a terminal there are no colours, no bars, and no line of a table beyond 100 columns."""
    assert "\x1b" not in first
    report = first[: first.index("copy and paste")]
    assert max(map(len, report.splitlines())) <= 100


def test_the_second_start_finds_yesterdays_tokens(second):
    """A token of the first run still opens after everything was stopped and started again."""
    assert "a token of that first run still opens: tok_bank_account_" in second
    assert "tenant demo found" in second
    assert "✗" not in second


def test_no_plaintext_is_anywhere(place, first, second):
    """No sample value stands in the report or in a file: databases, logs, OpenBao's files."""
    samples = {one.encode() for run in (0, 1) for one in plaintexts(run)}
    assert len(samples) > COUNT
    bodies = {"the report": (first + second).encode()}
    bodies |= {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    assert {"data.db", "service.log"} <= {Path(name).name for name in bodies}
    found = {name for name, body in bodies.items() if any(one in body for one in samples)}
    assert not found


def test_files_are_their_owners_alone(place, first):
    """Nothing under .strongroom can be read by anybody else."""
    assert first
    home = place / ".strongroom"
    open_to_others = [p.name for p in [home, *home.rglob("*")] if p.stat().st_mode & 0o077]
    assert not open_to_others


def test_secrets_are_not_printed(place, first, second):
    """The report says where secrets are, and shows none."""
    kept = [p.read_text().strip() for p in (place / ".strongroom" / "credentials").iterdir()]
    assert len(kept) == len(ROLES) + len(("admin", "admin2"))
    assert not any(one.partition(":")[2] in first + second for one in kept)
    assert "srs_" not in first + second


def alive(folder):
    """Processes that have something to do with `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
                here = str(folder) in command.decode() or (entry / "cwd").readlink() == folder
            except OSError:
                continue
            if here and command:
                found.append(command.decode().replace("\0", " "))
    return found


def running(place, port):
    """A demonstration that stays up, and what it has printed until then."""
    process = start(place, port, "--signups", "10", process_group=0)
    printed = []
    for line in process.stdout:
        printed.append(line)
        if "Ctrl-C stops it" in line:
            return process, "".join(printed)
    raise AssertionError("".join(printed))


def test_the_printed_lines_work(place, port, second):
    """Copied into a shell, the curl lines tokenize, open and read the log on the running service."""
    assert second
    process, printed = running(place, port)
    lines = printed.partition("from this folder:")[2].rpartition("Running")[0]
    done = subprocess.run(["bash", "-ec", lines], cwd=place, capture_output=True, text=True, check=False)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, done.returncode) == (0, 0), out + done.stderr
    assert "Everything is kept" in out
    assert alive(place) == []
    tokenized, opened, log = split_documents(done.stdout)
    assert tokenized["items"][0]["token"].startswith("tok_pan_")
    assert opened["items"][0]["value"]["number"].isdigit()
    assert log["events"][0]["reference"] == "by-hand"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the kernel ends the children; Linux only")
def test_nothing_outlives_a_kill(place, port, second):
    """Killed without a chance to tidy up, it takes key server and service with it."""
    assert second
    process, _ = running(place, port)
    process.kill()
    process.communicate(timeout=30)
    until = time.monotonic() + 20
    while alive(place) and time.monotonic() < until:
        time.sleep(0.1)
    assert alive(place) == []


def test_a_key_server_that_ends_is_told(place, port, second):
    """When the key server is gone, what stayed up says so and ends, instead of refusing in silence."""
    assert second
    process, _ = running(place, port)
    os.kill(int((place / ".strongroom" / "openbao" / "bao.pid").read_text()), signal.SIGKILL)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == UNAVAILABLE, out
    assert "the key server has ended (log: .strongroom/openbao/bao.log)" in out
    assert alive(place) == []


def split_documents(text):
    """JSON documents that stand one behind the other."""
    found, at, decoder = [], 0, json.JSONDecoder()
    while at < len(text.rstrip()):
        document, at = decoder.raw_decode(text, at)
        found.append(document)
    return found


def test_a_half_lost_vault_is_told_and_left_alone(place, port, second):
    """A folder whose databases are gone is not quietly filled with an empty vault."""
    assert second
    database = place / ".strongroom" / "data.db"
    database.rename(place / "aside")
    process = start(place, port, "--once")
    out, _ = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 1, out
    assert "databases in .strongroom are gone" in out
    assert not database.exists()
    (place / "aside").rename(database)
