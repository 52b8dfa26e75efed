"""DEKs ready to use. Wrapped ahead of time in batches and stored before they are handed out, so that
sealing a value costs no call to the key server and survives its short absence.

    pooled (leased) → used by one record | burnt
A DEK that was handed out never comes back: whoever took it used it or lost it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from keys.envelope import DEK_BYTES, DEK_ID_BYTES
from keys.errors import KeysError, Outdated, PoolEmpty
from keys.keystore import CANARY, Keystore
from keys.pace import Pace
from keys.ring import WrappedDek, Wrapper

T = TypeVar("T")

BATCH = 128
_SECOND = 1_000_000
_REWRAP_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4)
"""A standby that has not heard of a rotation yet goes on wrapping under the version it left behind."""
_TURNS = 5
"""Refills one taker waits for: the one under way, his own, and some for what others take meanwhile."""


class Dek(msgspec.Struct, frozen=True):
    """A data key in the clear. Lives until its list is committed."""

    dek_id: bytes
    key: bytes
    lease_until: int
    """On the keystore database's clock, µs. A record may not be committed later."""

    def __repr__(self) -> str:
        return "Dek(***)"


class Pool:
    """DEKs of every tenant this worker serves, refilled in the background."""

    def __init__(
        self,
        wrapper: Wrapper,
        keystore: Keystore,
        *,
        now: Callable[[], int],
        random: Callable[[int], bytes],
        size: int = 512,
        lease: int = 1800 * _SECOND,
    ) -> None:
        """`size` DEKs are kept for each tenant, each usable for `lease` µs after it was stored."""
        self._wrapper = wrapper
        self._keystore = keystore
        self._now = now
        self._random = random
        self.size = size
        self._part = min(BATCH, max(1, size // 2))
        self._lease = lease
        self._ready: dict[str, deque[tuple[int, Dek]]] = {}
        self._refills: dict[str, asyncio.Task[None]] = {}
        self._top_ups: dict[str, asyncio.Task[None]] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._paces: dict[str, Pace] = {}

    @property
    def low_water(self) -> int:
        """Below so many DEKs of a tenant the pool alone does not make this worker ready."""
        return self.size // 8

    def seconds_left(self) -> float:
        """For how long the pool would last without a refill, at the rate of the last minute, for the tenant
        that runs out first: until its last DEK is taken, or is too old to be used."""
        return min(map(self._seconds_left, self._ready), default=0.0)

    def level(self, tenant: str) -> int:
        """How many DEKs of a tenant are ready and within their lease."""
        self._drop_stale(tenant)
        return len(self._ready.get(tenant, ()))

    def lowest(self) -> int | None:
        """The level of the tenant with the fewest DEKs, or None while no tenant is known."""
        return min((self.level(tenant) for tenant in self._ready), default=None)

    async def take(self, tenant: str, count: int) -> list[Dek]:
        """`count` DEKs that nobody else will get. Raises: PoolEmpty, or why none could be made."""
        taken = self._pop(tenant, count)
        if taken is None:
            # One at a time: whoever asks for many must not find that others took what was made for him.
            async with self._turns.setdefault(tenant, asyncio.Lock()):
                taken = await self._make_and_pop(tenant, count)
        if self._has_room(tenant):
            self._top_up_soon(tenant)
        self._paces.setdefault(tenant, Pace()).took(count, at=self._now() / _SECOND)
        return taken

    async def warm(self, tenant: str) -> None:
        """Fill a tenant's pool, and plant its canary. Raises: KeysError."""
        canary = {CANARY: self._random(DEK_BYTES)}
        await self._wrap(tenant, canary, lambda made: self._keystore.plant_canary(tenant, made[0]))
        if self.level(tenant) < self.size:
            await self._refill(tenant, at_least=self.size)

    def drain(self, tenant: str) -> None:
        """Throw away what is pooled: a lease turned out to be over sooner than thought."""
        self._ready.get(tenant, deque()).clear()

    async def close(self) -> None:
        """Stop refilling and forget every key."""
        tasks = [*self._refills.values(), *self._top_ups.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ready.clear()

    def _pop(self, tenant: str, count: int) -> list[Dek] | None:
        """`count` DEKs, if there are as many. Who takes many leaves some for those who take one."""
        self._drop_stale(tenant)
        ready = self._ready.setdefault(tenant, deque())
        left = self.low_water if count > BATCH else 0
        return [ready.popleft()[1] for _ in range(count)] if len(ready) >= count + left else None

    async def _make_and_pop(self, tenant: str, count: int) -> list[Dek]:
        for _ in range(_TURNS):
            taken = self._pop(tenant, count)
            if taken is not None:
                return taken
            await self._refill(tenant, at_least=count + self.size // 2)
        raise PoolEmpty

    def _seconds_left(self, tenant: str) -> float:
        level = self.level(tenant)
        if level == 0:
            return 0.0
        until_stale = (self._ready[tenant][-1][0] - self._now()) / _SECOND
        rate = self._paces.setdefault(tenant, Pace()).per_second(at=self._now() / _SECOND)
        return min(until_stale, level / rate) if rate else until_stale

    def _drop_stale(self, tenant: str) -> None:
        ready = self._ready.get(tenant)
        while ready and ready[0][0] <= self._now():
            ready.popleft()

    async def _refill(self, tenant: str, *, at_least: int) -> None:
        """Join the refill under way, or start one; at most one runs for a tenant."""
        await asyncio.shield(self._refill_soon(tenant, at_least=at_least))

    def _refill_soon(self, tenant: str, *, at_least: int = 0) -> "asyncio.Task[None]":
        running = self._refills.get(tenant)
        if running is not None and not running.done():
            return running
        task = asyncio.get_running_loop().create_task(self._fill(tenant, max(at_least, self.size)))
        task.add_done_callback(_seen)
        self._refills[tenant] = task
        return task

    def _has_room(self, tenant: str) -> bool:
        return len(self._ready[tenant]) <= self.size - self._part

    def _top_up_soon(self, tenant: str) -> None:
        running = self._top_ups.get(tenant)
        if running is None or running.done():
            task = asyncio.get_running_loop().create_task(self._top_up(tenant))
            task.add_done_callback(_seen)
            self._top_ups[tenant] = task

    async def _top_up(self, tenant: str) -> None:
        """A batch at a time, for nobody waits: all at once would hold up every request meanwhile."""
        while self._has_room(tenant):
            await self._make(tenant, self._part)

    async def _fill(self, tenant: str, goal: int) -> None:
        missing = max(goal - self.level(tenant), 1)
        batches = [min(BATCH, missing - start) for start in range(0, missing, BATCH)]
        # All are waited for: one that went on alone would fill a pool that was closed meanwhile.
        made = await asyncio.gather(*(self._make(tenant, count) for count in batches), return_exceptions=True)
        for failure in filter(None, made):
            raise failure

    async def _make(self, tenant: str, count: int) -> None:
        deks = {self._random(DEK_ID_BYTES): self._random(DEK_BYTES) for _ in range(count)}
        # Half the lease on our own clock: a commit near the end of the real one would be refused.
        usable_until = self._now() + self._lease // 2
        until = await self._wrap(tenant, deks, partial(self._keystore.insert, tenant, lease=self._lease))
        self._ready.setdefault(tenant, deque()).extend(
            (usable_until, Dek(dek_id, key, until)) for dek_id, key in deks.items()
        )

    async def _wrap(
        self,
        tenant: str,
        deks: Mapping[bytes, bytes],
        store: Callable[[Sequence[WrappedDek]], Awaitable[T]],
    ) -> T:
        """Wrap and store; again when a rotation passed between the two. Raises: KeysError."""
        for pause in _REWRAP_PAUSES:
            await asyncio.sleep(pause)
            wrapped = await self._wrapper.wrap(tenant, deks)
            try:
                return await store(wrapped)
            except Outdated:
                continue
        raise Outdated


def _seen(task: "asyncio.Task[None]") -> None:
    """A background refill that failed is tried again by the next `take`; its error is not lost there."""
    if not task.cancelled() and isinstance(task.exception(), KeysError):
        return
