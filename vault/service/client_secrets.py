"""Client secrets: 256 random bits shown once, kept as Argon2id, verified one at a time in a thread."""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from typing import Any, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from vault.errors import Unavailable
from vault.model import crockford
from vault.model.secret import Secret

T = TypeVar("T")

QUEUE = 32
"""Verifications that may wait; at some 25 ms each the last one waits under a second."""
PATIENCE = 2.0

_FORM = re.compile(r"srs_[0-9a-hjkmnp-tv-z]{52}", re.ASCII)
_PARAMETERS = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)


def mint(random: bytes) -> Secret[str]:
    """A client secret from 32 bytes of a cryptographic source."""
    if len(random) != 32:
        raise ValueError("wants 32 random bytes")
    return Secret("srs_" + crockford.encode(int.from_bytes(random), length=52))


def well_formed(secret: Secret[str]) -> bool:
    """Whether the text could be a client secret at all. Says nothing about any credential."""
    return _FORM.fullmatch(secret.reveal()) is not None


def fingerprint(stored: str) -> str:
    """The SHA-256 (hex) of a stored Argon2id string, as the signed register holds it."""
    return sha256(stored.encode()).hexdigest()


class SecretVerifier:
    """One thread, one verification at a time, a bounded queue in front."""

    def __init__(self, *, random: Callable[[int], bytes], queue: int = QUEUE) -> None:
        self._queue = queue
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="argon2")
        self._waiting: set[Future[Any]] = set()
        # Never matched by anybody: what an unknown client's secret is compared with.
        self._nobody = _PARAMETERS.hash(random(32))

    async def hash(self, secret: Secret[str]) -> str:
        """The Argon2id string to keep. Raises: Unavailable when the queue is full."""
        return await self._run(lambda: _PARAMETERS.hash(secret.reveal()))

    async def matches(self, stored: str | None, secret: Secret[str]) -> bool:
        """Whether `secret` is the one `stored` was made from; for None equally slow, and never.

        Raises: Unavailable when the queue is full or too slow.
        """
        matched = await self._run(lambda: _matches(stored or self._nobody, secret))
        return matched and stored is not None

    def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if len(self._waiting) >= self._queue:
            raise Unavailable("authentication_busy", retry_after=1)
        future = self._thread.submit(work)
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise Unavailable("authentication_busy", retry_after=1) from None


def _matches(stored: str, secret: Secret[str]) -> bool:
    try:
        return _PARAMETERS.verify(stored, secret.reveal())
    except (VerificationError, InvalidHashError):
        return False
