"""A vault whose log an auditor has mirrored and a witness has cosigned; each test breaks a copy of its own.

The log has three parts: what the auditor has mirrored, what was signed since, what has no number yet.
"""

import asyncio
import io
import itertools
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import Executable, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine
from strongroom_audit.cli import main
from strongroom_audit.verifier.notes import read_key
from strongroom_witness.folder import Folder
from strongroom_witness.service import WitnessServer

from keys.devserver import RunningServer
from tests.plugins.bridge import bridged
from tests.plugins.copies import clone, keep
from tests.plugins.postgres import Postgres
from tests.plugins.service import KINDS, Databank, _built, plane_urls
from tests.plugins.world import BANK, World
from vault.app import create_app
from vault.sequencer import build_sequencer
from vault.settings import Settings
from vault.store.engine import open_database

WITNESS = "witness.example/w1"
LOG = "strongroom.local/acme"
Alarm = tuple[str, str, str]
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Said:
    """How a command of the auditor ended, and what it printed."""

    code: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The vault before the rogue came. Nobody works on it; copies are made of it."""

    kind: str
    settings: Settings
    folder: Path
    """`state` of the sequencer, `witness`, `mirror`; on SQLite the database `data.db` too."""
    postgres: Postgres | None
    secrets: Mapping[str, str]
    receipts: Sequence[str]
    tokens: Sequence[str]
    mirrored: int
    """Events the auditor has."""
    spare: list[str] = field(default_factory=list)
    """Copies on PostgreSQL that a test has done with."""


@dataclass(slots=True, kw_only=True)
class Scene:
    """A copy of the vault, in a rogue's hands, and those who should notice."""

    original: Original
    settings: Settings
    folder: Path
    owner: AsyncEngine
    """What an administrator of the database could do."""
    client: httpx.AsyncClient
    url: str
    witness_says: list[str]

    @property
    def secret(self) -> str:
        """The auditor's."""
        return self.original.secrets["acme.auditor"]

    async def bearer(self, who: str) -> dict[str, str]:
        """The header of a credential's access token."""
        auth = f"acme.{who}", self.original.secrets[f"acme.{who}"]
        form = {"grant_type": "client_credentials"}
        answer = await self.client.post("/oauth2/token", data=form, auth=auth)
        return {"authorization": f"Bearer {answer.json()['access_token']}"}

    async def sql(self, statement: Executable | str, **values: Any) -> None:
        """What a database administrator does."""
        async with self.owner.begin() as connection:
            await connection.execute(
                text(statement) if isinstance(statement, str) else statement, values or None
            )

    async def rows(self, query: Executable | str, **values: Any) -> Sequence[Any]:
        """What is in the database."""
        async with self.owner.connect() as connection:
            found = text(query) if isinstance(query, str) else query
            return (await connection.execute(found, values or None)).all()

    async def sequence(self) -> list[Alarm]:
        """A sequencer starts, numbers and signs what it can, shows it to the witness; its alarms."""
        return await sequence(self.settings)

    async def mirror(self, folder: str = "mirror") -> Said:
        """The auditor's nightly run, or with another folder that of one who has seen nothing yet."""
        return await audit("mirror", self.url, self.folder / folder, "--tenant", "acme", secret=self.secret)

    async def verify(self, folder: str = "mirror") -> Said:
        """The auditor checks his copy without a network."""
        return await audit("verify", self.folder / folder, secret=self.secret)


async def sequence(settings: Settings) -> list[Alarm]:
    """A sequencer's whole life: start, number, sign, show the witness, end."""
    running, alarms = build_sequencer(settings), list[Alarm]()

    def hear(code: str, tenant: str, says: str) -> None:
        alarms.append((code, tenant, says))

    running.sequencer.alarm = running.witnesses.witnessing.alarm = hear
    try:
        await running.prepare()
        while await running.sequencer.step(sign=True):
            pass
        await running.witnesses.witnessing.step()
    finally:
        await running.stop()
    return alarms


async def audit(*arguments: object, secret: str) -> Said:
    """`strongroom-audit` beside the running loop."""
    told = {"STRONGROOM_CLIENT_ID": "acme.auditor", "STRONGROOM_CLIENT_SECRET": secret}

    def run() -> Said:
        heard, interval = io.StringIO(), sys.getswitchinterval()
        with _told(told), redirect_stdout(heard), redirect_stderr(heard):
            try:
                main([str(one) for one in arguments])
            except SystemExit as end:
                return Said(int(end.code or 0), heard.getvalue())
            finally:
                sys.setswitchinterval(interval)
        return Said(0, heard.getvalue())

    return await asyncio.to_thread(run)


@contextmanager
def _told(values: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in values.items():
            environment.setenv(name, value)
        yield


@contextmanager
def witnessing(folder: Path, says: list[str]) -> Iterator[str]:
    """The real witness on loopback; its address."""
    witness = Folder(folder).witness(lambda: 1_800_000_000, says.append)
    with WitnessServer(("127.0.0.1", 0), witness) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"{witness.cosigner.vkey}@http://127.0.0.1:{server.port}"
        finally:
            server.shutdown()
            thread.join()


@asynccontextmanager
async def serving(settings: Settings, planes: Sequence[str]) -> AsyncIterator[httpx.AsyncClient]:
    """The service in this process."""
    app = create_app(settings, planes)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://vault.test") as client,
    ):
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=KINDS)
async def original(
    request: pytest.FixtureRequest,
    databank: Databank,
    identities: Path,
    bao: RunningServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Original:
    """An honest history, once on each database."""
    kind, folder = request.param, tmp_path_factory.mktemp("original")
    databases, settings = _built(await databank(kind), identities, bao, sequencer_state=folder / "state")
    Folder(folder / "witness").create(WITNESS)
    async with World(databases, settings, bao) as world:
        vkey = (await world.client.get("/v1/log/acme/keys")).json()["log"][0]
        Folder(folder / "witness").state.trust(read_key(vkey))
        with witnessing(folder / "witness", []) as place, bridged(world.client) as url:
            told = replace(settings, witnesses=place)
            await _mirrored(world, told)
            run = "mirror", url, folder / "mirror", "--tenant", "acme", "--key", vkey
            done = await audit(*run, secret=world.secrets["acme.auditor"])
            assert done.code == 0, done.words
            mirrored = int(done.words.rpartition("verified: ")[2].split()[0])
            await _signed_since(world, told)
        await _waiting(world)
        told = {
            "secrets": dict(world.secrets),
            "receipts": list(world.journal.receipts),
            "tokens": list(world.journal.values),
        }
    if kind == "sqlite":
        shutil.copy(make_url(settings.data_url).database or "", folder / "data.db")
    else:
        await keep(settings.data_url)
    return Original(
        kind=kind,
        settings=settings,
        folder=folder,
        postgres=request.getfixturevalue("postgres") if kind == "postgresql" else None,
        mirrored=mirrored,
        **told,
    )


async def _mirrored(world: World, settings: Settings) -> None:
    """More than a tile of events."""
    for _ in range(3):
        assert (await world.tokenize([("bank_account", BANK)] * 90)).status_code == 200
    await _opened(world, 3)
    assert await sequence(settings) == []


async def _signed_since(world: World, settings: Settings) -> None:
    await _opened(world, 5)
    assert (await world.tokenize([("bank_account", BANK)] * 4)).status_code == 200
    assert await sequence(settings) == []


async def _waiting(world: World) -> None:
    await _opened(world, 5)
    assert (await world.tokenize([("bank_account", BANK)] * 4)).status_code == 200


async def _opened(world: World, times: int) -> None:
    """As many lists of three events, each the next of one chain."""
    tokens = list(world.journal.values)[:3]
    for _ in range(times):
        assert (await world.detokenize(tokens)).status_code == 200


@pytest_asyncio.fixture(loop_scope="session")
async def scene(original: Original, tmp_path: Path) -> AsyncIterator[Scene]:
    """A copy to break, served and witnessed."""
    shutil.copytree(original.folder, tmp_path / "scene")
    async with staged(original, tmp_path / "scene") as made:
        yield made


@asynccontextmanager
async def staged(original: Original, folder: Path) -> AsyncIterator[Scene]:
    """The vault on a copy of the original's data; what auditor, witness and sequencer have is in `folder`."""
    says = list[str]()
    async with _copied(original, folder) as copied:
        owner = open_database(copied.data_url)
        with witnessing(folder / "witness", says) as place:
            told = replace(copied, sequencer_state=folder / "state", witnesses=place)
            async with serving(told, ["audit", "control"]) as client:
                with bridged(client) as url:
                    yield Scene(
                        original=original, settings=told, folder=folder, owner=owner, client=client, url=url,
                        witness_says=says,
                    )  # fmt: skip
        await owner.dispose()


@asynccontextmanager
async def _copied(original: Original, folder: Path) -> AsyncIterator[Settings]:
    """The settings of a copy of the data database."""
    told = original.settings
    if original.postgres is None:
        path = folder / f"{next(_numbers)}.db"
        shutil.copy(original.folder / "data.db", path)
        yield replace(told, data_url=f"sqlite+aiosqlite:///{path}")
        return
    name = await clone(original.postgres, make_url(told.data_url), original.spare)
    data, keystore = make_url(told.data_url).set(database=name), make_url(str(told.keystore_url))
    urls = plane_urls(original.postgres, data, keystore)
    yield replace(told, data_url=data.render_as_string(hide_password=False), plane_urls=urls)
    original.spare.append(name)
