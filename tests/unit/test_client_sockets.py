"""The client on real sockets: what httpx and the operating system do when a connection breaks."""

import socket
import threading
from contextlib import contextmanager

import pytest
from strongroom import AsyncStrongroom, Strongroom, Unreachable

BODY = b'{"access_token": "at-1", "token_type": "Bearer", "expires_in": 300}'
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
FIELDS = b'{"fields": []}'


@contextmanager
def listening(*replies):
    """A server that gives each connection the next reply and hangs up; None: without a word."""
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            for reply in replies:
                peer, _ = server.accept()
                with peer:
                    heard.append(peer.recv(65_536))
                    if reply is not None:
                        peer.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", heard
        thread.join(timeout=5)


def reply(body):
    return REPLY % (len(body), body)


def fields(url, **options):
    with Strongroom(url, "acme.test", "srs_secret", **options) as vault:
        return vault.fields()


def test_kept_connections_that_the_server_closed_are_replaced():
    """A server that hangs up after an answer, and one that hangs up without, cost the caller nothing."""
    with listening(reply(BODY), None, reply(FIELDS)) as (url, heard):
        assert fields(url) == ()
    assert [request.split(b" ")[1] for request in heard] == [b"/oauth2/token", b"/v1/fields", b"/v1/fields"]


async def test_asyncio_client_survives_the_same():
    """The asyncio driver reads broken connections the same way."""
    with listening(reply(BODY), None, reply(FIELDS)) as (url, _):
        vault = AsyncStrongroom(url, "acme.test", "srs_secret")
        assert await vault.fields() == ()
        await vault.aclose()


def test_nobody_there():
    """A closed port is `unreachable`, after the attempts it was allowed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unreachable, match="unreachable: Nobody"):
        fields(f"http://127.0.0.1:{port}", attempts=2)


def test_not_tls_is_named_and_not_repeated():
    """A server that does not speak TLS is `tls_failed` at the first attempt."""
    talk = listening(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with talk as (url, heard), pytest.raises(Unreachable, match="tls_failed"):
        fields(url.replace("http:", "https:"))
    assert len(heard) == 1


def test_proxy_of_the_environment_is_not_used(monkeypatch):
    """HTTP_PROXY and friends do not lead tokens and values past somebody else."""
    with listening(reply(BODY), reply(FIELDS)) as (url, heard):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        assert fields(url) == ()
    assert len(heard) == 2
