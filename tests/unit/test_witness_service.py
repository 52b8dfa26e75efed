"""The witness's server in this process: slow strangers, TLS, and faults of its own."""

import datetime as dt
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from contextlib import contextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from strongroom_audit.verifier.notes import read_key
from strongroom_witness.cli import _tls
from strongroom_witness.folder import Folder
from strongroom_witness.service import WitnessServer

from tests.fakes.witnessed_log import WitnessedLog


@pytest.fixture
def log():
    return WitnessedLog(size=5)


@pytest.fixture
def folder(tmp_path, log):
    path = tmp_path / "w"
    Folder(path).create("witness.example/w1")
    Folder(path).state.trust(read_key(log.vkey))
    return path


@contextmanager
def served(folder, said, **options):
    """The port of a running server."""
    witness = Folder(folder).witness(lambda: 1_800_000_000, said.append)
    with WitnessServer(("127.0.0.1", 0), witness, **options) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.port
        finally:
            server.shutdown()
            thread.join()


def certificate(folder):
    """(certificate, key) files for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "witness")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "tls.pem", folder / "tls.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return pem, secret


def test_slow_sender_loses_its_place(folder):
    """Who sends a byte now and then is cut off after the longest time, however busy."""
    with served(folder, [], longest=0.3) as port, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.settimeout(0.05)
        began = time.monotonic()
        ended = False
        while not ended and time.monotonic() - began < 10:
            ended = sent_in_vain(slow)
        assert ended


def sent_in_vain(slow):
    try:
        slow.send(b"x")
        return slow.recv(1) == b""
    except TimeoutError:
        return False
    except (ConnectionResetError, BrokenPipeError):
        return True


def test_tls(folder, tmp_path, log):
    """With a certificate it answers over TLS; a stranger who never shakes hands holds up nobody."""
    pem, key = certificate(tmp_path)
    with served(folder, [], tls=_tls(pem, key)) as port, socket.create_connection(("127.0.0.1", port)):
        context = ssl.create_default_context(cafile=str(pem))
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
        connection.request("POST", "/add-checkpoint", body=log.submission(0, 5))
        assert connection.getresponse().status == 200
        connection.close()


def test_state_that_fails_is_503(folder, log):
    """When the state cannot be used the answer is 503, the reason is said, and nothing is signed."""
    said = []
    with served(folder, said) as port:
        (folder / "state.sqlite").rename(folder / "elsewhere")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/add-checkpoint", body=log.submission(0, 5))
        answer = connection.getresponse()
        assert (answer.status, b"\xe2\x80\x94" in answer.read()) == (503, False)
        connection.close()
    assert said[-1].startswith("cannot answer: witness unusable")
