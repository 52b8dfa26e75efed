"""What docker-compose.yml starts with, on real servers: certificates, first unsealing, database logins."""

import os
import select
import shutil
import signal
import socket
import socketserver
import ssl
import stat
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest
from sqlalchemy import text as sql
from sqlalchemy.exc import DBAPIError

from keys.admin import Admin
from keys.devserver import binary
from keys.errors import KeysError
from keys.migrate import migrate
from keys.nodes import Server
from tests.plugins.ports import free_port
from tests.plugins.postgres import BIN, _as_server, _user
from tests.plugins.process import ended
from vault.store.engine import open_database
from vault.store.migrate import DATA
from vault.store.roles import RIGHTS, apply_roles

ROOT = Path(__file__).parents[2]
TLS_REQUEST = struct.pack("!ii", 8, 80877103)
Teller = Callable[[str, int], None]


def script(name: str) -> ModuleType:
    """One of the image's scripts."""
    spec = spec_from_file_location(f"docker_{name}", ROOT / "docker" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the `certificates` step makes."""
    folder = tmp_path_factory.mktemp("materials")
    script("certificates").prepare(folder)
    return folder


class KeyServer:
    """OpenBao as the compose file's HashiCorp Vault: TLS, integrated storage, sealed when it starts."""

    def __init__(self, folder: Path, materials: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.server = Server(f"https://127.0.0.1:{self.port}", ca=str(materials / "vault" / "ca.pem"))
        (folder / "storage").mkdir()
        tls = materials / "vault"
        text = (ROOT / "docker" / "vault.hcl").read_text()
        # OpenBao knows no mlock and takes no audit device through its API; the rest is the file as it is.
        text = text.replace("disable_mlock = true # integrated", "# integrated")
        text = text.replace("0.0.0.0:8200", f"127.0.0.1:{self.port}")
        text = text.replace("https://vault:8200", self.server.address)
        text = text.replace("https://vault:8201", f"https://127.0.0.1:{free_port()}")
        text = text.replace("/run/strongroom", str(tls)).replace("/vault/file", str(folder / "storage"))
        text += f'audit "file" "file" {{ options {{ file_path = "{folder / "audit.log"}" }} }}\n'
        (folder / "bao.hcl").write_text(text)
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "bao.log").open("ab") as log:
            command = [str(binary()), "server", f"-config={self.folder / 'bao.hcl'}"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={"PATH": "/usr/bin"})
        return self.process

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def key_server(tmp_path: Path, materials: Path) -> Iterator[KeyServer]:
    """A server that was never initialised."""
    server = KeyServer(tmp_path, materials)
    yield server
    server.kill()


def test_a_new_key_server_is_brought_to_serving_and_again_after_a_crash(key_server, tmp_path):
    """The unseal step initialises a new server over TLS, keeps what it needs in files for its user alone, and
    unseals the same server again after it was killed."""
    step, kept = script("unseal"), tmp_path / "kept"
    kept.mkdir()
    step.unseal(key_server.server, kept)
    first = (kept / "init.json").read_bytes()
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept.iterdir()} == {0o600}
    key_server.kill()
    key_server.start()
    step.unseal(key_server.server, kept)
    assert (kept / "init.json").read_bytes() == first
    token = (kept / "root-token").read_text()
    admin = Admin.with_token(key_server.server, token)
    assert admin.get("auth/token/lookup-self") is not None
    assert token.encode() not in (tmp_path / "audit.log").read_bytes()


def test_a_key_server_of_another_authority_is_not_believed(key_server, tmp_path):
    """Who trusts another authority than the compose file's gets no answer from its key server."""
    script("certificates").prepare(tmp_path / "other")
    stranger = Server(key_server.server.address, ca=str(tmp_path / "other" / "vault" / "ca.pem"))
    until = time.monotonic() + 10
    while not (tmp_path / "bao.log").read_bytes().count(b"server started"):
        assert time.monotonic() < until
        time.sleep(0.05)
    with pytest.raises(KeysError, match="not trusted"):
        Admin.with_token(stranger, "").status("get", "sys/health")


class Database:
    """One PostgreSQL server as the compose file starts it, with its own pg_hba.conf and owner.sh."""

    def __init__(self, folder: Path, materials: Path) -> None:
        self.folder, self.port = folder, free_port()
        shutil.copy(materials / "data" / "owner-password", folder)
        for path in (folder, folder / "owner-password"):
            os.chown(path, *_user())
        # Two differences: no user of this machine is called postgres, so its socket asks nobody who he is;
        # and the wheel's PostgreSQL was built without TLS, which `behind_tls` adds in front of it.
        rules = (ROOT / "docker" / "pg_hba.conf").read_text().replace("peer", "trust")
        rules = rules.replace("hostnossl all      all       all      reject", "").replace("hostssl", "host")
        (folder / "pg_hba.conf").write_text(rules)
        (folder / "pg_hba.conf").chmod(0o644)  # whatever the umask that was inherited
        self._run([str(BIN / "initdb"), "-N", "-U", "postgres", "-A", "reject", "-D", str(folder / "rows")])
        with (folder / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(_as_server(self._command()), cwd=folder, stderr=log)

    def prepare(self) -> None:
        """What the image does at a first start."""
        self._psql("CREATE DATABASE data", patience=60)
        self._own()

    def _command(self) -> list[str]:
        told = {
            "hba_file": self.folder / "pg_hba.conf",
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
        }
        options = [part for name, value in told.items() for part in ("-c", f"{name}={value}")]
        return [str(BIN / "postgres"), "-D", str(self.folder / "rows"), "-p", str(self.port), *options]

    def _run(self, command: list[str], **environment: str) -> str:
        everything = {"PATH": f"{BIN}:/usr/bin:/bin", "PGHOST": str(self.folder), "PGPORT": str(self.port)}
        everything |= environment
        done = subprocess.run(
            _as_server(command), env=everything, cwd=self.folder, capture_output=True, check=True
        )
        return done.stdout.decode()

    def _psql(self, statement: str, *, patience: float = 0) -> str:
        until = time.monotonic() + patience
        while True:
            try:
                return self._run([str(BIN / "psql"), "-XAtqU", "postgres", "-c", statement])
            except subprocess.CalledProcessError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def _own(self) -> None:
        text = (ROOT / "docker" / "owner.sh").read_text().replace("/run/strongroom", str(self.folder))
        (self.folder / "owner.sh").write_text(text)
        (self.folder / "owner.sh").chmod(0o644)
        self._run(["/bin/sh", str(self.folder / "owner.sh")], POSTGRES_DB="data")

    def stop(self) -> None:
        """At once, whoever is connected: PostgreSQL waits for its clients on SIGTERM."""
        ended(self.process, signal.SIGINT)


@pytest.fixture(scope="module")
def database(materials: Path) -> Iterator[Database]:
    """The `data` server after its first start."""
    folder = Path(tempfile.mkdtemp(prefix="strongroom-pg-"))  # where its own user can go as well
    server = Database(folder, materials)
    try:
        server.prepare()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


class _Door(socketserver.BaseRequestHandler):
    """Answers PostgreSQL's request for TLS with a certificate, and passes bytes on."""

    tls: ssl.SSLContext
    onward: int

    def handle(self) -> None:
        assert self.request.recv(8) == TLS_REQUEST
        self.request.sendall(b"S")
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self.onward)) as server,
            self.tls.wrap_socket(self.request, server_side=True) as client,
        ):
            while True:
                ready = [client] if client.pending() else select.select([client, server], [], [])[0]
                for source in ready:
                    if not (part := source.recv(1 << 16)):
                        return
                    (server if source is client else client).sendall(part)


@contextmanager
def behind_tls(database: Database, materials: Path) -> Iterator[int]:
    """A port that reaches the database behind the certificate of `data`."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(materials / "data" / "tls.pem", materials / "data" / "tls.key")
    door = type("Door", (_Door,), {"tls": tls, "onward": database.port})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), door) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def told(database: Database, materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Teller:
    """Sets the environment of a service of the compose file, but for the port."""

    def tell(service: str, port: int) -> None:
        kept = tmp_path / "pgpass"
        text = (materials / service / "pgpass").read_text()
        kept.write_text(text.replace("data:5432", f"localhost:{port}"))
        kept.chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(kept))
        monkeypatch.setenv("PGSSLMODE", "verify-full")
        monkeypatch.setenv("PGSSLROOTCERT", str(materials / service / "ca.pem"))

    return tell


async def connected_as(role: str, port: int) -> str:
    """Log in with the URL that the compose file writes; answer who we are."""
    engine = open_database(f"postgresql+asyncpg://{role}@localhost:{port}/data")
    try:
        async with engine.connect() as connection:
            return str(await connection.scalar(sql("SELECT current_user")))
    finally:
        await engine.dispose()


async def test_the_owner_makes_schema_and_roles_and_processes_log_in(database, materials, told):
    """The owner of owner.sh, no superuser, migrates and makes the roles, twice; then a plane and the
    sequencer log in over verified TLS with no password in their URLs, and no other role with their files."""
    passwords = script("certificates").read_passwords(materials / "authority", "data")
    roles = {role: word for role, word in passwords.items() if role in RIGHTS}
    with behind_tls(database, materials) as port:
        told("setup", port)
        for _ in range(2):
            owner = open_database(f"postgresql+asyncpg://strongroom_owner@localhost:{port}/data")
            await migrate(owner, DATA)
            async with owner.begin() as connection:
                await apply_roles(connection, roles)
            await owner.dispose()
        for process in ("ingest", "sequencer"):
            told(process, port)
            assert await connected_as(f"strongroom_{process}", port) == f"strongroom_{process}"
            with pytest.raises(DBAPIError, match="password authentication failed"):
                await connected_as("strongroom_reveal", port)


async def test_a_database_of_another_authority_is_not_believed(database, materials, told, tmp_path):
    """A database server whose certificate another authority signed gets no password."""
    script("certificates").prepare(tmp_path / "other")
    with behind_tls(database, tmp_path / "other") as port:
        told("ingest", port)
        with pytest.raises(ssl.SSLCertVerificationError):
            await connected_as("strongroom_ingest", port)


async def test_the_superuser_cannot_come_over_the_network(database, materials, told):
    """Nobody logs in to the database as its superuser but from inside the container."""
    with behind_tls(database, materials) as port:
        told("setup", port)
        with pytest.raises(DBAPIError, match="rejects"):
            await connected_as("postgres", port)
