"""Pace: lists of several requests begin apart, and nobody who comes alone waits for that."""

import asyncio

from tests.unit.test_gather import Desk, outcomes, settle


async def test_after_a_list_of_several_the_next_begins_a_little_later():
    """While requests come close together, what arrives within the moment shares one list."""
    desk = Desk(apart=0.05)
    begun = asyncio.get_running_loop().time()
    assert await outcomes(desk.send("a"), desk.send("b")) == ["a", "b"]
    late = desk.send("c")
    await settle()
    assert await outcomes(late, desk.send("d")) == ["c", "d"]
    assert desk.verb.names == [["a", "b"], ["c", "d"]]
    assert desk.verb.began[1] - begun >= 0.05


async def test_lists_of_many_credentials_keep_apart_too():
    """However many tasks a burst has started, each looks again at when the next list may begin."""
    desk = Desk(apart=0.05, list_items=2, lists_at_once=2)
    begun = asyncio.get_running_loop().time()
    sent = [desk.send(f"{n}", credential=f"acme.{n % 3}") for n in range(6)]
    await outcomes(*sent)
    assert [len(names) for names in desk.verb.names] == [2, 2, 2]
    assert all(at - begun >= 0.05 * n for n, at in enumerate(desk.verb.began))
    await desk.gather.drain()
    assert not any(line.pausing or line.running for line in desk.gather._lines.values())


async def test_who_comes_alone_is_served_at_once():
    """However far lists of several are kept apart, one after the other waits for nothing."""
    desk = Desk(apart=60)
    async with asyncio.timeout(5):
        assert [(await outcomes(desk.send(name)))[0] for name in "abc"] == ["a", "b", "c"]
        assert await outcomes(desk.send("long", items=1000)) == ["long"]
        assert await outcomes(desk.send("d")) == ["d"]
