"""One running plane: its own identity at the key server, its own database role, its own signing key."""

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, TypeVar

import structlog

from keys.database import Database
from keys.errors import KeysError
from keys.keystore import Keystore
from keys.migrate import is_current
from keys.policies import worker_key
from keys.selfcheck import assert_least
from keys.transit import Transit
from vault import metrics
from vault.alarms import raise_alarm
from vault.api.operation import Endpoints
from vault.api.system import Check
from vault.errors import ServiceError, Unavailable
from vault.log.lists import WorkerKey
from vault.log.writer import LogWriter
from vault.paging import transit_of
from vault.service.access_token import Expected
from vault.service.allowance import Allowance
from vault.service.authenticate import Authenticator
from vault.service.authority_keys import PublicKeys, worker_keys
from vault.service.clocks import ClockWatch
from vault.service.failed_logins import FailedLogins
from vault.service.honey import HoneyTokens
from vault.service.logins import write_down
from vault.service.parts import Parts
from vault.service.provenance import Provenance
from vault.service.registers import Registers
from vault.service.standing import Anchored, Announcer
from vault.service.verified_lists import ListVerifier
from vault.service.visit import Admission
from vault.settings import Settings
from vault.store.authority import AuthorityStore
from vault.store.engine import open_database
from vault.store.honey import Honey
from vault.store.migrate import DATA
from vault.store.records import Store
from vault.store.restored import unfinished
from vault.store.sequencing import SequencerStore

FLUSH_SECONDS = 20.0
CANARY_SECONDS = 3.0
START_SECONDS = 20.0
T = TypeVar("T")
log = structlog.get_logger()


def now() -> int:
    """µs since 1970, UTC."""
    return time.time_ns() // 1000


class NotReady(Unavailable):
    code, title = "not_ready", "This plane cannot serve now."


@dataclass(slots=True, kw_only=True)
class Base:
    """What each plane has, whatever it does. Built without I/O; `start` does the rest."""

    name: str
    transit: Transit
    data: Database
    parts: Parts
    authority: AuthorityStore
    public_keys: PublicKeys
    failed: FailedLogins
    authenticator: Authenticator
    announcer: Announcer
    """Only control's identity may sign what it announces."""
    canary: Callable[[], Awaitable[None]]
    """One call to the key server as this plane's requests make it."""
    clocks: ClockWatch
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _healthy_until: float = 0.0

    async def start(self) -> None:
        """Prove least privilege and non-exportable keys, then enrol this worker's signing key.

        Raises: KeysError, ServiceError: the process must not serve.
        """
        if not await is_current(self.data, DATA):
            raise NotReady(detail="The data database needs `strongroom migrate`.")
        tenants = await self.patiently(self.parts.registers.tenants)
        await self.patiently(partial(assert_least, self.transit, self.name, tenants))
        key = self.parts.log.worker
        endorsed = partial(self.transit.sign, worker_key(self.name), key.endorsement_message)
        version, endorsement = await self.patiently(endorsed)
        await self.parts.store.enrol(key, key_version=version, endorsement=endorsement)
        self.run_beside(self._flush())

    async def assert_restored(self) -> None:
        """Raises: NotReady while a restore of the data database is not on record."""
        if await unfinished(self.data):
            raise NotReady("restore_unfinished", "A restore is not finished: `strongroom restore finish`.")

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work`, and again while it fails for a passing reason: a start has longer than a request.

        It waits for the key server, and for control to vouch for the tenants. Raises: KeysError, Unavailable.
        """
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                return await work()
            except (KeysError, Unavailable) as failure:
                passing = not isinstance(failure, KeysError) or failure.transient
                if not passing or time.monotonic() > until:
                    raise
            await asyncio.sleep(0.5)

    def run_beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the requests until the plane stops."""
        self._tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """Write down what is still in memory and let go of everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(ServiceError):
            await write_down(self.failed, self.parts, everything=True)
        await self.parts.registers.drain()
        await self.transit.aclose()
        await self.data.dispose()

    async def ready(self) -> None:
        """A canary through everything a request meets, at most every few seconds. Raises: why not."""
        clock = time.monotonic()
        if clock < self._healthy_until:
            return
        await self.clocks.look()
        await self.canary()
        self._healthy_until = clock + CANARY_SECONDS

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await write_down(self.failed, self.parts)
            with contextlib.suppress(ServiceError):
                await self.clocks.look()


def base(name: str, settings: Settings) -> Base:
    """Build what every plane has. Raises: KeysError when its identity file is missing or open to others."""
    identity = settings.identity_of(name)
    transit = transit_of(name, settings, identity)
    data = open_database(settings.data_url_of(name), pool_size=settings.database_connections)
    authority = AuthorityStore(data)
    public_keys = PublicKeys(transit, "authority", clock=time.monotonic)
    anchored = Anchored(authority, public_keys, now=now, alarm=raise_alarm, old_counts=name == "control")
    registers = Registers(anchored, public_keys, clock=time.monotonic, alarm=raise_alarm)
    worker = WorkerKey(name, os.urandom(16), now())
    parts = Parts(
        store=Store(data),
        log=LogWriter(worker, now=now, random=os.urandom),
        registers=registers,
        now=now,
        random=os.urandom,
    )
    failed = FailedLogins(metrics.failed_logins.inc)
    expected = Expected(settings.issuer, name)
    return Base(
        name=name,
        transit=transit,
        data=data,
        parts=parts,
        authority=authority,
        public_keys=public_keys,
        failed=failed,
        authenticator=Authenticator(expected, registers, public_keys, failed, _admission(settings), now=now),
        canary=transit.probe,
        clocks=clock_watch(parts.store.clock),
        announcer=Announcer(authority, anchored, registers, transit, now=now),
    )


def _admission(settings: Settings) -> Admission:
    rate, burst = settings.rate_values_per_second, settings.rate_burst_seconds
    allowance = Allowance(rate, burst, workers=settings.workers, clock=time.monotonic)
    return Admission.by(allowance, clock=time.monotonic)


def clock_watch(read: Callable[[], Awaitable[int]]) -> ClockWatch:
    """Compares our clock with that of the database behind `read`."""
    return ClockWatch(read=read, now=now, show=metrics.clock_skew.set, alarm=raise_alarm)


@dataclass(slots=True)
class Running:
    """One plane as the application sees it."""

    base: Base
    endpoints: Endpoints
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    check: Check
    detail: Callable[[], Mapping[str, object]] = dict
    """What readiness says beside the plane's state."""

    @property
    def name(self) -> str:
        """The plane's."""
        return self.base.name


def more(kind: type[Any], parts: Parts, **more: object) -> Any:
    """`parts` with what one plane has beside it."""
    common = {one.name: getattr(parts, one.name) for one in fields(Parts)}
    return kind(**common, **more)


def keystore_of(plane: Base, settings: Settings) -> Keystore:
    """The keystore as this plane's own role reaches it. Raises: SettingsError."""
    url = settings.keystore_url_of(plane.name)
    return Keystore(open_database(url, pool_size=settings.database_connections))


def honey_of(plane: Base) -> HoneyTokens:
    """Recognises the planted records of every tenant."""
    return HoneyTokens(plane.transit, Honey(plane.data), clock=time.monotonic)


def provenance_of(plane: Base, *planes: str) -> Provenance:
    """Judges events that workers of `planes` wrote."""
    lists, keys = SequencerStore(plane.data), worker_keys(plane.transit, clock=time.monotonic)
    return Provenance(lists, ListVerifier(lists, {name: keys[name] for name in planes}))
