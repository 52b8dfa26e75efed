"""A vault to break: its planes and its sequencer as processes, on PostgreSQL and OpenBao behind proxies."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

import tests.plugins.service as serviced
from keys.identity import write_identity
from keys.provision import provision_tenant
from tests.fakes.proxy import Proxy
from tests.plugins.bao import set_up
from tests.plugins.cluster import Cluster
from tests.plugins.postgres import Postgres
from tests.plugins.process import Served
from tests.plugins.world import World, until
from vault.settings import Settings

TOGETHER = ("control,ingest,reveal,office,audit", "sequencer")
APART = ("control,office,audit", "ingest", "reveal", "sequencer")
"""Which planes share a process: for a short form, and as in production."""
CALLERS = ("admin", "signup", "payments", "office", "auditor")
_CONTROL = ("/oauth2", "/v1/credentials", "/v1/proposals", "/v1/policy", "/v1/retention/apply")
_REVEAL = ("/v1/detokenize", "/v1/search", "/v1/inspect", "/v1/export", "/v1/disclose")
_AUDIT = ("/v1/events", "/v1/log")


@dataclass(slots=True, repr=False, kw_only=True)
class Rig(World):
    """A world whose service is spoken to over sockets, and whatever it stands on."""

    groups: Sequence[str] = TOGETHER
    folder: Path
    postgres: Postgres
    keyserver: Cluster
    database: Proxy
    """Between the planes and PostgreSQL."""
    keys: Proxy | None = None
    """Between the planes and a key server that is alone."""
    served: dict[str, Served] = field(default_factory=dict)
    erased: list[str] = field(default_factory=list)
    looked: float = 0.0
    """When files were last searched for canaries."""
    read_up_to: dict[Path, int] = field(default_factory=dict)
    """How far each audit log was read."""
    _headers: dict[str, dict[str, str]] = field(default_factory=dict)

    async def worker(self, planes: Sequence[str] = (), **changed: Any) -> httpx.AsyncClient:
        """Start the processes; a client that finds each path's plane."""
        told = self.environment()
        for group in self.groups:
            log = self.folder / f"{group.replace(',', '-')}.log"
            self.served[group] = await self._stack.enter_async_context(_Process(told, log, planes=group))
        await asyncio.gather(*(one.start() for one in self.served.values()))
        return await self._stack.enter_async_context(
            httpx.AsyncClient(transport=_Router(self.places), base_url="http://vault.test", timeout=12)
        )

    @property
    def places(self) -> dict[str, str]:
        """Where each plane listens."""
        return {plane: one.url for group, one in self.served.items() for plane in group.split(",")}

    def process_of(self, plane: str) -> Served:
        return next(one for group, one in self.served.items() if plane in group.split(","))

    def headers(self, who: str) -> dict[str, str]:
        """The header of an access token got before the fault."""
        return self._headers[who]

    async def fresh_tokens(self) -> None:
        """Access tokens that outlive a fault. The plane that gives them may have connections that died."""
        self._tokens.clear()
        await until(self._reach_control, 200)
        self._headers = {who: await self.bearer(who) for who in CALLERS}

    async def _reach_control(self) -> httpx.Response:
        form, auth = {"grant_type": "client_credentials"}, ("acme.admin", self.secrets["acme.admin"])
        return await self.client.post("/oauth2/token", data=form, auth=auth)

    async def ready(self, plane: str) -> int:
        """What its readiness answers; 0 when nothing does."""
        try:
            async with httpx.AsyncClient(timeout=12) as client:
                return (await client.get(f"{self.places[plane]}/readyz")).status_code
        except httpx.HTTPError:
            return 0

    async def metrics(self) -> str:
        """Of every process."""
        async with httpx.AsyncClient(timeout=12) as client:
            told = [await client.get(f"{one.url}/metrics") for one in self.served.values()]
        return "\n".join(one.text for one in told)


class _Process(Served):
    """Started by hand, together with its siblings, and killed if it does not end by itself."""

    async def __aenter__(self) -> "_Process":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(20)


class _Router(httpx.AsyncBaseTransport):
    """Sends each request to the plane of its path."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=64))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        place = urlsplit(self._places[plane_of(request.url.path)])
        request.url = request.url.copy_with(host=place.hostname, port=place.port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def plane_of(path: str) -> str:
    """Which plane a path belongs to."""
    if path == "/v1/tokenize":
        return "ingest"
    known = (("control", _CONTROL), ("reveal", _REVEAL), ("audit", _AUDIT))
    return next((plane for plane, begins in known if path.startswith(begins)), "office")


@asynccontextmanager
async def rigged(
    folder: Path, postgres: Postgres, keyserver: Cluster, *, groups: Sequence[str] = APART
) -> AsyncIterator[Rig]:
    """A rig on a database server and key servers that are there already."""
    provisioned = await asyncio.to_thread(set_up, keyserver)
    await asyncio.to_thread(provision_tenant, keyserver.admin, "globex", ["pan"])
    for name, identity in provisioned.identities.items():
        (folder / "identities").mkdir(exist_ok=True)
        write_identity(folder / "identities" / f"{name}.json", identity)
    await asyncio.to_thread(keyserver.restart_standbys)  # or they would not audit the header of a list's id
    databases = await serviced._postgresql(postgres)
    alone = len(keyserver.nodes) == 1
    async with Proxy(postgres.port) as database, Proxy(keyserver.nodes[0].port) as keys:
        settings = Settings(
            data_url=databases.data_url,
            keystore_url=databases.keystore_url,
            plane_urls={name: _through(url, database) for name, url in databases.plane_urls.items()},
            vault_addr=f"http://127.0.0.1:{keys.port}" if alone else keyserver.addresses,
            identities=folder / "identities",
            pool_size=256,
        )
        async with Rig(
            databases, settings, keyserver, groups=groups, folder=folder, postgres=postgres,
            keyserver=keyserver, database=database, keys=keys if alone else None, looked=time.time(),
        ) as rig:  # fmt: skip
            yield rig


def _through(url: str, proxy: Proxy) -> str:
    head, _, tail = url.rpartition("@")
    return f"{head}@127.0.0.1:{proxy.port}/{tail.partition('/')[2]}"
