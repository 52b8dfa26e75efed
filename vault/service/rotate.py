"""Rotating a tenant's KEK, to the end: a new version, every DEK under it, and then no other opens anything.

rotate → wait → pin (what wraps) → fence (what is stored) → rewrap → count → retire (what opens)
Each step is on record before it is taken. Where a run stands is seen at the key server and in the keystore,
so another run goes on wherever one was killed. The old versions are retired only when not one DEK is left
under them, counted after nothing can be added under them any more.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from keys.answers import KeySettings
from keys.names import kek_of
from vault.service.keks import Counter, Kek, KeyReader, look
from vault.service.key_work import Step
from vault.service.pace import Pace
from vault.service.rewrap import PAGE, Failure, Rewrap, Rewrapper, Shelf, Tally

STANDBY_SECONDS = 2.0
"""A standby learns of a rotation within 100 ms; until it does it wraps under the version before."""
_PASSES = 3
"""Times through the keystore, while others change it."""


class KeyServer(Rewrapper, KeyReader, Protocol):
    async def rotate(self, key: str, *, newest: int) -> int:
        """Make the version after `newest`, unless somebody has. Raises: KeysError."""

    async def set_minimum(self, key: str, what: Literal["encryption", "decryption"], version: int) -> None:
        """From which version on a key wraps, or opens. Raises: KeysError."""


class Keystore(Shelf, Counter, Protocol):
    async def behind(self, tenant: str, version: int) -> int: ...

    async def raise_fence(self, tenant: str, version: int) -> None: ...


async def _unasked(_: int) -> None:
    """A rotation by itself asks nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a rotation is made with."""

    keys: KeyServer
    keystore: Keystore
    pace: Pace
    note: Callable[[Step], Awaitable[object]]
    """Puts a step on record; durable when it returns."""
    watch: Callable[[Tally], None] = lambda _: None
    verified: Callable[[int], Awaitable[None]] = _unasked
    """Asked, with the version, before older ones are retired; raises when they may not be."""
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    page_size: int = PAGE


@dataclass(frozen=True, slots=True)
class Rotated:
    """What came of it."""

    tenant: str
    version: int
    rewrapped: int
    left: int
    """DEKs still under older versions. The minimum is raised at none, and at none only."""
    failures: Sequence[Failure]
    seconds: float
    new_version: bool
    """Whether this run made the version; else it finished what another had begun, or found nothing to do."""

    @property
    def retired(self) -> bool:
        """Whether older versions open nothing any more."""
        return self.left == 0


async def rotate(tenant: str, tools: Tools) -> Rotated:
    """A new version and everything under it; or, where a rotation is unfinished, its end.

    Raises: KeysError, ServiceError. Run again, it goes on.
    """
    kek = await look(tenant, tools.keys, tools.keystore)
    if not kek.settled:
        return await finish(tenant, tools)
    await tools.note(Step("rotate", kek_of(tenant), {"to_version": kek.latest + 1}))
    await tools.keys.rotate(kek_of(tenant), newest=kek.latest)
    await tools.sleep(STANDBY_SECONDS)
    return replace(await finish(tenant, tools), new_version=True)


async def finish(tenant: str, tools: Tools) -> Rotated:
    """Every DEK under the latest version, and the older ones retired. Raises: KeysError, ServiceError."""
    begun = tools.clock()
    kek = await look(tenant, tools.keys, tools.keystore)
    if not (kek.settled and kek.old == 0):
        await _pin(kek, tools)
        await tools.keystore.raise_fence(tenant, kek.latest)
    tally = await _rewrap_all(kek, tools)
    left = await tools.keystore.behind(tenant, kek.latest)
    if tally.seen:
        counts = {"rewrapped": tally.rewrapped, "failed": tally.failed, "old_deks": left}
        await tools.note(Step("rewrap", kek_of(tenant), {"to_version": kek.latest, **counts}))
    if left == 0:
        await _retire(kek, tools)
    seconds = tools.clock() - begun
    return Rotated(tenant, kek.latest, tally.rewrapped, left, tally.failures, seconds, new_version=False)


async def _pin(kek: Kek, tools: Tools) -> None:
    """Nothing is wrapped under an older version any more, whichever node is asked."""
    if kek.min_encryption < kek.latest:
        key = kek_of(kek.tenant)
        await tools.note(Step("pin", key, {"to_version": kek.latest}))
        await tools.keys.set_minimum(key, "encryption", kek.latest)


async def _rewrap_all(kek: Kek, tools: Tools) -> Tally:
    """Through the keystore until a pass leaves nothing but what failed in it."""
    whole = Tally()
    for _ in range(_PASSES):
        run = Rewrap(
            tenant=kek.tenant,
            version=kek.latest,
            keys=tools.keys,
            shelf=tools.keystore,
            pace=tools.pace,
            watch=tools.watch,
            page_size=tools.page_size,
        )
        done = await run.run()
        whole.rewrapped += done.rewrapped
        whole.overtaken += done.overtaken
        whole.failed, whole.failures = done.failed, done.failures
        if not done.overtaken:
            break
    return whole


async def _retire(kek: Kek, tools: Tools) -> None:
    """Older versions open nothing any more. It can be taken back until they are trimmed."""
    now: KeySettings = await tools.keys.key_settings(kek_of(kek.tenant))
    if now.min_decryption_version < kek.latest:
        await tools.verified(kek.latest)
        counted: dict[str, str | int] = {"to_version": kek.latest, "old_deks": 0}
        await tools.note(Step("retire", kek_of(kek.tenant), counted))
        await tools.keys.set_minimum(kek_of(kek.tenant), "decryption", kek.latest)
