"""Readiness, which strangers may ask for as often as they like."""

import asyncio

from starlette.requests import Request

from vault.api.system import SystemApi
from vault.errors import Unavailable


class Plane:
    """A plane that counts how often it was looked at."""

    def __init__(self) -> None:
        self.looks = 0
        self.down = False
        self.now = 100.0

    async def check(self) -> None:
        self.looks += 1
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("store_unavailable")

    def api(self) -> SystemApi:
        return SystemApi({}, {"reveal": self.check}, clock=lambda: self.now)


ASKED = Request({"type": "http", "method": "GET", "headers": []})


async def test_a_flood_of_questions_is_one_look():
    """However many ask at once, ready or not, the plane is looked at once a second."""
    plane = Plane()
    api = plane.api()
    for plane.down, status in ((False, 200), (True, 503)):
        plane.now += 1.0
        answers = await asyncio.gather(*(api.ready(ASKED) for _ in range(200)))
        assert {answer.status_code for answer in answers} == {status}
    assert plane.looks == 2


async def test_a_plane_that_recovers_says_so_within_a_second():
    """What was learnt counts for a second and no longer."""
    plane = Plane()
    api = plane.api()
    plane.down = True
    assert (await api.ready(ASKED)).status_code == 503
    plane.down = False
    plane.now += 1.0
    assert (await api.ready(ASKED)).status_code == 200


async def test_planes_are_looked_at_side_by_side():
    """What is down for every plane of a process is told after one plane's wait, not after the sum of them."""
    waiting, all_there = [], asyncio.Event()

    async def check() -> None:
        waiting.append(1)
        if len(waiting) == 5:
            all_there.set()
        await all_there.wait()

    api = SystemApi({}, {f"plane{number}": check for number in range(5)})
    async with asyncio.timeout(10):
        assert (await api.ready(ASKED)).status_code == 200
