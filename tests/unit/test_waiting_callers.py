"""Whoever waits on his way in is worked for with the rights he has when he is let in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from starlette.requests import Request

from tests.fakes.authority import World
from tests.unit.test_authenticate import buy
from tests.unit.test_gather import settle
from vault.api import edge
from vault.api.problems import end_visit
from vault.errors import Unauthenticated
from vault.model.ask import Caller
from vault.service.authenticate import Authenticator
from vault.service.credentials import revoke
from vault.service.doors import BYTES_AT_ONCE

PAY = "acme.pay"


@dataclass
class Gate:
    """The reveal plane's way in, before which another credential is about."""

    world: World
    authenticator: Authenticator
    tokens: dict[str, str]
    come: list[Request] = field(default_factory=list)
    asked: int = 0

    async def authenticate(self, authorization: str | None, *, address: str, request_id: str) -> Caller:
        """Counts."""
        self.asked += 1
        return await self.authenticator.authenticate(authorization, address=address, request_id=request_id)

    def enter(self, name: str, body: bytes | Awaitable[bytes]) -> "asyncio.Task[tuple[Caller, bytes]]":
        """A request whose body is here, or will be."""

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body if isinstance(body, bytes) else await body}

        bearer = (b"authorization", f"Bearer {self.tokens[name]}".encode())
        headers = [(b"content-type", b"application/json"), bearer]
        scope = {"type": "http", "method": "POST", "headers": headers, "state": {"request_id": "req_1"}}
        self.come.append(Request(scope, receive))
        return asyncio.create_task(edge.received(self.come[-1], self))  # type: ignore[arg-type]

    @property
    def admission(self):
        return self.authenticator.admission


@pytest_asyncio.fixture
async def gate() -> AsyncIterator[Gate]:
    """One long list of `pay` is being worked on, and `quiet` is about."""
    world = World()
    await world.found()
    issued = [await world.credential(name, "inspect") for name in ("pay", "quiet")]
    tokens = {name: await buy(world, one) for name, one in zip(("pay", "quiet"), issued, strict=True)}
    made = Gate(world, world.authenticator("reveal"), tokens)
    await made.enter("quiet", b"{}")
    await made.enter("pay", bytes(BYTES_AT_ONCE))
    yield made
    for one in made.come:
        end_visit(one.scope)
    assert made.admission.work._doors == made.admission.bodies._doors == {}
    world.hasher.close()


async def revoked(gate: Gate) -> None:
    await revoke(PAY, gate.world.admin(), gate.world.control)
    gate.world.clock.tick(1)


async def frozen(gate: Gate) -> None:
    gate.world.store.held["acme"] = frozenset({PAY})
    gate.world.clock.tick(1)


async def _met(waiting: "asyncio.Task[tuple[Caller, bytes]]") -> tuple[object, ...]:
    """How he is met: by a refusal, or with his rights."""
    try:
        caller, _ = await waiting
    except Unauthenticated as refusal:
        return (refusal.code,)
    return caller.frozen, caller.grants


ENDS = [(revoked, ("credential_inactive",)), (frozen, (True, ()))]


@pytest.mark.parametrize(("end", "met"), ENDS)
async def test_a_right_that_ends_while_its_bearer_waits_at_the_door_is_gone(gate, monkeypatch, end, met):
    """Revoked or frozen between coming and being let in: the request is met as if it came now."""
    # However little time the test takes, it is a wait.
    monkeypatch.setattr(edge, "MOMENT", 0.0)
    waiting = gate.enter("pay", b"{}")
    await settle()
    assert not waiting.done()
    await end(gate)
    end_visit(gate.come[1].scope)
    assert await _met(waiting) == met


@pytest.mark.parametrize(("end", "met"), ENDS)
async def test_a_right_that_ends_while_a_body_arrives_is_gone(gate, monkeypatch, end, met):
    """A body that is sent slowly saves no right that its bearer had when he began."""
    # However little time the test takes, it is a wait.
    monkeypatch.setattr(edge, "MOMENT", 0.0)
    end_visit(gate.come[1].scope)
    body = asyncio.get_running_loop().create_future()
    waiting = gate.enter("pay", body)
    await settle()
    await end(gate)
    body.set_result(b"{}")
    assert await _met(waiting) == met


async def test_who_does_not_wait_is_asked_once(gate, monkeypatch):
    """Nobody is authenticated twice on a short way in."""
    # However slow the machine, it is no wait.
    monkeypatch.setattr(edge, "MOMENT", 3600.0)
    asked = gate.asked
    end_visit(gate.come[1].scope)
    await gate.enter("pay", b"{}")
    assert gate.asked == asked + 1
