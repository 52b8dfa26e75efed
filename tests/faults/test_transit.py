"""What a failing, lying or hostile key server does to the ring: a typed error in time, and no plaintext."""

import asyncio
import os
import threading
import time
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from keys.devserver import DevServer, RunningServer
from keys.errors import (
    Behind,
    Busy,
    KeysError,
    Misconfigured,
    Refused,
    Retired,
    Sealed,
    Tampered,
    Unreachable,
)
from keys.methods import AppRole
from keys.nodes import Server
from keys.policies import policy
from keys.ring import WrappedDek
from keys.transit import Transit
from tests.fakes.key_server import (
    Behaviour,
    FakeKeyServer,
    answer,
    dripping,
    dripping_headers,
    hanging,
    reset,
    truncated,
)
from tests.plugins.bao import Provisioned, set_up
from tests.plugins.waiting import until

DEK = b"CANARY-32-bytes-of-a-secret-DEK!"
SPELLINGS = (DEK.decode(), b64encode(DEK).decode(), DEK.hex())
ECHO = {"errors": [f"quoting {SPELLINGS[0]}"], "data": {"plaintext": SPELLINGS[1]}}
WRAPPED = WrappedDek(bytes(16), "vault:v1:" + b64encode(bytes(60)).decode())


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Provisioned]]:
    """A server these tests may break."""
    with DevServer(tmp_path_factory.mktemp("own")).start() as running:
        yield running, set_up(running)


@pytest_asyncio.fixture
async def ingest(own: tuple[RunningServer, Provisioned]) -> AsyncIterator[Transit]:
    """The ingest ring, logged in."""
    transit = own[1].transit("ingest", deadline=1.0)
    await transit.probe("acme")
    yield transit
    await transit.aclose()


@pytest.fixture
def liar() -> Iterator[FakeKeyServer]:
    server = FakeKeyServer()
    yield server
    server.close()


async def refused(transit: Transit, *, within: float = 1.3) -> KeysError:
    """The error of a wrap and of an unwrap, in time and free of the DEK; the unwrap's is returned."""
    for call in (transit.wrap("acme", {bytes(16): DEK}), transit.unwrap("acme", [WRAPPED], batch="lst_x")):
        started = time.monotonic()
        with pytest.raises(KeysError) as caught:
            await call
        assert time.monotonic() - started < within
        assert_silent(caught.value)
    return caught.value


def assert_silent(error: KeysError) -> None:
    """Neither the error nor anything that hangs on it tells the DEK, the token or the server's words."""
    told = str(error) + repr(error) + "".join(traceback.format_exception(error)) + repr(vars(error))
    assert not any(secret in told for secret in (*SPELLINGS, "quoting", "hvs."))
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


async def refusal(transit: Transit, *, within: float = 1.3) -> KeysError | None:
    """The error of an unwrap, in time and free of the DEK; None when it was answered."""
    started = time.monotonic()
    try:
        await transit.unwrap("acme", [WRAPPED], batch="lst_x")
    except KeysError as error:
        assert time.monotonic() - started < within
        assert_silent(error)
        return error
    return None


async def test_sealed_server_is_told_and_recovers(
    own: tuple[RunningServer, Provisioned], ingest: Transit
) -> None:
    """A sealed server is Sealed within the deadline; unsealed, the same ring goes on by itself."""
    told = None
    for _ in range(5):
        # Sealed by hand it unseals itself two seconds later: a busy machine may come too late to see it.
        own[0].admin.post("sys/seal")
        told = await refusal(ingest)
        own[0].restart()
        await ingest.probe("acme")
        if isinstance(told, Sealed):
            break
    assert isinstance(told, Sealed)


async def test_killed_server_is_told_and_recovers(
    own: tuple[RunningServer, Provisioned], ingest: Transit
) -> None:
    """A killed server is Unreachable within the deadline; restarted, what it wrapped before still opens."""
    wrapped = await ingest.wrap("acme", {bytes(16): DEK})
    own[0].kill()
    assert isinstance(await refused(ingest), Unreachable)
    own[0].restart()
    reveal = own[1].transit("reveal")
    assert await reveal.unwrap("acme", wrapped, batch="lst_x") == [DEK]
    await reveal.aclose()


async def test_restart_inside_the_deadline_is_not_noticed(own: tuple[RunningServer, Provisioned]) -> None:
    """A call made while the server restarts waits for it instead of failing."""
    patient = own[1].transit("ingest", deadline=30.0)
    await patient.probe("acme")
    own[0].kill()
    call = asyncio.create_task(patient.wrap("acme", {bytes(16): DEK}))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(own[0].restart)
    assert len(await call) == 1
    await patient.aclose()


async def test_revoked_token_is_replaced_once(
    own: tuple[RunningServer, Provisioned], ingest: Transit
) -> None:
    """Twenty calls that find their token revoked all succeed, on one new login."""
    revoke_all(own[0])
    before = logins(own[0])
    done = await asyncio.gather(*(ingest.wrap("acme", {os.urandom(16): DEK}) for _ in range(20)))
    assert [len(one) for one in done] == [1] * 20
    assert logins(own[0]) - before == 1


async def test_lost_policy_is_refused_without_a_login_storm(
    own: tuple[RunningServer, Provisioned], ingest: Transit
) -> None:
    """A policy taken away is Refused at once, without retries or logins; given back, all goes on."""
    admin = own[0].admin
    admin.delete("sys/policies/acl/strongroom-ingest")
    before = logins(own[0])
    spent = []
    for _ in range(5):
        started = time.monotonic()
        with pytest.raises(Refused):
            await ingest.wrap("acme", {bytes(16): DEK})
        spent.append(time.monotonic() - started)
    assert min(spent) < 0.5  # of several: retries would hold up each of them until the deadline
    assert logins(own[0]) == before
    admin.post("sys/policies/acl/strongroom-ingest", {"policy": policy("ingest", "strongroom")})
    await ingest.probe("acme")


async def test_losing_the_guard_too_is_no_login_storm(
    own: tuple[RunningServer, Provisioned], ingest: Transit
) -> None:
    """Where a token may not even look itself up, twenty refusals cost one login."""
    admin = own[0].admin
    guard = admin.get("sys/policies/acl/strongroom-guard")["data"]["policy"]
    for name in ("ingest", "guard"):
        admin.delete(f"sys/policies/acl/strongroom-{name}")
    before = logins(own[0])
    tries = (ingest.wrap("acme", {os.urandom(16): DEK}) for _ in range(20))
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert {type(one) for one in done} == {Refused}
    assert logins(own[0]) - before <= 1
    admin.post("sys/policies/acl/strongroom-guard", {"policy": guard})
    admin.post("sys/policies/acl/strongroom-ingest", {"policy": policy("ingest", "strongroom")})
    await ingest.probe("acme")


async def test_proxy_of_the_surroundings_is_ignored(
    own: tuple[RunningServer, Provisioned], liar: FakeKeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a proxy in the environment no byte goes to it."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, liar.addr)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    transit = own[1].transit("ingest")
    await transit.probe("acme")
    await transit.aclose()
    assert liar.requests == []


async def test_token_of_the_surroundings_is_ignored(
    liar: FakeKeyServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A root token left in the environment or the home folder is never sent."""
    (tmp_path / ".vault-token").write_text("hvs.root-in-home")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_TOKEN", "hvs.root-in-environment")
    monkeypatch.setenv("VAULT_NAMESPACE", "elsewhere")
    transit = _ring(liar)
    assert isinstance(await refused(transit), Misconfigured)
    await transit.aclose()
    assert "x-vault-token" not in liar.requests[0].headers
    assert not any("hvs.root" in str(r.headers) for r in liar.requests)
    assert not any("x-vault-namespace" in r.headers for r in liar.requests)


async def test_redirect_is_not_followed(liar: FakeKeyServer) -> None:
    """A redirect takes neither token nor DEK to another host."""
    other = FakeKeyServer()
    liar.behaviour = answer(307, b"", Location=f"{other.addr}/v1/elsewhere")
    transit = _ring(liar)
    assert isinstance(await refused(transit), Behind)
    await transit.aclose()
    other.close()
    assert other.requests == []


def _items(*items: dict[str, str]) -> Behaviour:
    return answer(200, {"data": {"batch_results": list(items)}})


GOOD = {"ciphertext": WRAPPED.wrapped, "plaintext": SPELLINGS[1]}


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        pytest.param(hanging, Unreachable, id="hangs"),
        pytest.param(reset, Unreachable, id="hangs up"),
        pytest.param(dripping(b"x" * 100, every=0.1), Unreachable, id="drips"),
        pytest.param(dripping_headers, Unreachable, id="drips headers"),
        pytest.param(truncated(b'{"data":{"plaintext":"' + DEK), Unreachable, id="truncated"),
        pytest.param(answer(200, DEK), Misconfigured, id="not JSON"),
        pytest.param(answer(200, b'{"data":{"plaintext":"' + DEK), Misconfigured, id="half JSON"),
        pytest.param(answer(200, b"\xff\xfe" + DEK), Misconfigured, id="not text"),
        pytest.param(answer(200, b""), Misconfigured, id="empty"),
        pytest.param(answer(200, ECHO), Misconfigured, id="another shape"),
        pytest.param(answer(200, {"data": {"batch_results": SPELLINGS[1]}}), Misconfigured, id="no list"),
        pytest.param(_items(), Misconfigured, id="too few items"),
        pytest.param(_items(GOOD, GOOD), Misconfigured, id="too many items"),
        pytest.param(answer(204, b""), Misconfigured, id="no content"),
        pytest.param(answer(400, ECHO), Misconfigured, id="400"),
        pytest.param(answer(403, ECHO), Refused, id="403"),
        pytest.param(answer(404, ECHO), Misconfigured, id="404"),
        pytest.param(answer(412, ECHO), Behind, id="412"),
        pytest.param(answer(429, ECHO), Behind, id="429"),
        pytest.param(answer(429, {"errors": ["rate limit quota exceeded"]}), Busy, id="429 of a quota"),
        pytest.param(answer(473, ECHO), Behind, id="473"),
        pytest.param(answer(500, ECHO), Sealed, id="500"),
        pytest.param(answer(502, DEK), Unreachable, id="502"),
        pytest.param(answer(503, ECHO), Sealed, id="503"),
        pytest.param(answer(418, DEK), Misconfigured, id="418"),
    ],
)
async def test_bad_answer_is_typed_and_silent(
    liar: FakeKeyServer, behaviour: Behaviour, error: type[KeysError]
) -> None:
    """Whatever comes back, the error is the one for it, in time, and says nothing of what came."""
    liar.behaviour = behaviour
    transit = _ring(liar)
    assert type(await refused(transit, within=1.0)) is error
    await transit.aclose()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("cipher: message authentication failed", Tampered),
        ("ciphertext or signature version is disallowed by policy (too old)", Retired),
        ("invalid ciphertext: no prefix", Tampered),
        ("invalid ciphertext: version is too new", Tampered),
    ],
)
async def test_bad_item_is_named_alone(liar: FakeKeyServer, text: str, error: type[KeysError]) -> None:
    """One item's error is that item's answer; the DEK beside it is answered, and not told in the error."""
    liar.behaviour = _items(GOOD, {"error": text})
    transit = _ring(liar)
    if "too new" in text:
        liar.behaviour = _items({"error": text})
        opened = [DEK, *await transit.unwrap("acme", [WRAPPED], batch="lst_x")]
    else:
        opened = await transit.unwrap("acme", [WRAPPED, WRAPPED], batch="lst_x")
    assert opened[0] == DEK
    assert type(opened[1]) is error
    await transit.aclose()


async def test_dek_of_another_length_is_tampered(liar: FakeKeyServer) -> None:
    """What unwraps to anything but 32 bytes was never one of our DEKs."""
    liar.behaviour = _items({"plaintext": b64encode(b"short").decode()})
    transit = _ring(liar)
    opened = await transit.unwrap("acme", [WRAPPED], batch="lst_x")
    assert isinstance(opened[0], Tampered)
    await transit.aclose()


async def test_hung_threads_do_not_hold_the_next_call(liar: FakeKeyServer) -> None:
    """With more calls hanging than there are threads, each still ends in its own time."""
    liar.behaviour = hanging
    transit = _ring(liar, threads=2)
    started = time.monotonic()
    calls = (transit.wrap("acme", {os.urandom(16): DEK}) for _ in range(6))
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(one) for one in done} == {Unreachable}
    assert time.monotonic() - started < 1.3
    liar.behaviour = _items({"plaintext": SPELLINGS[1]})
    await until(lambda: _opens(transit), seconds=5)
    await transit.aclose()


async def test_long_lists_leave_a_thread_for_a_short_one():
    """While the key server keeps all calls of two lists of 2,400 waiting, a call of one is answered."""
    transit = Transit(Server("http://127.0.0.1:9"), AppRole("role", "secret"), threads=4, deadline=5)
    answered, under_way = threading.Event(), []

    def waits(part, _):
        under_way.append(len(part))
        answered.wait(5)
        return list(part)

    items = list(range(2400))
    long = asyncio.gather(*(transit._in_chunks(items, waits, None, 240) for _ in range(2)))
    await until(lambda: len(under_way) == 3)
    assert await transit._in_chunks(["one"], lambda part, _: list(part)) == ["one"]
    assert len(under_way) == 3
    answered.set()
    assert await long == [items, items]
    transit._threads.shutdown()


async def _opens(transit: Transit) -> bool:
    """Whether a DEK is unwrapped; False while the server is out of reach."""
    try:
        return await transit.unwrap("acme", [WRAPPED], batch="lst_x") == [DEK]
    except Unreachable:
        return False


def _ring(server: FakeKeyServer, **options: float) -> Transit:
    return Transit(Server(server.addr), AppRole("role", "secret"), deadline=0.6, **options)


def revoke_all(running: RunningServer) -> None:
    """Revoke every token the AppRoles gave out."""
    running.admin.post("sys/leases/revoke-prefix/auth/approle/login")


def logins(running: RunningServer) -> int:
    """How many logins the server's own log has seen."""
    log = running.audit_log.read_bytes().splitlines()
    return sum(b'"type":"response"' in line and b'"path":"auth/approle/login"' in line for line in log)
