"""Slices: long work does not keep the worker's thread for itself."""

import asyncio

import pytest

from vault.slices import SLICE, in_slices, slices


@pytest.mark.parametrize("count", [0, 1, SLICE, SLICE + 1, 1000])
async def test_others_run_between_two_slices(count):
    """All items come once and in order, no slice is too long, and between two of them others have their turn;
    what is short is not held up at all."""
    turns, done = 0, False

    async def other() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    got, seen = [], []
    async for some in slices(range(count)):
        assert len(some) <= SLICE
        got += some
        seen.append(turns)
    done = True
    await beside
    assert got == list(range(count))
    assert len(set(seen)) == len(seen)
    assert seen[:1] in ([], [0])


@pytest.mark.parametrize("count", [0, 1, SLICE - 1, SLICE, SLICE + 1, 1000])
async def test_what_is_made_on_the_way_is_made_in_slices(count):
    """As above, for what is made as it is asked for: nothing is made ahead."""
    turns, done = 0, False

    async def other() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    made = await in_slices((number, turns) for number in range(count))
    done = True
    await beside
    assert [number for number, _ in made] == list(range(count))
    for start in range(0, count, SLICE):
        assert len({turn for _, turn in made[start : start + SLICE]}) == 1
    assert len({turn for _, turn in made}) == -(-count // SLICE)


async def test_a_bug_in_making_comes_through():
    """Nothing is swallowed on the way."""
    with pytest.raises(ZeroDivisionError):
        await in_slices(1 // (number - 60) for number in range(100))
