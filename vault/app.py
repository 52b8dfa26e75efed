"""The composition root: the one place that builds planes and joins them to the HTTP edge."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException

from keys.keystore import CANARY
from keys.pool import Pool
from vault import metrics
from vault.api.audit import AuditApi
from vault.api.disclosing import DisclosingApi
from vault.api.export import ExportApi
from vault.api.express import Express
from vault.api.ingest import IngestApi
from vault.api.log import LogApi
from vault.api.operation import Endpoints
from vault.api.operations import add_operations
from vault.api.problems import Net, Netted, on_http_error, on_service_error
from vault.api.reveal import RevealApi
from vault.api.system import SystemApi
from vault.control import build_control_plane
from vault.errors import ServiceError
from vault.log_bound import Watch, bound_of
from vault.office import build_office
from vault.plane import Base, Running, base, honey_of, keystore_of, more, provenance_of
from vault.sequencer import RunningSequencer, build_sequencer
from vault.service.authority_keys import PublicKeys, worker_keys
from vault.service.blind import Lookup
from vault.service.detokenize import detokenize
from vault.service.disclose import disclose
from vault.service.events import events
from vault.service.export import Copying
from vault.service.gather import Gather
from vault.service.idempotency import Fingerprints
from vault.service.inspect import inspect
from vault.service.log_reads import LogReader, bodies
from vault.service.parts import Audit, Ingest, Reveal
from vault.service.passphrase import AgeFile
from vault.service.rights import with_rights_of_now
from vault.service.search import search
from vault.service.tokenize import tokenize
from vault.service.tree import Tree
from vault.service.verified_lists import ListVerifier
from vault.settings import SEQUENCER, Settings
from vault.store.backlog import Backlog
from vault.store.ledger import Ledger
from vault.store.log import LogStore
from vault.store.sequencing import SequencerStore
from vault.witnessing import build_lag_watch

log = structlog.get_logger()

# Else variables of the environment could send what passes here somewhere else.
_MUTE: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def create_app(settings: Settings, planes: Sequence[str]) -> FastAPI:
    """The service with these planes. Nothing is opened before the application starts.

    Raises: SettingsError, KeysError.
    """
    running = [_BUILDERS[plane](base(plane, settings), settings) for plane in planes if plane != SEQUENCER]
    sequencers = [build_sequencer(settings)] if SEQUENCER in planes else []
    parts: list[Running | RunningSequencer] = [*running, *sequencers]
    app = FastAPI(
        telemetry=_MUTE,
        redirect_slashes=False,  # the Host a caller names would decide where a body goes next, and how
        title="Strongroom",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lambda _: _lifespan(parts),
        exception_handlers={ServiceError: on_service_error, HTTPException: on_http_error},
    )
    system = SystemApi(
        {one.base.name: (one.base.authenticator, one.base.parts.registers) for one in running},
        {one.name: one.check for one in parts},
        [one.detail for one in parts],
    )
    endpoints: Endpoints = {"system": system}
    for one in running:
        endpoints |= one.endpoints
    lanes = add_operations(app, endpoints)
    net = Net(random=os.urandom, behind_proxy=settings.behind_proxy)
    app.add_middleware(Netted, net=net)
    app.middleware_stack = Express(app.build_middleware_stack(), lanes, net)
    return app


@asynccontextmanager
async def _lifespan(running: Sequence[Running | RunningSequencer]) -> AsyncIterator[None]:
    """Start every part or none; stop what was started."""
    async with AsyncExitStack() as stack:
        for one in running:
            stack.push_async_callback(one.stop)
        for one in running:
            if isinstance(one, Running):
                await one.base.assert_restored()
        await asyncio.gather(*(one.start() for one in running))
        log.info("serving", planes=[one.name for one in running])
        yield


def _limit(settings: Settings) -> Backlog:
    return Backlog(settings.log_backlog_events, settings.log_backlog_seconds * 1_000_000)


def _ingest(plane: Base, settings: Settings) -> Running:
    keystore = keystore_of(plane, settings)
    common = plane.parts
    pool = Pool(plane.transit, keystore, now=common.now, random=common.random, size=settings.pool_size)
    parts: Ingest = more(
        Ingest,
        common,
        pool=pool,
        indexer=plane.transit,
        fingerprints=Fingerprints(plane.transit, common.now),
        ledger=Ledger(plane.data),
    )
    gather = Gather("tokenize", partial(with_rights_of_now, tokenize, parts))
    api = IngestApi(plane.authenticator, common.registers, gather, parts.ledger.notices)

    async def warm() -> None:
        for tenant in await plane.patiently(common.registers.tenants):
            await plane.patiently(partial(pool.warm, tenant))
            await plane.patiently(partial(parts.fingerprints.warm, tenant))

    async def start() -> None:
        await plane.start()
        await warm()
        metrics.watch_pool(lambda: pool.lowest() or 0, pool.seconds_left)

    async def stop() -> None:
        await gather.drain()
        metrics.watch_pool(lambda: 0, lambda: 0.0)
        await pool.close()
        await keystore.close()
        await plane.stop()

    async def check() -> None:
        """Tokenizing goes on from the pool while the key server is away, so the pool is what counts."""
        await plane.clocks.look()
        level = pool.lowest()
        if level is None or level < pool.low_water:
            await plane.transit.probe()

    return Running(plane, {"ingest": api}, start, stop, check)


def _reveal(plane: Base, settings: Settings) -> Running:
    keystore = keystore_of(plane, settings)
    parts: Reveal = more(
        Reveal,
        plane.parts,
        keystore=keystore,
        unwrapper=plane.transit,
        lookup=Lookup(plane.transit, clock=time.monotonic),
        ledger=Ledger(plane.data),
        provenance=provenance_of(plane, "office"),
        honey=honey_of(plane),
        bound=bound_of(LogStore(plane.data), _limit(settings)),
    )
    opening = Gather("detokenize", partial(with_rights_of_now, detokenize, parts))
    searching = Gather("search", partial(with_rights_of_now, search, parts))
    looking = Gather("inspect", partial(with_rights_of_now, inspect, parts))
    disclosing = Gather("disclose", partial(with_rights_of_now, disclose, parts))
    api = RevealApi(plane.authenticator, plane.parts.registers, opening, searching, looking)
    copying = Copying(
        reveal=parts,
        happened=provenance_of(plane, "reveal", "office"),
        age=AgeFile(),
        alone=settings.export_alone_records,
    )

    async def canary() -> None:
        """Unwrap the DEK that seals nothing; before an ingest worker has planted one, just ask."""
        tenants = await plane.parts.registers.tenants()
        known = (await keystore.fetch(tenants[0], [CANARY])).get(CANARY) if tenants else None
        await plane.transit.probe(tenants[0] if known else None, known)

    plane.canary = canary

    async def stop() -> None:
        await asyncio.gather(*(one.drain() for one in (opening, searching, looking, disclosing)))
        await parts.bound.drain()
        await keystore.close()
        await plane.stop()

    apis = {
        "reveal": api,
        "export": ExportApi(plane.authenticator, copying),
        "disclosing": DisclosingApi(plane.authenticator, disclosing),
    }
    return Running(plane, apis, plane.start, stop, plane.ready)


def _audit(plane: Base, settings: Settings) -> Running:
    store = LogStore(plane.data)
    reader = LogReader(
        store=store,
        tree=Tree(store),
        log_keys=PublicKeys(plane.transit, "log", clock=time.monotonic),
        worker_keys=worker_keys(plane.transit, clock=time.monotonic),
        cert_keys=PublicKeys(plane.transit, "cert", clock=time.monotonic),
        log_name=settings.log_name,
    )
    lists = SequencerStore(plane.data)
    parts: Audit = more(Audit, plane.parts, lists=lists, verifier=ListVerifier(lists, reader.worker_keys))
    reading = Gather("events", partial(with_rights_of_now, events, parts))
    mirroring = Gather("bodies", partial(bodies, parts=plane.parts, reader=reader))
    public = LogApi(plane.authenticator, reader, mirroring, grant=settings.log_grant == "required")
    watch = Watch(bound_of(store, _limit(settings)), store)
    lag = build_lag_watch(settings, store)

    async def start() -> None:
        await plane.start()
        watch.start()
        lag.start()

    async def stop() -> None:
        await asyncio.gather(watch.stop(), lag.stop())
        await asyncio.gather(reading.drain(), mirroring.drain())
        await plane.stop()

    apis = {"audit": AuditApi(plane.authenticator, reading), "log": public}
    return Running(plane, apis, start, stop, plane.ready, lag.detail)


_BUILDERS: dict[str, Callable[[Base, Settings], Running]] = {
    "ingest": _ingest,
    "reveal": _reveal,
    "office": build_office,
    "audit": _audit,
    "control": build_control_plane,
}
