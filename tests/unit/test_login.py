"""How a token is kept fresh: early, once for everyone, and without hammering a server that says no."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.errors import LoginFailed, Misconfigured, Sealed
from keys.identity import read_identity, write_identity
from keys.login import Login
from keys.methods import AppRole
from keys.nodes import Server
from tests.fakes.key_server import FakeKeyServer, answer

LOGIN, RENEW = "auth/approle/login", "auth/token/renew-self"


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[FakeKeyServer]:
    fake = FakeKeyServer(answer(200, {}))
    yield fake
    fake.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def login(server: FakeKeyServer, clock: Clock) -> Iterator[Login]:
    """Jitter is in the middle of its range: renewal is due after exactly a third."""
    made = Login(Server(server.addr), AppRole("role", "secret"), clock=clock, jitter=lambda: 0.5)
    yield made
    made.close(time.monotonic() + 1)


def call(login: Login) -> int:
    return login.send("get", "anything", until=time.monotonic() + 2).status


def test_renews_after_a_third(login: Login, server: FakeKeyServer, clock: Clock) -> None:
    """A token is renewed once a third of its lease is over, and not before; never logged in for again."""
    for elapsed, renewals in ((0, 0), (399, 0), (2, 1), (1, 1), (397, 1), (5, 2)):
        clock.now += elapsed
        assert call(login) == 200
        assert server.asked(RENEW) == renewals
    assert server.asked(LOGIN) == 1


def test_shrinking_lease_means_a_new_login(login: Login, server: FakeKeyServer, clock: Clock) -> None:
    """When a renewal grants less than before, the maximum is near: a new login comes before the end."""
    call(login)
    server.renewed = 300
    clock.now += 401
    call(login)
    assert (server.asked(RENEW), server.asked(LOGIN)) == (1, 2)


def test_failed_renewal_keeps_the_old_token(login: Login, server: FakeKeyServer, clock: Clock) -> None:
    """While renewal fails the old token serves on, and is not tried again with every call."""
    call(login)
    server.renewal = answer(503, {"errors": []})
    clock.now += 401
    assert [call(login) for _ in range(5)] == [200] * 5
    assert (server.asked(RENEW), server.asked(LOGIN)) == (1, 1)
    server.renewal = None
    clock.now += 4
    call(login)
    assert (server.asked(RENEW), server.asked(LOGIN)) == (2, 1)


def test_refused_renewal_means_a_new_login(login: Login, server: FakeKeyServer, clock: Clock) -> None:
    """A token that may not be renewed any more is replaced, at once and once."""
    call(login)
    server.renewal = answer(403, {"errors": []})
    clock.now += 401
    assert [call(login) for _ in range(5)] == [200] * 5
    assert (server.asked(RENEW), server.asked(LOGIN)) == (1, 2)


def test_expired_token_is_not_used(login: Login, server: FakeKeyServer, clock: Clock) -> None:
    """After an idle time longer than the lease the first thing is a login."""
    call(login)
    clock.now += 1201
    call(login)
    assert [r.line.split()[1] for r in server.requests[-2:]] == [f"/v1/{LOGIN}", "/v1/anything"]


def test_threads_share_one_login(login: Login, server: FakeKeyServer) -> None:
    """Eight threads that start together log in once."""
    done: list[int] = []
    threads = [threading.Thread(target=lambda: done.append(call(login))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [200] * 8
    assert server.asked(LOGIN) == 1


def test_refused_identity_does_not_hammer(login: Login, server: FakeKeyServer, clock: Clock) -> None:
    """A refused login is not repeated with every call, and tried again within eight seconds."""
    server.login = answer(400, {"errors": ["invalid role or secret ID"]})
    for _ in range(10):
        with pytest.raises(LoginFailed):
            call(login)
    assert server.asked(LOGIN) == 1
    for _ in range(20):
        clock.now += 8
        with pytest.raises(LoginFailed):
            call(login)
    assert server.asked(LOGIN) == 21
    server.login = None
    clock.now += 8
    assert call(login) == 200


def test_sealed_server_is_not_a_bad_identity(login: Login, server: FakeKeyServer, clock: Clock) -> None:
    """A login that meets a sealed server is a passing failure, found healed within a fraction of a second."""
    server.login = answer(503, {"errors": ["Vault is sealed"]})
    with pytest.raises(Sealed):
        call(login)
    server.login = None
    clock.now += 0.2
    assert call(login) == 200


@pytest.mark.parametrize(
    "address",
    [
        "http://vault.example:8200", "http://10.0.0.1", "ftp://127.0.0.1", "127.0.0.1:8200", "",
        "http://127.0.0.1.example", "https://user@vault.example", "https://", "http://localhost@vault.example",
    ],
)  # fmt: skip
def test_plain_http_leaves_no_machine(address: str) -> None:
    """An address that would carry tokens in the clear over a network, or is none, is refused."""
    with pytest.raises(Misconfigured):
        Server(address)


@pytest.mark.parametrize(
    "address", ["https://vault.example:8200", "http://127.0.0.1:8200", "http://[::1]:8200"]
)
def test_good_addresses(address: str) -> None:
    """TLS anywhere and plain HTTP on loopback are addresses."""
    assert Server(address).address == address


def test_identity_survives_its_file(tmp_path: Path) -> None:
    """An identity written is read back, from a file only its owner can read, and does not print."""
    path = tmp_path / "ingest.json"
    write_identity(path, AppRole("role", "s3cret"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_identity(path) == AppRole("role", "s3cret")
    assert "s3cret" not in repr(read_identity(path))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_identity_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A file that group or others can read is refused, with the command that mends it."""
    path = tmp_path / "ingest.json"
    write_identity(path, AppRole("role", "s3cret"))
    path.chmod(mode)
    with pytest.raises(Misconfigured, match="chmod 600"):
        read_identity(path)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"role_id": "s3cret"}', b'{"role_id": 1, "secret_id": "s3cret"}', b"\xff"]
)
def test_malformed_identity_is_refused_silently(tmp_path: Path, body: bytes) -> None:
    """A file that is no identity is refused by name, without quoting it."""
    path = tmp_path / "ingest.json"
    path.write_bytes(body)
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match=r"ingest\.json") as caught:
        read_identity(path)
    assert "s3cret" not in str(caught.value)


def test_absent_identity_is_named(tmp_path: Path) -> None:
    """A missing file is an error that names it."""
    with pytest.raises(Misconfigured, match=r"ingest\.json"):
        read_identity(tmp_path / "ingest.json")
