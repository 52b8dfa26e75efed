"""Several addresses of the key server: whichever node serves answers, inside the deadline."""

import asyncio
import os
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
import pytest_asyncio

from keys.admin import Admin
from keys.devserver import RunningServer
from keys.errors import Busy, KeysError, Misconfigured, Refused, Tampered, Unreachable
from keys.methods import AppRole
from keys.nodes import Server
from keys.ring import WrappedDek
from keys.transit import Transit
from tests.fakes.key_server import Behaviour, FakeKeyServer, answer, dripping, hanging, reset, truncated
from tests.fakes.proxy import Proxy
from tests.plugins.bao import Provisioned

DEK = bytes(range(32))
WRAPPED = WrappedDek(bytes(16), "vault:v1:" + b64encode(bytes(60)).decode())
OPENS = answer(200, {"data": {"batch_results": [{"plaintext": b64encode(DEK).decode()}]}})
DECRYPT = "strongroom/decrypt/kek-acme"
SEALED = answer(503, {"errors": ["Vault is sealed"]})
NO_LEADER = answer(500, {"errors": ["local node not active but active cluster node not found"]})
TOO_NEW = answer(200, {"data": {"batch_results": [{"error": "invalid ciphertext: version is too new"}]}})


@pytest.fixture
def nodes() -> Iterator[list[FakeKeyServer]]:
    """Two nodes that serve."""
    made = [FakeKeyServer(OPENS), FakeKeyServer(OPENS)]
    yield made
    for one in made:
        one.close()


@pytest_asyncio.fixture
async def transit(nodes: list[FakeKeyServer]) -> AsyncIterator[Transit]:
    """A ring that knows both nodes, the first before the second."""
    ring = ring_of(nodes)
    yield ring
    await ring.aclose()


def ring_of(nodes: list[FakeKeyServer], **options: float) -> Transit:
    addresses = ",".join(one.addr for one in nodes)
    return Transit(Server(addresses), AppRole("role", "secret"), **options)


async def opened(transit: Transit) -> float:
    """Seconds that an unwrap took; it was answered with the DEK."""
    started = time.monotonic()
    assert await transit.unwrap("acme", [WRAPPED], batch="lst_x") == [DEK]
    return time.monotonic() - started


def sick(node: FakeKeyServer, behaviour: Behaviour) -> None:
    """Every request to this node, logins and renewals included, goes this way."""
    node.behaviour = node.login = node.renewal = behaviour


SICK = [
    pytest.param(reset, id="hangs up"),
    pytest.param(hanging, id="hangs"),
    pytest.param(truncated(b'{"data":'), id="truncated"),
    pytest.param(dripping(b"x" * 100, every=0.1), id="drips"),
    pytest.param(SEALED, id="sealed"),
    pytest.param(NO_LEADER, id="no leader"),
    pytest.param(answer(500, {"errors": ["internal error"]}), id="no audit"),
    pytest.param(answer(501, {"errors": []}), id="not initialised"),
    pytest.param(answer(502, b""), id="502"),
    pytest.param(answer(504, b""), id="504"),
    pytest.param(answer(307, b"", Location="http://127.0.0.1:1/"), id="307"),
    pytest.param(answer(412, {"errors": []}), id="412"),
    pytest.param(answer(429, {"errors": []}), id="behind an index"),
    pytest.param(answer(472, {"errors": []}), id="472"),
    pytest.param(answer(473, {"errors": []}), id="473"),
]


@pytest.mark.parametrize("behaviour", SICK)
async def test_a_sick_node_is_passed_over(
    nodes: list[FakeKeyServer], transit: Transit, behaviour: Behaviour
) -> None:
    """With the first node sick from the start, login and unwrap are answered by the second in time."""
    sick(nodes[0], behaviour)
    assert await opened(transit) < 2.5
    tried = len(nodes[0].requests)
    assert await opened(transit) < 0.5
    assert len(nodes[0].requests) == tried


@pytest.mark.parametrize("behaviour", SICK)
async def test_a_node_that_falls_sick_is_passed_over(
    nodes: list[FakeKeyServer], transit: Transit, behaviour: Behaviour
) -> None:
    """A node that falls sick between two unwraps costs neither an error nor the deadline, nor a login."""
    await opened(transit)
    sick(nodes[0], behaviour)
    assert await opened(transit) < 2.5
    assert [one.asked("auth/approle/login") for one in nodes] == [1, 0]


async def test_a_dead_node_is_passed_over(nodes: list[FakeKeyServer], transit: Transit) -> None:
    """A node that refuses connections costs next to nothing."""
    nodes[0].close()
    assert await opened(transit) < 0.5


async def test_only_the_first_list_pays_for_a_hung_node(nodes: list[FakeKeyServer], transit: Transit) -> None:
    """A node that accepts and never answers takes half of one call's time, and nothing of those after it."""
    await opened(transit)
    nodes[0].behaviour = hanging
    assert 1.0 < await opened(transit) < 2.5
    assert sum([await opened(transit) for _ in range(5)]) < 0.5
    assert nodes[0].asked(DECRYPT) == 2


async def test_a_node_that_is_back_is_used_again(nodes: list[FakeKeyServer], transit: Transit) -> None:
    """Doubt ends: a second later one call finds the first node well, and the next ones go there."""
    nodes[0].behaviour = SEALED
    await opened(transit)
    nodes[0].behaviour = OPENS
    await asyncio.sleep(1.1)
    before = nodes[0].asked(DECRYPT)
    for _ in range(3):
        await opened(transit)
    assert nodes[0].asked(DECRYPT) - before == 3


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (answer(400, {"errors": ["bad"]}), Misconfigured),
        (answer(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}), Refused),
        (answer(404, {"errors": []}), Misconfigured),
        (answer(429, {"errors": ["request path: rate limit quota exceeded"]}), Busy),
        (answer(200, b"not JSON"), Misconfigured),
    ],
)
async def test_a_refusal_is_not_carried_elsewhere(
    nodes: list[FakeKeyServer], behaviour: Behaviour, error: type[KeysError]
) -> None:
    """What the first node says in earnest is the answer: no other node is asked for a better one."""
    nodes[0].behaviour = behaviour
    ring = ring_of(nodes, deadline=0.6)
    with pytest.raises(error):
        await ring.unwrap("acme", [WRAPPED], batch="lst_x")
    await ring.aclose()
    assert nodes[1].asked(DECRYPT) == 0


async def test_all_down_is_told_in_time_and_passes(nodes: list[FakeKeyServer]) -> None:
    """With every node hung the error comes inside the deadline; the first that is back serves at once."""
    ring = ring_of(nodes, deadline=0.8)
    await opened(ring)
    for one in nodes:
        one.behaviour = hanging
    started = time.monotonic()
    with pytest.raises(Unreachable):
        await ring.unwrap("acme", [WRAPPED], batch="lst_x")
    assert time.monotonic() - started < 1.2
    nodes[1].behaviour = OPENS
    assert await opened(ring) < 0.8
    await ring.aclose()


async def test_a_stale_standby_sends_us_to_the_active_node(
    nodes: list[FakeKeyServer], transit: Transit
) -> None:
    """A key version that a standby goes on not knowing is looked up at the node that says it leads."""
    nodes[0].behaviour = TOO_NEW
    nodes[1].leads = True
    assert await opened(transit) < 1.5
    assert (nodes[0].asked(DECRYPT), nodes[1].asked(DECRYPT)) == (3, 1)


async def test_a_version_that_no_node_knows_was_never_made(
    nodes: list[FakeKeyServer], transit: Transit
) -> None:
    """Where the active node does not know a version either, the wrapped DEK is a forgery."""
    nodes[0].behaviour = nodes[1].behaviour = TOO_NEW
    nodes[1].leads = True
    found = await transit.unwrap("acme", [WRAPPED], batch="lst_x")
    assert [type(one) for one in found] == [Tampered]


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (reset, 0),
        (truncated(b"{"), 0),
        (answer(500, {"errors": ["internal error"]}), 0),
        (answer(504, b""), 0),
        (SEALED, 1),
        (NO_LEADER, 1),
        (answer(472, b""), 1),
    ],
)
def test_a_write_that_may_have_been_done_is_not_done_twice(
    nodes: list[FakeKeyServer], behaviour: Behaviour, told: int
) -> None:
    """An operator's write goes to another node only when the first cannot have done it."""
    nodes[0].behaviour = behaviour
    nodes[1].behaviour = answer(204, b"")
    admin = Admin.with_token(Server(f"{nodes[0].addr},{nodes[1].addr}"), "hvs.operator")
    try:
        admin.post("strongroom/keys/kek-acme/rotate")
    except KeysError as error:
        assert told == 0, error
    assert nodes[1].asked("strongroom/keys/kek-acme/rotate") == told


@pytest.mark.parametrize("mode", ["blackhole", "reset", "lose_reply"])
async def test_a_long_list_survives_the_loss_of_a_node(
    bao: RunningServer, provisioned: Provisioned, mode: str
) -> None:
    """A real server behind two lines: one breaks while 1,000 DEKs are unwrapped, and every one opens."""
    deks = {os.urandom(16): os.urandom(32) for _ in range(1000)}
    ingest = provisioned.transit("ingest")
    wrapped = await ingest.wrap("acme", deks)
    await ingest.aclose()
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(Proxy(bao.port)) for _ in range(2)]
        address = ",".join(f"http://127.0.0.1:{one.port}" for one in lines)
        reveal = Transit(replace(provisioned.server, address=address), provisioned.identities["reveal"])
        assert await reveal.unwrap("acme", wrapped[:1], batch="lst_x") == [deks[wrapped[0].dek_id]]
        lines[0].mode = mode
        started = time.monotonic()
        assert await reveal.unwrap("acme", wrapped, batch="lst_y") == list(deks.values())
        assert time.monotonic() - started < 2.5
        assert lines[0].struck > 0
        await reveal.aclose()
