"""The public keys of one signing key, by version, kept in memory so that verifying needs no call."""

import asyncio
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys.errors import KeysError
from keys.policies import WRITERS, worker_key
from keys.ring import Verifier
from vault.errors import Unavailable

KEPT = 300.0
PAUSE = 1.0
"""Seconds between two fetches on account of an unknown version, or strangers could order them."""

PATIENCE = 1.0
"""Seconds the key server may take; those who verify with keys we hold wait behind it."""


class PublicKeys:
    """Fetches when asked for the first time, when the keys are old, and when a version is unknown."""

    def __init__(self, verifier: Verifier, key: str, *, clock: Callable[[], float]) -> None:
        self._verifier = verifier
        self._key = key
        self._clock = clock
        self._keys: dict[int, Ed25519PublicKey] = {}
        self._fetched = float("-inf")
        self._turn = asyncio.Lock()

    async def get(self, version: int, *, insist: bool = False) -> Ed25519PublicKey | None:
        """The key of `version`, None when there is none. `insist` asks the key server even within the pause.

        Raises: Unavailable when it must be asked and does not answer.
        """
        age = KEPT if version in self._keys else (0.0 if insist else PAUSE)
        await self._refresh(older_than=age)
        return self._keys.get(version)

    async def all(self) -> dict[int, bytes]:
        """Every version's raw key, 32 bytes. Raises: Unavailable."""
        await self._refresh(older_than=KEPT)
        return {version: key.public_bytes_raw() for version, key in self._keys.items()}

    async def latest(self) -> int:
        """The newest version. Raises: Unavailable."""
        await self._refresh(older_than=KEPT)
        return max(self._keys)

    async def _refresh(self, *, older_than: float) -> None:
        async with self._turn:
            if self._keys and self._clock() - self._fetched < older_than:
                return
            # The pause counts from the attempt: a key server in trouble is not asked once per request.
            self._fetched = self._clock()
            try:
                async with asyncio.timeout(PATIENCE):
                    raw = await self._verifier.public_keys(self._key)
                self._keys = {
                    version: Ed25519PublicKey.from_public_bytes(key) for version, key in raw.items()
                }
            except (KeysError, ValueError, TimeoutError):
                # While nobody answers no version can be retired either, so those we hold go on counting.
                if not self._keys:
                    raise Unavailable("authority_unavailable", retry_after=1) from None
            if not self._keys:
                raise Unavailable("authority_unavailable", retry_after=1)


def worker_keys(verifier: Verifier, *, clock: Callable[[], float]) -> dict[str, PublicKeys]:
    """By plane, the keys that endorse its workers and no other's."""
    return {plane: PublicKeys(verifier, worker_key(plane), clock=clock) for plane in WRITERS}
