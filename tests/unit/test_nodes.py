"""Which node of the key server is asked next, and how long each may take."""

import pytest

from keys.errors import Misconfigured
from keys.nodes import TRIAL_SECONDS, Nodes, Server
from tests.unit.test_login import Clock

A, B, C = "https://a.example:8200", "https://b.example:8200", "https://c.example:8200"


def order(nodes: Nodes, clock: Clock, seconds: float = 3.0) -> list[int]:
    return [turn.node for turn in nodes.turns(clock.now + seconds)]


def test_a_list_of_addresses_is_read_in_order():
    """Addresses are separated by commas; each is a server by itself with the same CA and namespace."""
    server = Server(f"{A}, {B}/,{C}", ca="ca.pem", namespace="team")
    assert server.addresses == (A, B, C)
    assert list(server.nodes()) == [Server(one, ca="ca.pem", namespace="team") for one in (A, B, C)]


@pytest.mark.parametrize(
    "address",
    [f"{A},http://b.example:8200", f"{A},", f"{A},,{B}", f"{A},{A}/", f"{A} {B}", f"{A},https://x:port",
     ",".join(f"https://n{i}" for i in range(17)), f"{A},https://u@b.example", f"{A}#x,{B}"],
)  # fmt: skip
def test_one_bad_address_spoils_the_list(address: str):
    """Each address of a list is held to the rules of one; none may stand twice or be empty."""
    with pytest.raises(Misconfigured):
        Server(address)


def test_a_node_that_failed_is_asked_last_until_its_time_is_over():
    """A node that failed goes behind the others for a second, and comes back to its place."""
    clock = Clock()
    nodes = Nodes(3, clock=clock)
    assert order(nodes, clock) == [0, 1, 2]
    nodes.failed(0)
    assert order(nodes, clock) == [1, 2, 0]
    clock.now += 1.01
    assert order(nodes, clock) == [0, 1, 2]
    nodes.answered(0)
    assert [order(nodes, clock) for _ in range(2)] == [[0, 1, 2]] * 2


def test_one_call_alone_finds_out_whether_a_node_is_back():
    """When its time is over one call tries it, for a moment; the calls beside it do not wait for it."""
    clock = Clock()
    nodes = Nodes(2, clock=clock)
    nodes.failed(0)
    clock.now += 1.01
    trial = next(nodes.turns(clock.now + 3))
    assert trial.node == 0
    assert trial.seconds == TRIAL_SECONDS
    assert order(nodes, clock) == [1, 0]


def test_doubt_grows_and_has_an_end():
    """A node that fails each time it is tried is left alone for longer, but never for more than 30 s."""
    clock, spans = Clock(), []
    nodes = Nodes(2, clock=clock)
    nodes.failed(0)
    for _ in range(8):
        waited = 0
        while order(nodes, clock)[0] == 1:
            clock.now += 0.5
            waited += 1
        nodes.failed(0)
        spans.append(waited / 2)
    assert spans[:5] == [1, 2, 4, 8, 16]
    assert set(spans[5:]) == {30}


def test_calls_that_fail_together_are_one_failure():
    """Twenty calls that were under way when a node died do not keep it away for longer than one."""
    clock = Clock()
    nodes = Nodes(2, clock=clock)
    for _ in range(20):
        nodes.failed(0)
    clock.now += 1.01
    assert order(nodes, clock) == [0, 1]


def test_time_is_left_for_every_node():
    """Nodes that hang one after the other leave the last one its share; a single node has all the time."""
    clock = Clock()
    nodes = Nodes(3, clock=clock)
    shares = []
    for turn in nodes.turns(clock.now + 3):
        shares.append(round(turn.seconds, 6))
        clock.now += turn.seconds
    assert shares == [1, 1, 1]
    assert next(Nodes(1, clock=clock).turns(clock.now + 3)).seconds == pytest.approx(3)


def test_all_in_doubt_are_all_asked():
    """When no node is believed well each is asked all the same, the one longest in doubt first."""
    clock = Clock()
    nodes = Nodes(3, clock=clock)
    for node in (1, 2, 0):
        nodes.failed(node)
        clock.now += 0.1
    assert order(nodes, clock) == [1, 2, 0]


def test_a_preferred_node_goes_first():
    """Who asks for the active node has it first, whatever is believed of it, and the others after it."""
    clock = Clock()
    nodes = Nodes(3, clock=clock)
    nodes.failed(2)
    assert [turn.node for turn in nodes.turns(clock.now + 3, first=2)] == [2, 0, 1]
