"""Slices: long work does not keep the worker's thread for itself, and short work is not held up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from vault import slices as module
from vault.slices import CHUNK, STRETCH, in_slices, slices

COUNTS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 1000]


class Other:
    """Somebody else on the same thread, who counts his turns."""

    def __init__(self) -> None:
        self.turns = 0

    async def run(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)


@asynccontextmanager
async def beside() -> AsyncIterator[Other]:
    other = Other()
    task = asyncio.create_task(other.run())
    yield other
    task.cancel()


@pytest.fixture
def slow(monkeypatch):
    """A clock on which every look finds a whole stretch gone."""
    ticks = iter(range(1_000_000))
    monkeypatch.setattr(module, "monotonic", lambda: next(ticks) * 2 * STRETCH)


@pytest.fixture
def quick(monkeypatch):
    """A clock on which no time goes by."""
    monkeypatch.setattr(module, "monotonic", lambda: 0.0)


@pytest.mark.parametrize("count", COUNTS)
async def test_others_run_between_two_slices(slow, count):
    """All items come once and in order, no slice is long, and between two of them others have their turn."""
    got, seen = [], []
    async with beside() as other:
        async for some in slices(range(count)):
            assert len(some) <= CHUNK
            got += some
            seen.append(other.turns)
    assert got == list(range(count))
    assert len(set(seen)) == len(seen)
    assert seen[:1] in ([], [0])


@pytest.mark.parametrize("count", COUNTS)
async def test_what_is_made_on_the_way_is_made_in_slices(slow, count):
    """As above, for what is made as it is asked for: nothing is made ahead of its slice."""
    async with beside() as other:
        made = await in_slices((number, other.turns) for number in range(count))
    assert [number for number, _ in made] == list(range(count))
    turns = [{turn for _, turn in made[start : start + CHUNK]} for start in range(0, count, CHUNK)]
    assert all(len(one) == 1 for one in turns)
    assert len(set().union(*turns)) == len(turns)


async def test_what_takes_no_time_is_not_held_up(quick):
    """Without a stretch gone there is no pause, however many items there are."""
    async with beside() as other:
        made = await in_slices(other.turns for _ in range(1000))
        async for some in slices(range(1000)):
            made += [other.turns for _ in some]
    assert set(made) == {0}


async def test_a_bug_in_making_comes_through():
    """Nothing is swallowed on the way."""
    with pytest.raises(ZeroDivisionError):
        await in_slices(1 // (number - 60) for number in range(100))
