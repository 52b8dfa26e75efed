"""Slices: long work does not keep the worker's thread for itself."""

import asyncio

import pytest

from vault.service.slices import SLICE, slices


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
