"""Whose credential a command uses, and where the vault is: from the environment, or a development folder.

The variables are those of the client libraries, so that one environment serves both.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from vault.cli.failures import UsageFault
from vault.cli.home import FOLDER, Home, read_json
from vault.model.ask import PLANES as VERBS
from vault.model.secret import Secret

PLANES = sorted(set(VERBS.values()))

_HOW = (
    "no credential: set STRONGROOM_URL, STRONGROOM_CLIENT_ID and STRONGROOM_CLIENT_SECRET_FILE "
    "(or STRONGROOM_CLIENT_SECRET), or start `strongroom dev` here"
)


@dataclass(frozen=True, slots=True)
class Access:
    """Where the vault is, and a credential for it."""

    url: str
    client_id: str
    secret: Secret[str]
    planes: Mapping[str, str] = field(default_factory=dict)
    """Addresses of planes that run apart."""
    token_url: str | None = None
    """Where access tokens are issued; else at the control plane."""
    ca: str | None = None
    """PEM file of the CA to trust in place of the system's."""
    cert: tuple[str, str] | None = None
    """PEM files of a client certificate and its key."""

    @property
    def tenant(self) -> str:
        """The tenant of the credential."""
        return self.client_id.partition(".")[0]


def find(environment: Mapping[str, str] = os.environ, *, role: str = "admin") -> Access:
    """The credential to use. `role` picks one of a development folder's. Raises: UsageFault, OSError."""
    return _reached(_credential(environment, role), environment)


def _credential(environment: Mapping[str, str], role: str) -> Access:
    home = Home(Path(environment.get("STRONGROOM_HOME") or FOLDER))
    kept = read_json(home.admin)
    url = environment.get("STRONGROOM_URL") or kept.get("url")
    if not url:
        raise UsageFault(_HOW)
    file = environment.get("STRONGROOM_CLIENT_SECRET_FILE")
    if file:
        return _from_file(url, Path(file), environment.get("STRONGROOM_CLIENT_ID"))
    client, secret = (environment.get(f"STRONGROOM_{name}") for name in ("CLIENT_ID", "CLIENT_SECRET"))
    if client and secret:
        return Access(url, client, Secret(secret))
    if client or secret:
        raise UsageFault("STRONGROOM_CLIENT_ID and STRONGROOM_CLIENT_SECRET belong together")
    if role != "admin" and home.credential(role).exists():
        return _from_file(url, home.credential(role), None)
    if "client_id" not in kept:
        raise UsageFault(_HOW)
    return Access(url, kept["client_id"], Secret(kept["client_secret"]))


def _reached(access: Access, environment: Mapping[str, str]) -> Access:
    """The same credential, with how the vault is reached."""
    told = {name.removeprefix("STRONGROOM_"): value for name, value in environment.items() if value}
    pair = [told.get(name) for name in ("CERT_FILE", "KEY_FILE")]
    if any(pair) and not all(pair):
        raise UsageFault("STRONGROOM_CERT_FILE and STRONGROOM_KEY_FILE belong together")
    return replace(
        access,
        planes={plane: told[f"{plane.upper()}_URL"] for plane in PLANES if f"{plane.upper()}_URL" in told},
        token_url=told.get("TOKEN_URL"),
        ca=told.get("CA_FILE"),
        cert=(pair[0], pair[1]) if pair[0] and pair[1] else None,
    )


def _from_file(url: str, path: Path, client: str | None) -> Access:
    """A file with the secret, or with `client_id:secret`."""
    with path.open() as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise UsageFault(f"{path} must not be readable by group or others: chmod 600")
        first, colon, rest = file.read(4096).strip().partition(":")
    if not colon:
        first, rest = client or "", first
    if not first or (client and client != first):
        raise UsageFault(f"{path} holds no credential of STRONGROOM_CLIENT_ID ({client or 'not set'})")
    return Access(url, first, Secret(rest))
