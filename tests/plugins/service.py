"""The whole service on a real OpenBao and both databases: started once for each module that asks."""

import itertools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import URL

import keys.roles
import vault.store.roles
from keys.devserver import DevServer, RunningServer
from keys.identity import write_identity
from keys.migrate import KEYSTORE, migrate
from keys.provision import provision_tenant
from tests.plugins.bao import Provisioned, set_up
from tests.plugins.postgres import Postgres
from tests.plugins.world import Databases, World
from vault.settings import PLANE_URLS, Settings
from vault.store.engine import open_database
from vault.store.migrate import DATA

KINDS = ("sqlite", "postgresql")
PASSWORDS = {
    role: secrets.token_urlsafe(18) for role in (*vault.store.roles.RIGHTS, *keys.roles.KEYSTORE_RIGHTS)
}
"""Of every database role, made for this run."""
_numbers = itertools.count(1)

Databank = Callable[[str], Awaitable[Databases]]
Founder = Callable[..., Awaitable[World]]


@pytest.fixture(scope="session")
def identities(
    provisioned: Provisioned, bao: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of identity files of a run, with keys for both tenants."""
    provision_tenant(bao.admin, "globex", ["pan"])
    folder = tmp_path_factory.mktemp("identities")
    for name, identity in provisioned.identities.items():
        write_identity(folder / f"{name}.json", identity)
    return folder


@pytest.fixture(scope="session")
def databank(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Databank:
    """Makes a fresh pair of databases of a kind. PostgreSQL starts when the first one asks for it."""

    async def make(kind: str) -> Databases:
        if kind == "sqlite":
            return await _sqlite(tmp_path_factory.mktemp("sqlite"))
        return await _postgresql(request.getfixturevalue("postgres"))

    return make


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def service(
    request: pytest.FixtureRequest, databank: Databank, identities: Path, bao: RunningServer
) -> AsyncIterator[World]:
    """A world that the tests of a module share, once on each database."""
    async with World(*_built(await databank(request.param), identities, bao), bao) as world:
        yield world


@pytest_asyncio.fixture
async def found_world(databank: Databank, identities: Path, bao: RunningServer) -> AsyncIterator[Founder]:
    """Makes a world of its own for a test that breaks things: `await found_world("postgresql")`."""
    async with AsyncExitStack() as stack:

        async def found(kind: str, **settings: Any) -> World:
            databases, built = _built(await databank(kind), identities, bao, **settings)
            return await stack.enter_async_context(World(databases, built, bao))

        yield found


def plane_urls(postgres: Postgres, data: URL, keystore: URL, *, port: int = 0) -> dict[str, str]:
    """Where each plane finds its databases under its own role, on the server's port or another."""
    urls = {}
    for name in PLANE_URLS:
        plane, kind, _ = name.split("_")
        role = f"strongroom_{plane}"
        database = (data if kind == "data" else keystore).database
        url = postgres.url(str(database), user=role, password=PASSWORDS[role], port=port)
        urls[name] = url.render_as_string(hide_password=False)
    return urls


def _built(
    databases: Databases, identities: Path, bao: RunningServer, /, **changed: Any
) -> tuple[Databases, Settings]:
    told: dict[str, Any] = {
        "data_url": databases.data_url,
        "keystore_url": databases.keystore_url,
        "plane_urls": databases.plane_urls,
        "vault_addr": bao.addr,
        "identities": identities,
        "pool_size": 128,
        "database_connections": 3,
    }
    return databases, Settings(**told | changed)


async def _sqlite(folder: Path) -> Databases:
    urls = [f"sqlite+aiosqlite:///{folder / name}.db" for name in ("data", "keystore")]
    for url, schema in zip(urls, (DATA, KEYSTORE), strict=True):
        engine = open_database(url)
        await migrate(engine, schema)
        await engine.dispose()
    return Databases("sqlite", *urls, folder)


async def _postgresql(postgres: Postgres) -> Databases:
    pair = await postgres.pair(f"world_{next(_numbers)}")
    urls = [url.render_as_string(hide_password=False) for url in (pair.data, pair.keystore)]
    for url, apply, rights in (
        (urls[0], vault.store.roles.apply_roles, vault.store.roles.RIGHTS),
        (urls[1], keys.roles.apply_roles, keys.roles.KEYSTORE_RIGHTS),
    ):
        engine = open_database(url)
        async with engine.begin() as connection:
            await apply(connection, {role: PASSWORDS[role] for role in rights})
        await engine.dispose()
    return Databases("postgresql", *urls, postgres.files, plane_urls(postgres, pair.data, pair.keystore))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def rotatable(
    request: pytest.FixtureRequest, databank: Databank, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A world with a key server of its own, whose keys may be rotated: the shared one's serve other tests."""
    with DevServer(tmp_path_factory.mktemp("own-bao")).start() as own:
        identities = tmp_path_factory.mktemp("own-identities")
        for name, identity in set_up(own).identities.items():
            write_identity(identities / f"{name}.json", identity)
        provision_tenant(own.admin, "globex", ["pan"])
        async with World(*_built(await databank(request.param), identities, own), own) as world:
            yield world
