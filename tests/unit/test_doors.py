"""Doors: one credential's requests take only so much of a worker while others are about."""

import asyncio
import contextlib

import pytest

from tests.unit.test_gather import settle
from vault.errors import Throttled
from vault.service import doors as module
from vault.service.doors import BYTES_AT_ONCE, LEAST_BYTES, MOST_WAITING, Doors

SINGLES = BYTES_AT_ONCE // LEAST_BYTES
BULK = 120_000


class Hall:
    """Doors under a clock that is set by hand, and who is inside."""

    def __init__(self) -> None:
        self.time = 0.0
        self.doors = Doors(clock=lambda: self.time)
        self.inside: list[str] = []
        self.ended: dict[str, asyncio.Event] = {}

    def come(self, name: str, *, size: int = 150, who: str = "abuser") -> asyncio.Task[None]:
        """A request that stays inside until `go`."""
        self.ended[name] = asyncio.Event()
        return asyncio.create_task(self._visit(name, size, who))

    async def go(self, *names: str) -> None:
        for name in names:
            self.ended[name].set()
        await settle()

    async def _visit(self, name: str, size: int, who: str) -> None:
        taken = await self.doors.enter(who, size)
        try:
            self.inside.append(name)
            await self.ended[name].wait()
        finally:
            self.inside.remove(name)
            self.doors.leave(who, taken)


@pytest.fixture
async def hall():
    hall = Hall()
    yield hall
    while hall.inside:
        await hall.go(*hall.inside)
    assert hall.doors._doors == {}, "something is remembered of who has left"


async def test_whoever_is_alone_is_not_held_up(hall):
    """A credential that nobody stands beside has as many requests inside as it sends."""
    tasks = [hall.come(f"r{n}", size=BULK if n % 2 else 150) for n in range(300)]
    await settle()
    assert len(hall.inside) == 300
    assert len(tasks) == 300


@pytest.mark.parametrize(("size", "most"), [(150, SINGLES), (BULK, 1), (BYTES_AT_ONCE // 2, 2)])
async def test_beside_another_a_credential_has_its_share_inside(hall, size, most):
    """Singles to a number, lists one by one; the others wait, and come in as they came when one leaves."""
    quiet = hall.come("quiet", who="quiet")
    tasks = [hall.come(f"r{n:03}", size=size) for n in range(most + 3)]
    await settle()
    assert hall.inside == ["quiet", *(f"r{n:03}" for n in range(most))]
    await hall.go("r000")
    assert hall.inside[-1] == f"r{most:03}"
    assert len(hall.inside) == most + 1
    await hall.go(*hall.ended)
    await asyncio.gather(quiet, *tasks)


async def test_newcomer_finds_no_door_shut_by_another(hall):
    """However much of one credential waits, another's request comes in at once."""
    tasks = [hall.come(f"r{n}", size=BULK) for n in range(20)]
    hall.come("first", who="quiet")
    await settle()
    assert "first" in hall.inside
    assert len(tasks) == 20


async def test_too_many_waiting_are_refused_at_once(hall):
    """Beyond what may wait of a credential the answer is 429 with Retry-After, and only for that one."""
    hall.come("quiet", who="quiet")
    tasks = [hall.come(f"r{n}", size=BULK) for n in range(1 + MOST_WAITING)]
    await settle()
    with pytest.raises(Throttled) as caught:
        await hall.doors.enter("abuser", 150)
    assert (caught.value.code, caught.value.retry_after) == ("queue_full_for_credential", 1)
    hall.come("again", who="quiet")
    await settle()
    assert "again" in hall.inside
    assert len(tasks) == 1 + MOST_WAITING


async def test_nobody_waits_at_the_door_for_ever(hall, monkeypatch):
    """Who is not let in within the time is told to come back, and leaves no place taken or waited for."""
    # Three seconds of waiting, shortened.
    monkeypatch.setattr(module, "SECONDS", 0.02)
    hall.come("quiet", who="quiet")
    hall.come("bulk", size=BULK)
    await settle()
    late = hall.come("late", size=BULK)
    with pytest.raises(Throttled):
        await late
    assert not hall.doors._doors["abuser"].waiting
    await hall.go("bulk")
    hall.come("next", size=BULK)
    await settle()
    assert hall.inside == ["quiet", "next"]


@pytest.mark.parametrize("patience", [0.02, 60.0])
async def test_who_gives_up_makes_way_for_who_stood_behind(hall, monkeypatch, patience):
    """A long list that is late, or hangs up, keeps no short request behind it waiting where there is room."""
    hall.come("quiet", who="quiet")
    hall.come("half", size=BYTES_AT_ONCE // 2)
    await settle()
    # In force as each of them comes: the long one gives up or hangs up, the short one behind it does not.
    monkeypatch.setattr(module, "SECONDS", patience)
    bulk = hall.come("bulk", size=BULK)
    await settle()
    monkeypatch.setattr(module, "SECONDS", 60.0)
    hall.come("short")
    await settle()
    assert "short" not in hall.inside
    if patience > 1:
        bulk.cancel()
    with pytest.raises((Throttled, asyncio.CancelledError)):
        await bulk
    await settle()
    assert hall.inside == ["quiet", "half", "short"]


@pytest.mark.parametrize("moment", ["before it is let in", "when it has just been let in"])
async def test_who_goes_away_at_the_door_takes_no_place_along(hall, moment):
    """A caller that hangs up while its request waits, or as its turn comes, keeps nobody else out."""
    hall.come("quiet", who="quiet")
    hall.come("bulk", size=BULK)
    await settle()
    leaver, after = hall.come("leaver", size=BULK), hall.come("after", size=BULK)
    await settle()
    if moment == "before it is let in":
        leaver.cancel()
        await settle()
        hall.ended["bulk"].set()
    else:
        hall.ended["bulk"].set()
        while "bulk" in hall.inside:
            await asyncio.sleep(0)
        leaver.cancel()
    await settle()
    with contextlib.suppress(asyncio.CancelledError):
        await leaver
    assert hall.inside == ["quiet", "after"]
    assert not after.done()


async def test_company_is_forgotten(hall):
    """Two seconds after the other one was last seen, a credential has all of the worker again."""
    quiet = hall.come("quiet", who="quiet")
    tasks = [hall.come(f"r{n}", size=BULK) for n in range(3)]
    await settle()
    await hall.go("quiet")
    await quiet
    assert hall.inside == ["r0"]
    for _ in range(2):
        hall.time += 1
        tasks.append(hall.come(f"at{hall.time}", size=BULK))
        await settle()
    await hall.go("r0")
    assert hall.inside == ["r1", "r2", "at1.0", "at2.0"]
