"""The witness as a process on loopback: what it answers over HTTP, and what strangers cannot do to it."""

import signal
import socket
import subprocess
import sys

import pytest
from strongroom_audit.verifier.notes import read_key
from strongroom_witness.folder import Folder

from tests.fakes.witnessed_log import WitnessedLog, cosigned_at
from tests.plugins.witness import Process

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def log():
    return WitnessedLog(size=20)


@pytest.fixture
def folder(tmp_path, log):
    path = tmp_path / "w"
    Folder(path).create("witness.example/w1")
    Folder(path).state.trust(read_key(log.vkey))
    return path


@pytest.fixture
def process(folder):
    process = Process(folder)
    yield process
    if process.process.poll() is None:
        process.end()


def test_the_whole_story(process, folder, log):
    """A log grows under the witness's eyes; the witness dies, comes back, and refuses the forged history."""
    vkey = Folder(folder).cosigner().vkey
    status, line, _ = process.ask(log.submission(0, 7))
    assert status == 200
    assert cosigned_at(vkey, log.text(7), line) > 1_700_000_000
    assert process.ask(log.submission(0, 12)) == (409, "7\n", "text/x.tlog.size")
    assert process.ask(log.submission(7, 12))[0] == 200
    assert process.end(signal.SIGKILL) == -9
    again = Process(folder)
    assert again.ask(log.forked(3).submission(12, 20))[0] == 422
    assert again.ask(log.forked(3).submission(12, 12))[:2] == (409, "12\n")
    assert cosigned_at(vkey, log.text(20), again.ask(log.submission(12, 20))[1])
    assert again.end() == 0
    assert len([line for line in again.said if line.startswith("ALARM: HISTORY CHANGED")]) == 2
    command = [sys.executable, "-m", "strongroom_witness", "status", str(folder)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 11


def test_one_connection_for_many(process, log):
    """A connection is kept for the next checkpoint."""
    connection = process.connect()
    for old, new in ((0, 3), (3, 9), (9, 20)):
        connection.request("POST", "/add-checkpoint", body=log.submission(old, new))
        answer = connection.getresponse()
        assert (answer.status, len(answer.read()) > 100) == (200, True)
        assert not answer.will_close
    connection.close()


def test_trust_reaches_a_running_witness(process, folder):
    """A log that is trusted while the witness runs is witnessed at once."""
    other = WitnessedLog("other.example/y", 3)
    assert process.ask(other.submission(0, 3))[0] == 404
    Folder(folder).state.trust(read_key(other.vkey))
    assert process.ask(other.submission(0, 3))[0] == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /add-checkpoint HTTP/1.1\r\n\r\n", b"405"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"DELETE /add-checkpoint HTTP/1.0\r\n\r\n", b"501"),
        (b"POST /add-checkpoint HTTP/1.1\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", b"413"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", b"413"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_request(process, request_bytes, status):
    """Whatever is no submission is refused by its status, and the connection ends."""
    assert process.raw(request_bytes).split(b" ")[1] == status


def test_no_answer_repeats_a_stranger(process):
    """Nothing a stranger writes comes back, nor reaches the witness's own lines."""
    marked = b"<script>\x1b[31m"
    assert marked not in process.raw(marked + b" / HTTP/1.1\r\n\r\n")
    assert process.ask(b"old 0\n\n" + marked + b"\n\n" + marked)[0] == 400
    process.end()
    assert "script" not in "".join(process.said)


def test_crowd(process, log):
    """Connections beyond the bound are closed; when they have gone the witness answers as before."""
    crowd = [socket.create_connection(("127.0.0.1", process.port), timeout=20) for _ in range(80)]
    ended = 0
    for one in crowd:
        one.settimeout(0.05)
        try:
            ended += one.recv(1) == b""
        except TimeoutError:
            pass
        except ConnectionResetError:
            ended += 1
    for one in crowd:
        one.close()
    assert ended >= 16
    assert process.ask(log.submission(0, 3))[0] == 200


def test_cut_off_body(process, log):
    """A submission that breaks off in the middle is not answered, and leaves no trace."""
    body = log.submission(0, 3)
    head = b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", process.port), timeout=20) as stranger:
        stranger.sendall(head + body[:-1])
        stranger.shutdown(socket.SHUT_WR)
        assert stranger.recv(4096) == b""
    assert process.ask(log.submission(0, 3))[0] == 200
