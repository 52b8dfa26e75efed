"""What the key server answers that must wake someone, whoever met it: a request, a canary, work beside them.

Only what a plane does with keys counts. Reading how a key is set up does not: there may be none yet.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from keys.errors import KeysError, LoginFailed, Misconfigured, Refused, Sealed
from keys.methods import Identity
from keys.nodes import Server
from keys.ring import Hashed, WrappedDek
from keys.transit import Transit
from keys.verdicts import INTERNAL
from vault.alarms import raise_alarm
from vault.settings import Settings

QUIET_SECONDS = 60.0
"""What lasts is said once in as long, however many requests meet it."""
CANNOT_ANSWER = "transit_internal_error"
"""A key server that answers 500, while its health says 200: as a rule its audit device cannot write."""


class Alarm(Protocol):
    def __call__(self, code: str, *, says: str) -> None: ...


class Pager:
    """Says once a minute what no retry puts right."""

    def __init__(self, who: str, alarm: Alarm, clock: Callable[[], float]) -> None:
        """`who`: the identity that met it."""
        self._who, self._alarm, self._clock = who, alarm, clock
        self._said: dict[str, float] = {}

    def hear(self, failure: KeysError) -> None:
        """Raise the alarm if it is due."""
        code = page_of(failure)
        if code is None or self._clock() - self._said.get(code, -QUIET_SECONDS) < QUIET_SECONDS:
            return
        self._said[code] = self._clock()
        self._alarm(code, says=f"{self._who}: {failure.rule}")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hears what is raised inside, and lets it go on."""
        try:
            yield
        except KeysError as failure:
            self.hear(failure)
            raise


def page_of(failure: KeysError) -> str | None:
    """The alarm for a failure; None for what passes by itself, or has an alarm of its own for each item."""
    if isinstance(failure, Refused | LoginFailed | Misconfigured):
        return failure.code
    return CANNOT_ANSWER if isinstance(failure, Sealed) and failure.rule == INTERNAL else None


class PagingTransit(Transit):
    """The key server as one plane sees it, with an ear for what must wake someone."""

    def __init__(
        self,
        server: Server,
        identity: Identity,
        pager: Pager,
        *,
        mount: str = "strongroom",
        threads: int = 4,
        deadline: float = 2.5,
    ) -> None:
        super().__init__(server, identity, mount=mount, threads=threads, deadline=deadline)
        self._pager = pager

    async def wrap(self, tenant: str, deks: Mapping[bytes, bytes]) -> list[WrappedDek]:
        """As Transit's."""
        with self._pager.listening():
            return await super().wrap(tenant, deks)

    async def unwrap(
        self, tenant: str, wrapped: Sequence[WrappedDek], *, batch: str
    ) -> list[bytes | KeysError]:
        """As Transit's."""
        with self._pager.listening():
            found = await super().unwrap(tenant, wrapped, batch=batch)
        for one in found:
            if isinstance(one, KeysError):
                self._pager.hear(one)
        return found

    async def rewrap(
        self, tenant: str, wrapped: Sequence[WrappedDek], *, at_least: int
    ) -> list[WrappedDek | KeysError]:
        """As Transit's."""
        with self._pager.listening():
            return await super().rewrap(tenant, wrapped, at_least=at_least)

    async def index(
        self, key: str, inputs: Sequence[bytes], *, key_version: int | None = None
    ) -> list[Hashed]:
        """As Transit's."""
        with self._pager.listening():
            return await super().index(key, inputs, key_version=key_version)

    async def sign(self, key: str, message: bytes) -> tuple[int, bytes]:
        """As Transit's."""
        with self._pager.listening():
            return await super().sign(key, message)

    async def public_keys(self, key: str) -> dict[int, bytes]:
        """As Transit's."""
        with self._pager.listening():
            return await super().public_keys(key)

    async def probe(self, tenant: str | None = None, known: WrappedDek | None = None) -> None:
        """As Transit's."""
        with self._pager.listening():
            await super().probe(tenant, known)


def transit_of(name: str, settings: Settings, identity: Identity) -> PagingTransit:
    """The key server for the plane, worker or operator of this name."""
    return PagingTransit(
        settings.server,
        identity,
        Pager(name, raise_alarm, time.monotonic),
        mount=settings.vault_mount,
        threads=settings.transit_threads,
    )
