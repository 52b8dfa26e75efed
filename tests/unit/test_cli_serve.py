"""Claims about how the service is let out: never in the clear over a network, never with chatty logs."""

import io
import logging
from pathlib import Path

import orjson
import pytest
import structlog

from vault.cli import logs
from vault.cli.failures import UsageFault
from vault.cli.serve import Door, is_loopback, read_planes

PEM = Path("tls.pem")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_plain_http_on_loopback(host):
    """Plain HTTP is served where only this machine can connect."""
    Door(host, 8080).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "vault", "localhost.example.com", ""])
def test_plain_http_beyond_loopback_is_refused(host):
    """Elsewhere it takes TLS, or somebody's word that a proxy in front ends it."""
    assert not is_loopback(host)
    with pytest.raises(UsageFault, match="--behind-proxy"):
        Door(host, 8080).check()
    Door(host, 8080, behind_proxy=True).check()
    Door(host, 8080, cert=PEM, key=PEM).check()


@pytest.mark.parametrize(
    "door",
    [
        Door("127.0.0.1", 1, cert=PEM),
        Door("127.0.0.1", 1, key=PEM),
        Door("127.0.0.1", 1, client_ca=PEM),
        Door("0.0.0.0", 1, client_ca=PEM, behind_proxy=True),
    ],
)
def test_half_a_tls_configuration_is_refused(door):
    """A certificate without its key, or client certificates without TLS, is a mistake and not a default."""
    with pytest.raises(UsageFault):
        door.check()


def test_all_planes():
    """`all` is every plane there is, and the sequencer; a list is taken as it stands."""
    assert read_planes("all") == ["audit", "control", "ingest", "office", "reveal", "sequencer"]
    assert read_planes("reveal,office") == ["reveal", "office"]


@pytest.fixture
def written():
    """The lines that were logged."""
    raw = io.BytesIO()
    before = logging.root.handlers[:], logging.root.level
    logs.configure(raw)
    yield lambda: [orjson.loads(line) for line in raw.getvalue().splitlines()]
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    logging.root.handlers[:], level = before
    logging.root.setLevel(level)


def test_unknown_members_of_a_log_line_are_dropped(written):
    """A careless log call cannot leak a value: only members on the list are written."""
    structlog.get_logger().info("serving", planes=["audit"], value="ABCPE1234F", body=b"x")
    (line,) = written()
    assert line.pop("time").endswith("Z")
    assert line == {"event": "serving", "level": "info", "planes": ["audit"], "dropped": 2}


def test_what_libraries_say_is_not_repeated(written):
    """A library's warning becomes the fact that it warned; its words could quote a request."""
    failure = ValueError("ABCPE1234F")
    logging.getLogger("asyncio").error("Task failed: %s", "ABCPE1234F", exc_info=failure)
    logging.getLogger("_granian").error("Unexpected exit from worker-1")
    ours, granian = written()
    assert (ours["library"], ours["kind"], ours["level"]) == ("asyncio", "ValueError", "error")
    assert "ABCPE1234F" not in str(ours)
    assert granian["says"] == "Unexpected exit from worker-1"
