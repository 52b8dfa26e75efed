"""Waiting for something to happen instead of for a time: a busy machine is slow, and not wrong."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], bool | Awaitable[bool]], seconds: float = 40.0) -> None:
    """Return once it holds. Raises: TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            told = holds()
            if await told if isinstance(told, Awaitable) else told:
                return
            await asyncio.sleep(0.02)
