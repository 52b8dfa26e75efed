"""Long work on a worker's one thread, in slices: between two of them, who else is there has the thread."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from typing import TypeVar

SLICE = 50
"""Items that are worked on without a pause: about two milliseconds."""
T = TypeVar("T")


async def slices(items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """All items, in their order, with a pause after each slice but the last."""
    for start in range(0, len(items), SLICE):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + SLICE]


async def in_slices(making: Iterable[T]) -> list[T]:
    """Everything that `making` makes as it is asked for it, with a pause after each slice."""
    left = iter(making)
    made = list(islice(left, SLICE))
    while made and len(made) % SLICE == 0:
        await asyncio.sleep(0)
        some = list(islice(left, SLICE))
        if not some:
            break
        made += some
    return made
