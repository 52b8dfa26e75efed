"""Rewrapping: every DEK of a tenant under the newest KEK version, none ever in the clear.

What is left to do is what the keystore holds under older versions, so a run that was killed is resumed by
another. Two at once do each other no harm: a wrapped form is replaced only where the old one still stands.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from keys.errors import KeysError
from keys.holdings import Swap
from keys.ring import WrappedDek
from keys.transit import OPENING_CHUNK
from vault.service.pace import Pace

T = TypeVar("T")

WORKERS = 4
PAGE = 4 * OPENING_CHUNK
"""DEKs that are read, and written, at once."""
OUTAGE_SECONDS = 120.0
"""How long a run waits for a key server or a keystore that does not answer, before it gives up."""
_MOST_FAILURES = 1_000


class Rewrapper(Protocol):
    async def rewrap(
        self, tenant: str, wrapped: Sequence[WrappedDek], *, at_least: int
    ) -> list[WrappedDek | KeysError]:
        """Each anew, in order, or why that one was not. Raises: KeysError."""


class Shelf(Protocol):
    """What keys/holdings.py keeps of its promises here. Methods may raise KeystoreUnavailable."""

    async def page(self, tenant: str, *, below: int, after: bytes, limit: int) -> list[WrappedDek]: ...

    async def swap(self, tenant: str, swaps: Sequence[Swap]) -> int: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """A DEK that could not be rewrapped."""

    dek_id: bytes
    code: str


@dataclass(slots=True)
class Tally:
    """What a run did."""

    rewrapped: int = 0
    overtaken: int = 0
    """Somebody else rewrapped or deleted them meanwhile."""
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    """The first of them."""

    @property
    def seen(self) -> int:
        return self.rewrapped + self.overtaken + self.failed

    def fail(self, dek_id: bytes, error: KeysError) -> None:
        """One that stays as it is."""
        self.failed += 1
        if len(self.failures) < _MOST_FAILURES:
            self.failures.append(Failure(dek_id, error.code))


@dataclass(slots=True, kw_only=True)
class Rewrap:
    """One run over one tenant's DEKs that are not under `version` or newer."""

    tenant: str
    version: int
    keys: Rewrapper
    shelf: Shelf
    pace: Pace
    watch: Callable[[Tally], None] = lambda _: None
    """Told after each page."""
    clock: Callable[[], float] = time.monotonic
    outage_seconds: float = OUTAGE_SECONDS
    page_size: int = PAGE
    tally: Tally = field(default_factory=Tally)
    _after: bytes = b""
    _stopped: bool = False
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> Tally:
        """Once through all of them. Raises: KeysError when an outage lasts."""
        ends = await asyncio.gather(*(self._work() for _ in range(WORKERS)), return_exceptions=True)
        for end in ends:
            if end is not None:
                raise end
        return self.tally

    async def _work(self) -> None:
        """Page after page. When one worker fails, the others write what they have and stop."""
        whole = False
        try:
            while not self._stopped and (page := await self._next()):
                await self._one(page)
            whole = True
        finally:
            self._stopped = self._stopped or not whole

    async def _one(self, page: Sequence[WrappedDek]) -> None:
        """Rewrap a page, and put it where the old one still stands."""
        swaps: list[Swap] = []
        for start in range(0, len(page), OPENING_CHUNK):
            swaps += await self._rewrapped(page[start : start + OPENING_CHUNK])
        done = await self._timed("keystore", 0, lambda: self.shelf.swap(self.tenant, swaps))
        self.tally.rewrapped += done
        self.tally.overtaken += len(swaps) - done
        self.watch(self.tally)

    async def _next(self) -> list[WrappedDek]:
        """The page behind the last; each is given to one worker."""
        async with self._turn:
            page = await self._patiently(
                lambda: self.shelf.page(
                    self.tenant, below=self.version, after=self._after, limit=self.page_size
                )
            )
            self._after = page[-1].dek_id if page else self._after
            return page

    async def _rewrapped(self, part: Sequence[WrappedDek]) -> list[Swap]:
        """Old and new of each that was; the others are counted as failed."""
        made = await self._timed(
            "transit",
            len(part),
            lambda: self.keys.rewrap(self.tenant, part, at_least=self.version),
        )
        swaps: list[Swap] = []
        for old, new in zip(part, made, strict=True):
            if isinstance(new, KeysError):
                self.tally.fail(old.dek_id, new)
            else:
                swaps.append((old, new))
        return swaps

    async def _timed(self, kind: str, items: int, call: Callable[[], Awaitable[T]]) -> T:
        begun = self.clock()
        done = await self._patiently(call)
        await self.pace.after(kind, self.clock() - begun, items=items)
        return done

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call, again while it fails for a passing reason. All of them may be made twice."""
        until, pause = self.clock() + self.outage_seconds, 0.1
        while True:
            try:
                return await call()
            except KeysError as failure:
                if not failure.transient or self.clock() + pause > until:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, 2.0)
