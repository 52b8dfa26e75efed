"""Idempotency keys: the same key and body bring the same answer back, for at least 24 hours.

What is kept is the answer's tokens and receipts, and a fingerprint of the body under a key that only the
key server can derive, one for each day: nobody with the database can test guesses of a body against it.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from keys.envelope import bind
from keys.ring import Indexer
from vault.alarms import raise_alarm
from vault.errors import KeyReused, RecordTampered, ServiceError
from vault.model.secret import Secret
from vault.store.records import Store

DAY = 86_400_000_000
CODE_BYTES = 32
_KEPT_KEYS = 64


@dataclass(frozen=True, slots=True)
class Key:
    """A caller's idempotency key: where its answer is kept, and the SHA-256 of the body it came with."""

    slot: bytes
    body: Secret[bytes]


def key_for(credential: str, verb: str, text: str, body: bytes) -> Key:
    """The key of one credential's call of one verb."""
    return Key(sha256(bind([credential, verb, text])).digest(), Secret(sha256(body).digest()))


class Keyed(Protocol):
    """A request that may carry a key."""

    @property
    def key(self) -> Key | None: ...


class Fingerprints:
    """Makes and checks fingerprints. Holds the day keys it has used, today's and yesterday's as a rule."""

    def __init__(self, indexer: Indexer, now: Callable[[], int]) -> None:
        self._indexer = indexer
        self._now = now
        self._days: dict[tuple[str, int], bytes] = {}

    async def make(self, tenant: str, key: Key) -> bytes:
        """`day 4 | HMAC-SHA-256 32` for a body seen today. Raises: KeysError on the first call of a day."""
        return await self._make(tenant, key, self._now() // DAY)

    async def match(self, tenant: str, key: Key, fingerprint: bytes) -> bool:
        """Whether `fingerprint` was made of the same body, on whichever day."""
        made = await self._make(tenant, key, int.from_bytes(fingerprint[:4]))
        return hmac.compare_digest(made, fingerprint)

    async def protect(self, tenant: str, key: Key, *, fingerprint: bytes, answer: bytes) -> bytes:
        """`HMAC-SHA-256 32 | answer`, under the key of the fingerprint's day and bound to the slot."""
        # Longer than a body's digest, so that no fingerprint can pass for a code.
        message = b"answer" + key.slot + sha256(answer).digest()
        day_key = await self._day_key(tenant, int.from_bytes(fingerprint[:4]))
        return hmac.digest(day_key, message, "sha256") + answer

    async def unprotect(self, tenant: str, key: Key, *, fingerprint: bytes, kept: bytes) -> bytes | None:
        """The answer that `protect` was given, or None when it is not this key's own."""
        answer = kept[CODE_BYTES:]
        due = await self.protect(tenant, key, fingerprint=fingerprint, answer=answer)
        return answer if hmac.compare_digest(due, kept) else None

    async def warm(self, tenant: str) -> None:
        """Fetch today's and tomorrow's key, so that an outage at midnight refuses nobody."""
        today = self._now() // DAY
        await self._day_key(tenant, today)
        await self._day_key(tenant, today + 1)

    async def _make(self, tenant: str, key: Key, day: int) -> bytes:
        day_key = await self._day_key(tenant, day)
        return day.to_bytes(4) + hmac.digest(day_key, key.body.reveal(), "sha256")

    async def _day_key(self, tenant: str, day: int) -> bytes:
        found = self._days.get((tenant, day))
        if found is None:
            source = bind(["strongroom/idem/v1", tenant, day.to_bytes(4)])
            found = (await self._indexer.index(f"idem-{tenant}", [source]))[0].digest
            while len(self._days) >= _KEPT_KEYS:
                del self._days[next(iter(self._days))]
            self._days[tenant, day] = found
        return found


async def answered(
    tenant: str, requests: Sequence[Keyed], store: Store, fingerprints: Fingerprints
) -> Mapping[int, bytes | ServiceError]:
    """For each request whose key was used: the answer that was kept, or why it is not to be had.

    A writer of the database must not put other tokens into an answer: who tokenizes again after a lost
    answer would pay to them.
    """
    keys = {i: request.key for i, request in enumerate(requests) if request.key is not None}
    if not keys:
        return {}
    kept = await store.answered(tenant, [key.slot for key in keys.values()])
    return {
        i: await _kept_answer(tenant, key, *kept[key.slot], fingerprints)
        for i, key in keys.items()
        if key.slot in kept
    }


async def _kept_answer(
    tenant: str, key: Key, fingerprint: bytes, kept: bytes, fingerprints: Fingerprints
) -> bytes | ServiceError:
    if not await fingerprints.match(tenant, key, fingerprint):
        return KeyReused()
    answer = await fingerprints.unprotect(tenant, key, fingerprint=fingerprint, kept=kept)
    if answer is not None:
        return answer
    raise_alarm("record_tampered", tenant)
    return RecordTampered(detail="The answer kept for this Idempotency-Key does not authenticate.")


def first_of_each(requests: Sequence[Keyed], done: Mapping[int, object]) -> tuple[list[int], list[int]]:
    """Of the requests not yet done: the first for each key, and those that repeat a key of this list."""
    first: list[int] = []
    repeats: list[int] = []
    seen: set[bytes] = set()
    for i, request in enumerate(requests):
        if i in done:
            continue
        key = request.key
        (repeats if key is not None and key.slot in seen else first).append(i)
        if key is not None:
            seen.add(key.slot)
    return first, repeats
