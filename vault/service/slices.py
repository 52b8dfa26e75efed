"""Long work on a worker's one thread, in slices: between two of them, who else is there has the thread."""

import asyncio
from collections.abc import AsyncIterator, Sequence
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
