"""How often the log's backlog is looked at, and who waits for it."""

import asyncio

import pytest

from tests.plugins.waiting import until
from vault.errors import Unavailable
from vault.service.backlog import FRESH, LATEST, Bound
from vault.store.backlog import Backlog

LIMIT = Backlog(10, 600_000_000)


class Desk:
    """A bound over a database that answers when it is let, or fails."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0
        self.found = Backlog(0, 0)
        self.failure: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.bound = Bound(read=self.read, limit=LIMIT, clock=lambda: self.now, alarm=lambda *_: None)

    async def read(self, tenant: str, limit: Backlog) -> Backlog:
        self.looks += 1
        await self.open.wait()
        if self.failure:
            raise self.failure
        return self.found


async def test_nobody_waits_for_a_look_under_load():
    """After a second the next look begins, and requests go on by the last one until it is there."""
    desk = Desk()
    assert await desk.bound.look("acme") == Backlog(0, 0)
    desk.open.clear()
    desk.found, desk.now = Backlog(3, 1), FRESH
    for _ in range(2):
        assert await desk.bound.look("acme") == Backlog(0, 0)
    await until(lambda: desk.looks == 2)
    desk.open.set()
    await asyncio.gather(*desk.bound._looks.values())
    assert await desk.bound.look("acme") == Backlog(3, 1)
    assert desk.looks == 2


async def test_a_look_of_two_seconds_ago_is_none():
    """Where the next look does not come back, requests wait for it; where it fails, they are refused."""
    desk = Desk()
    await desk.bound.look("acme")
    desk.failure, desk.now = Unavailable("store_unavailable"), FRESH
    await desk.bound.look("acme")
    desk.now = LATEST
    with pytest.raises(Unavailable):
        await desk.bound.look("acme")
    desk.failure, desk.found = None, Backlog(2, 1)
    assert await desk.bound.look("acme") == Backlog(2, 1)
