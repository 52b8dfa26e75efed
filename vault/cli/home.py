"""The folder of a development vault: where everything lies, and what it remembers between two starts."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from keys.identity import write_private
from vault.cli.failures import CommandError

FOLDER = Path(".strongroom")
HomeOption = Annotated[
    Path, typer.Option("--home", envvar="STRONGROOM_HOME", help="Folder of the development vault.")
]


@dataclass(frozen=True, slots=True)
class Home:
    """`.strongroom/`: readable by its owner alone."""

    folder: Path

    @property
    def key_server(self) -> Path:
        """OpenBao's folder."""
        return self.folder / "openbao"

    @property
    def identities(self) -> Path:
        """<plane>.json for each identity."""
        return self.folder / "identities"

    @property
    def log(self) -> Path:
        """What the service writes to standard error."""
        return self.folder / "service.log"

    @property
    def admin(self) -> Path:
        """URL, client id and secret of the tenant's administrator."""
        return self.folder / "admin.json"

    @property
    def settings(self) -> Path:
        """The service's settings as of the last start, for `doctor` and a shell."""
        return self.folder / "settings.env"

    def credential(self, name: str) -> Path:
        """A credential as one line, `client_id:secret`, as `curl -u` wants it."""
        return self.folder / "credentials" / name

    @property
    def has_databases(self) -> bool:
        """Whether both databases are there."""
        return all((self.folder / f"{name}.db").exists() for name in ("data", "keystore"))

    def make(self) -> None:
        """Create the folders."""
        for folder in (self.folder, self.identities, self.credential("x").parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder. Raises: CommandError while another process does."""
        with (self.folder / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandError(f"another `strongroom dev` is running in {self.folder}") from None
            yield

    def environment(self, *, vault_addr: str, port: int) -> dict[str, str]:
        """The service's settings for this folder."""
        whole = self.folder.resolve()
        return {
            "STRONGROOM_DATA_URL": f"sqlite+aiosqlite:///{whole / 'data.db'}",
            "STRONGROOM_KEYSTORE_URL": f"sqlite+aiosqlite:///{whole / 'keystore.db'}",
            "STRONGROOM_VAULT_ADDR": vault_addr,
            "STRONGROOM_IDENTITIES": str(whole / "identities"),
            "STRONGROOM_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "STRONGROOM_POOL_SIZE": "2048",
        }

    def keep_settings(self, environment: Mapping[str, str]) -> None:
        """Write the settings down as NAME=value lines."""
        lines = [f"{name}={value}\n" for name, value in sorted(environment.items())]
        write_private(self.settings, "".join(lines).encode())

    def kept_settings(self) -> dict[str, str]:
        """The settings as of the last start; empty when there was none."""
        if not self.settings.exists():
            return {}
        lines = self.settings.read_text().splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    def keep_credential(self, name: str, client_id: str, secret: str) -> Path:
        """Write a credential down for its owner alone."""
        path = self.credential(name)
        write_private(path, f"{client_id}:{secret}\n".encode())
        return path


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of ours; empty when the file is not there. Raises: CommandError when it is damaged."""
    if not path.exists():
        return {}
    try:
        found = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise CommandError(f"{path} is damaged")
    return found


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write a JSON object for its owner alone, whole or not at all."""
    write_private(path, orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")


def shown(path: Path) -> str:
    """A path as short as it can be written from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
