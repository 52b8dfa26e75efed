"""Long work on a worker's one thread, in slices: between two of them, who else is there has the thread."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from time import monotonic
from typing import TypeVar

STRETCH = 0.001
"""Seconds that pass before others have their turn."""
CHUNK = 16
"""Items that are worked on between two looks at the clock."""
T = TypeVar("T")


async def slices(items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """All items, some at a time and in their order, with a pause after each stretch of work but the last."""
    begun = monotonic()
    for start in range(0, len(items), CHUNK):
        if start and monotonic() - begun >= STRETCH:
            await asyncio.sleep(0)
            begun = monotonic()
        yield items[start : start + CHUNK]


async def in_slices(making: Iterable[T]) -> list[T]:
    """Everything that `making` makes as it is asked for it, with a pause after each stretch of work."""
    left, made, begun = iter(making), list[T](), monotonic()
    while some := list(islice(left, CHUNK)):
        made += some
        if len(some) == CHUNK and monotonic() - begun >= STRETCH:
            await asyncio.sleep(0)
            begun = monotonic()
    return made
