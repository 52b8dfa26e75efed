"""The connections kept to a key server: an answer that is broken off takes none of them along."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from keys.admin import Admin
from keys.errors import KeysError, Unreachable
from keys.methods import AppRole
from keys.nodes import Server
from keys.transit import Transit
from keys.wire import Line, Wire
from tests.fakes.key_server import Behaviour, FakeKeyServer, answer, dripping
from tests.plugins.waiting import until

TOO_LONG = answer(200, bytes(16 << 20))
HASHED = answer(200, {"data": {"batch_results": [{"hmac": "vault:v1:" + "A" * 43 + "="}]}})


@pytest.fixture
def server() -> Iterator[FakeKeyServer]:
    made = FakeKeyServer()
    yield made
    made.close()


@pytest.mark.parametrize(
    "behaviour",
    [pytest.param(dripping(b"x" * 100, every=0.1), id="drips"), pytest.param(TOO_LONG, id="too long")],
)
async def test_broken_off_answers_take_no_connection_along(
    server: FakeKeyServer, behaviour: Behaviour
) -> None:
    """After more answers that were not read to their end than there are connections, the next is read."""
    server.behaviour = behaviour
    transit = Transit(Server(server.addr), AppRole("role", "secret"), threads=2, deadline=0.6)
    for _ in range(3):
        with pytest.raises(Unreachable):
            await transit.index("idem-acme", [b"input"])
    server.behaviour = HASHED
    await until(lambda: _hashes(transit), seconds=5)
    await transit.aclose()


async def _hashes(transit: Transit) -> bool:
    """Whether there is an answer; False while the server is out of reach."""
    try:
        return len(await transit.index("idem-acme", [b"input"])) == 1
    except KeysError:
        return False


async def test_broken_off_answer_does_not_hold_the_operator(server: FakeKeyServer) -> None:
    """With one connection, an answer that was too long is told, and the next one is read."""
    admin = Admin.with_token(Server(server.addr), "hvs.any")
    server.behaviour = TOO_LONG
    with pytest.raises(Unreachable):
        await asyncio.to_thread(admin.get, "sys/health")
    server.behaviour = answer(200, {"sealed": False})
    async with asyncio.timeout(5):
        assert await asyncio.to_thread(admin.get, "sys/health") == {"sealed": False}


async def test_connection_that_is_not_to_be_had_is_told(server: FakeKeyServer) -> None:
    """Who waits for a connection that another keeps is told so in the end, and that nothing was sent."""
    wire = Wire(Server(server.addr))
    [adapter] = wire.adapters("")
    kept = adapter.request("get", "/v1/any", headers={}, raise_exception=False, timeout=(1.0, 1.0))
    asked = len(server.requests)
    call = asyncio.to_thread(Line(wire).send, "get", "any", until=time.monotonic() + 0.2)
    async with asyncio.timeout(5):
        with pytest.raises(Unreachable, match="no connection"):
            await call
    assert len(server.requests) == asked
    kept.raw.close()
    wire.close()
