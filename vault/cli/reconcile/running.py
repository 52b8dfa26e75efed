"""A run of `strongroom reconcile`: over files as they are, or along files as they grow."""

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import structlog

from keys.errors import KeysError
from keys.identity import read_identity
from keys.transit import Transit
from vault import metrics
from vault.alarms import raise_alarm
from vault.cli.reconcile.files import Line, LogFile, kin, log_files
from vault.cli.reconcile.growing import Cut, Growing
from vault.cli.reconcile.state import Places, save
from vault.errors import Unavailable
from vault.reconcile.audit_log import Entry, Hidden, Unreadable, read_entry
from vault.reconcile.findings import GRAVE, Finding
from vault.reconcile.unwraps import Bounds
from vault.reconcile.watch import Place
from vault.service.authority_keys import worker_keys
from vault.service.provenance import Provenance
from vault.service.reconcile import UNWRAPPING, Reconciler
from vault.service.verified_lists import ListVerifier
from vault.settings import Settings
from vault.store.engine import open_database
from vault.store.events import EventReader
from vault.store.sequencing import SequencerStore

log = structlog.get_logger()
STRETCH = 500
THREADS = 8
_PAUSE = 0.5
_SAVE_EVERY = 10.0


class Placed(NamedTuple):
    """A line of one of several files."""

    line: Line
    entry: Entry | None
    hidden: bool = False
    """Too long or too deep to be read, which no accident makes."""


@dataclass(slots=True)
class Run:
    """One reconciliation under way."""

    reconciler: Reconciler
    places: Places
    tell: Callable[[Finding], None]
    found: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0

    async def files(self, files: Sequence[LogFile], tick: Callable[[int], None]) -> None:
        """Judge what is new in these files. Raises: Unavailable, KeysError, OSError."""
        for path in self.places.missing(files):
            self.say(self.cut(f"{path}, which was being written, is not among the files"))
        lines = heapq.merge(*(self._lines(file) for file in files), key=_time)
        while stretch := list(islice(lines, STRETCH)):
            await self.take(stretch)
            tick(sum(len(one.line.text) for one in stretch))
        self.places.keep(files)

    async def take(self, stretch: Sequence[Placed]) -> None:
        """Judge some lines. Raises: Unavailable, KeysError; then they are to be given again."""
        found = await self.reconciler.take([one.entry for one in stretch if one.entry is not None])
        for one in stretch:
            self.places.read[one.line.file] = one.line.end
            if one.entry is None:
                self.say(self._unread(one))
        for finding in found:
            self.say(finding)
        metrics.reconciled.inc(len(stretch))

    def say(self, finding: Finding) -> None:
        """Count it and tell it."""
        self.found[finding.kind] = self.found.get(finding.kind, 0) + 1
        if finding.grave:
            metrics.reconcile_incidents.labels(finding.kind).inc()
        self.tell(finding)

    def _unread(self, one: Placed) -> Finding:
        """What is said of a line without an entry."""
        where, of = f"the line that ends at byte {one.line.end}", {"file": one.line.file}
        if one.hidden:
            return Finding("hidden", self.reconciler.now, f"{where} is too long or too deep to be read", of)
        self.unreadable += 1
        return Finding("unreadable", self.reconciler.now, f"{where} is no entry of an audit log", of)

    def cut(self, says: str) -> Finding:
        """That entries are missing."""
        return Finding("log_cut", self.reconciler.now, says)

    @property
    def incidents(self) -> int:
        """How many."""
        return sum(count for kind, count in self.found.items() if kind in GRAVE)

    def _lines(self, file: LogFile) -> Iterator[Placed]:
        start = self.places.read.get(file.name, 0)
        try:
            for line in file.lines(start):
                yield placed(line)
        except EOFError:
            self.say(self.cut(f"{file.path} ends before byte {start}, to which it was read"))


async def follow(run: Run, paths: Sequence[Path], state: Path | None, end: asyncio.Event) -> None:
    """Judge lines as they are written, until told to end. An outage is waited for. Raises: OSError."""
    await _catch_up(run, paths)
    growing = [Growing(path) for path in paths]
    for one in growing:
        one.go_on(run.places.read)
    saved = 0.0
    while not end.is_set():
        stretch = await asyncio.to_thread(_new_lines, growing, run)
        await _patiently(run, stretch, end)
        if state is not None and time.monotonic() - saved > _SAVE_EVERY:
            _keep(run, paths, state)
            saved = time.monotonic()
        if not stretch:
            metrics.reconcile_behind.set(0.0)
            await _wait(end, _PAUSE)
    if state is not None:
        _keep(run, paths, state)
    for one in growing:
        one.close()


async def _catch_up(run: Run, paths: Sequence[Path]) -> None:
    """What was written, and perhaps rotated away, since the last run. Without one: nothing."""
    if run.places.growing:
        since = run.reconciler.now / 1e6
        older = [one for path in paths for one in kin(path) if one.path.stat().st_mtime >= since]
        await run.files(older, lambda _: None)


async def _patiently(run: Run, stretch: Sequence[Placed], end: asyncio.Event) -> None:
    """Judge it, however long the database or the key server is away."""
    while stretch and not end.is_set():
        try:
            await run.take(stretch)
            stretch = ()
        except (Unavailable, KeysError) as error:
            if isinstance(error, KeysError) and not error.transient:
                raise
            log.warning("reconcile_waits", code=error.code)
            await _wait(end, 5 * _PAUSE)
        metrics.reconcile_behind.set(max(0.0, time.time() - run.reconciler.now / 1e6))


def _new_lines(growing: Sequence[Growing], run: Run) -> list[Placed]:
    found: list[Placed] = []
    for one in growing:
        try:
            found += [placed(line) for line in islice(one.read(), STRETCH)]
        except Cut as fault:
            run.say(run.cut(str(fault)))
    return sorted(found, key=_time)


def _keep(run: Run, paths: Sequence[Path], state: Path) -> None:
    run.places.keep(log_files([path for path in paths if path.exists()]))
    save(state, run.reconciler, run.places)


async def _wait(end: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await end.wait()


def placed(line: Line) -> Placed:
    """A line, read; without an entry when it is none."""
    if not line.text.endswith(b"\n"):
        return Placed(line, None, hidden=True)
    try:
        return Placed(line, read_entry(line.text))
    except Hidden:
        return Placed(line, None, hidden=True)
    except Unreadable:
        return Placed(line, None)


def _time(one: Placed) -> int:
    return one.entry.at if one.entry is not None else 0


@asynccontextmanager
async def reconciler(settings: Settings, *, device: str, bounds: Bounds) -> AsyncIterator[Reconciler]:
    """One under the reconciler's identity and the audit plane's database role. Raises: KeysError."""
    identity = read_identity(settings.identity_file("reconciler"))
    transit = Transit(settings.server, identity, mount=settings.vault_mount, threads=THREADS, deadline=30.0)
    database = open_database(settings.data_url_of("audit"), statement_seconds=None)
    lists, keys = SequencerStore(database), worker_keys(transit, clock=time.monotonic)
    verifier = ListVerifier(lists, {plane: keys[plane] for plane in UNWRAPPING})
    try:
        yield Reconciler(
            EventReader(database),
            Provenance(lists, verifier),
            transit,
            device,
            Place(settings.vault_mount, (settings.vault_namespace or "").strip("/")),
            bounds,
        )
    finally:
        await transit.aclose()
        await database.dispose()


def alarm(finding: Finding) -> None:
    """Wake somebody for an incident."""
    if finding.grave:
        raise_alarm("two_logs_differ", says=f"{finding.kind}: {finding.says}")
