"""The wall to a witness: which addresses it takes, and what a hostile answer cannot do."""

import asyncio
import gzip
import socket
import threading
import time
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fakes.witness import FakeWitness
from tests.fakes.witnessed_log import WitnessedLog
from vault.log.malformed import Malformed
from vault.service.witness_http import Place, Reply, Silent, Witness, read_places

KEY = FakeWitness(private=Ed25519PrivateKey.from_private_bytes(bytes(32))).key
VKEY = KEY.text


@contextmanager
def answering(*chunks: bytes, pause: float = 0.0):
    """The address of a server that sends these bytes, whatever it is asked; and what it was asked."""
    asked = []

    def serve():
        try:
            while True:
                connection, _ = listener.accept()
                with connection:
                    asked.append(connection.recv(65536))
                    for chunk in chunks:
                        connection.sendall(chunk)
                        time.sleep(pause)
        except OSError:
            pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


async def ask(url, *, seconds=5.0):
    witness = Witness(Place(KEY, url), seconds=seconds)
    try:
        return await witness.add_checkpoint(b"old 0\n\nnote")
    finally:
        await witness.aclose()


def head(status, length, kind="text/plain", more=""):
    return f"HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nContent-Type: {kind}\r\n{more}\r\n".encode()


async def test_answer_is_read_as_it_is():
    """Status and body come through, and the size only under its own content type."""
    with answering(head(409, 3, "text/x.tlog.size; charset=utf-8"), b"12\n") as (url, asked):
        assert await ask(url + "/w/") == Reply(409, "12\n", "12")
    assert asked[0].startswith(b"POST /w/add-checkpoint HTTP/1.1\r\n")
    with answering(head(409, 3), b"12\n") as (url, _):
        assert await ask(url) == Reply(409, "12\n", None)


async def test_redirect_is_not_followed():
    """A redirect is an answer like another: nothing is sent anywhere else."""
    with answering(head(200, 0)) as (elsewhere, others):
        with answering(head(307, 0, more=f"Location: {elsewhere}/add-checkpoint\r\n")) as (url, _):
            assert (await ask(url)).status == 307
        assert others == []


async def test_proxy_of_the_environment_is_not_used(monkeypatch):
    """Checkpoints go to the witness, not through whatever the environment names."""
    with answering(head(200, 0)) as (proxy, others), answering(head(204, 0)) as (url, asked):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        assert (await ask(url)).status == 204
        assert (len(asked), others) == (1, [])


@pytest.mark.parametrize(
    "chunks",
    [
        (head(200, 20_000), b"x" * 20_000),
        (head(200, 3), b"\xff\xff\xff"),
        (b"no http at all\r\n\r\n",),
        (head(200, 10), b"cut"),
        (),
        (b"HTTP/1.1 200 x\r\n" + b"a: b\r\n" * 30_000,),
    ],
    ids=["too long", "no text", "no http", "cut off", "nothing", "endless head"],
)
async def test_no_whole_answer_is_silence(chunks):
    """Too long, unreadable, broken off: the witness counts as silent."""
    with answering(*chunks) as (url, _), pytest.raises(Silent):
        await ask(url)


async def test_compressed_answer_is_not_unpacked():
    """A few bytes that unpack to very many stay a few bytes."""
    packed = gzip.compress(b"x" * 10_000_000)[:10_000]
    whole = head(200, len(packed), more="Content-Encoding: gzip\r\n") + packed
    with answering(whole) as (url, _), pytest.raises(Silent):
        await ask(url)


async def test_slow_answer_is_silence():
    """An answer that trickles is cut off after the time a witness has, not a byte later."""
    began = time.monotonic()
    chunks = [head(200, 1000), *[b"x"] * 1000]
    with answering(*chunks, pause=0.05) as (url, _):
        with pytest.raises(Silent):
            await ask(url, seconds=0.3)
        assert time.monotonic() - began < 2


async def test_nobody_there_is_silence():
    """A closed port is silence too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Silent):
        await ask(f"http://127.0.0.1:{port}")


async def test_cancelling_ends_at_once():
    """Whoever stops the process does not wait for a witness."""
    with answering(head(200, 5), pause=5) as (url, _):
        task = asyncio.create_task(ask(url, seconds=10))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_places():
    """Several witnesses, spaces after commas, a path, a port, IPv6 loopback."""
    other = FakeWitness("other.example/w@2").key
    read = read_places(f"{VKEY}@https://w.example/a, {other.text}@http://[::1]:8490")
    assert read == [Place(KEY, "https://w.example/a"), Place(other, "http://[::1]:8490")]
    assert read_places("") == []
    (limited,) = read_places(f"{VKEY}@https://w.example#acme+globex")
    assert [limited.covers(tenant) for tenant in ("acme", "globex", "other")] == [True, True, False]
    assert read[0].covers("other")


@pytest.mark.parametrize(
    "text",
    [
        "x", "@", ",", f"{VKEY}", f"{VKEY}@", f"{VKEY}@w.example", f"{VKEY}@http://w.example",
        f"{VKEY}@http://127.0.0.1.w.example", f"{VKEY}@http://10.0.0.1", f"{VKEY}@ftp://w.example",
        f"{VKEY}@https://", f"{VKEY}@https://w.example?q", f"{VKEY}@https://w.example#A+b", f"{VKEY}@https://w.example#",
        f"{VKEY}@https://w.example:99999", f"{VKEY}@https://w.example:0", f"{VKEY}@https://[::1",
        f"{VKEY}@https://user:pass@w.example", f"{VKEY}@https://w\u00e9.example", f"{VKEY}@https://w.example/\n/",
        f"{VKEY[:-1]}@https://w.example", f"x{VKEY}@https://w.example", f"{VKEY}@https://a,{VKEY}@https://b",
        pytest.param(f"{WitnessedLog().vkey}@https://w.example", id="a log's key"),
    ],
)  # fmt: skip
def test_bad_places(text):
    """A setting that is mistyped, or would send checkpoints in the clear, stops the start."""
    with pytest.raises(Malformed):
        read_places(text)


def test_missing_ca_is_told():
    """A file of certificates that is not there is an error at the start."""
    with pytest.raises(OSError):
        Witness(Place(KEY, "https://w.example"), ca="nowhere.pem")
