"""Rotating a signing key: from now on the new version signs, and what older ones signed goes on verifying.

Nothing is restarted: the key server signs under the newest version by itself, and whoever verifies asks for a
version it has not seen.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from keys.errors import Misconfigured
from keys.provision import SIGNING_KEYS
from vault.errors import BadRequest
from vault.service.key_work import Step

STANDBY_SECONDS = 2.0
_IDEM = (
    "an idempotency key is not rotated: a caller that repeats a request would be told that its key was used "
    "with another body"
)
_KEK = "a KEK is rotated with --tenant: every DEK has to follow"
_INDEX = "an index key is no signing key: rotate it at the key server, then run `strongroom keys reindex`"


class Signing(Protocol):
    async def public_keys(self, key: str) -> dict[int, bytes]:
        """Raw public keys by version. Raises: KeysError."""

    async def rotate(self, key: str, *, newest: int) -> int:
        """Make the version after `newest`, unless somebody has. Raises: KeysError."""


@dataclass(frozen=True, slots=True)
class SigningRotated:
    """What came of it."""

    key: str
    version: int
    public_key: bytes
    older: int
    """Versions before it, under each of which signatures verify as they did."""


def check_signing(key: str) -> None:
    """Raises: BadRequest (`bad_key`) for a key that is not rotated this way, with the way it is."""
    if key in SIGNING_KEYS:
        return
    says = {"idem": _IDEM, "kek": _KEK, "bidx": _INDEX}.get(key.partition("-")[0])
    raise BadRequest("bad_key", says or f"the signing keys are {', '.join(SIGNING_KEYS)}")


async def rotate_signing(
    key: str,
    keys: Signing,
    note: Callable[[Step], Awaitable[object]],
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> SigningRotated:
    """Make a new version and prove that the older ones are as they were. Run again, it makes one more.

    Raises: BadRequest (`bad_key`), KeysError, and as `note`.
    """
    check_signing(key)
    before = await keys.public_keys(key)
    await note(Step("rotate", key, {"to_version": max(before) + 1}))
    await keys.rotate(key, newest=max(before))
    await sleep(STANDBY_SECONDS)
    after = await keys.public_keys(key)
    if any(after.get(version) != raw for version, raw in before.items()) or max(after) <= max(before):
        raise Misconfigured("a version of a signing key is not what it was")
    newest = max(after)
    await note(Step("rotated", key, {"to_version": newest, "public_key": after[newest].hex()}))
    return SigningRotated(key, newest, after[newest], len(after) - 1)
