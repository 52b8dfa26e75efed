"""The environment, read once into one frozen object. Unknown or missing: the service does not start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from keys.errors import KeysError
from keys.identity import read_identity
from keys.methods import AppRole, Identity
from keys.nodes import Server
from vault.model.ask import PLANES as VERB_PLANES

PREFIX = "STRONGROOM_"
PLANES = tuple(sorted(set(VERB_PLANES.values())))
"""The planes there are: audit, control, ingest, office, reveal."""
SEQUENCER = "sequencer"
"""Not a plane: nobody calls it. It may share a process with planes, in development."""
RETENTION = "retention"
"""Not a plane: the database role that drops expired months of the log."""
OPERATOR = "operator"
"""Not a plane: the database role of those who work on keys, `rotator` and `shredder` at the key server."""
RESEALER = "resealer"
"""Not a plane: an operator lent for one job, with a database role of its own."""
OPERATORS = ("rotator", "shredder")


class SettingsError(ValueError):
    """A setting is unknown, missing or unusable. Names the setting, never its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a process of the service is told from outside. Each member is STRONGROOM_<NAME>."""

    data_url: str = field(repr=False)
    """SQLAlchemy URL of the data database: sqlite+aiosqlite:///… or postgresql+asyncpg://…"""
    keystore_url: str | None = field(default=None, repr=False)
    """The same of the keystore database. Planes that hold no keys (control, audit) need none."""
    plane_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    """For a process of several planes on PostgreSQL, each under its own role: STRONGROOM_<PLANE>_DATA_URL and
    STRONGROOM_<PLANE>_KEYSTORE_URL, as {"<plane>_data_url": …}. They go before the two above."""
    vault_addr: str
    """Address of HashiCorp Vault or OpenBao, or those of its nodes with commas between; https, or http on
    loopback."""
    vault_ca: str | None = None
    """PEM file of the authority that signed its certificate."""
    vault_namespace: str | None = None
    vault_mount: str = "strongroom"
    """Where its transit engine is mounted."""
    identities: Path
    """Folder with <plane>.json, the identity of each plane this process serves."""
    unwrapped: Mapping[str, AppRole] = field(default_factory=dict, repr=False)
    """Identities whose secret id came wrapped, and was unwrapped when the service started; no variable's."""
    issuer: str = "strongroom"
    """`iss` of access tokens; all planes of one installation share it."""
    public_url: str = "http://127.0.0.1:8080"
    """Address of the control plane as clients know it; an assertion's `aud` may name its token endpoint."""
    behind_proxy: bool = False
    """Set by `serve --behind-proxy`: the proxy in front says who the client is, last in X-Forwarded-For."""
    pool_size: int = 512
    """DEKs kept ready for each tenant by an ingest worker."""
    transit_threads: int = 4
    """Calls to HashiCorp Vault under way at once, for each plane of a worker."""
    database_connections: int = 6
    """Connections of one worker to each PostgreSQL database."""
    rate_values_per_second: int = 0
    """Values that a credential may send or ask for, by all workers of the process together; 0: no limit."""
    rate_burst_seconds: int = 10
    """Of that rate, what may come at once."""
    workers: int = 1
    """Set by `serve --workers`: each has its share of what is limited."""
    log_name: str = "strongroom.local"
    """What the log is called: checkpoints have the origin <log_name>/<tenant>. Never to be changed."""
    log_grant: str = "none"
    """`required`: reading tiles, checkpoints and proofs takes the grant `events`; `none`: they are public."""
    log_backlog_events: int = 10_000
    """Events without a checkpoint past which nothing is opened."""
    log_backlog_seconds: int = 600
    """Age of the oldest event without a checkpoint past which nothing is opened."""
    log_floor_months: int = 13
    """Full months for which bodies of events are kept at least."""
    backup_days: int = 35
    """Days for which backups are kept: a certificate of erasure names the day after which none is left."""
    export_alone_records: int = 50
    """Records of one person above which a copy takes a case that two persons decided."""
    sequencer_state: Path | None = None
    """Folder where the sequencer keeps what it signed last, outside the database."""

    witnesses: str = ""
    """Who cosigns checkpoints: `vkey@https://…` or `vkey@https://…#tenant+…` of each, separated by commas."""
    witness_ca: str | None = None
    """PEM file of the authority that signed the witnesses' certificates; the public ones when unset."""

    @property
    def server(self) -> Server:
        """The key server. Raises: SettingsError."""
        try:
            return Server(self.vault_addr, ca=self.vault_ca, namespace=self.vault_namespace)
        except KeysError:
            raise SettingsError(
                f"{PREFIX}VAULT_ADDR must be https://…, or several of them with commas between "
                "(http:// only on loopback)"
            ) from None

    def data_url_of(self, plane: str) -> str:
        """The data database as this plane's own role reaches it."""
        return self.plane_urls.get(f"{_role(plane)}_data_url", self.data_url)

    def keystore_url_of(self, plane: str) -> str:
        """The same of the keystore. Raises: SettingsError when the plane was told none."""
        url = self.plane_urls.get(f"{_role(plane)}_keystore_url", self.keystore_url)
        if url is None:
            raise SettingsError(f"{PREFIX}KEYSTORE_URL is missing; the plane {plane} needs it")
        return url

    @property
    def sequencer_folder(self) -> Path:
        """Where the sequencer keeps what it signed last. Raises: SettingsError."""
        if self.sequencer_state is not None:
            return self.sequencer_state
        scheme, _, path = self.data_url_of(SEQUENCER).partition(":///")
        if scheme.startswith("sqlite") and path:
            return Path(path).with_name("sequencer-state")
        raise SettingsError(f"{PREFIX}SEQUENCER_STATE is missing; the sequencer needs it")

    def identity_file(self, plane: str) -> Path:
        """Where a plane's identity is."""
        return self.identities / f"{plane}.json"

    def identity_of(self, plane: str) -> Identity:
        """A plane's identity. Raises: KeysError."""
        return self.unwrapped.get(plane) or read_identity(self.identity_file(plane))


_NUMBERS = {"pool_size": (16, 16_384), "transit_threads": (1, 64), "database_connections": (2, 64),
            "log_backlog_events": (1, 100_000_000), "log_backlog_seconds": (1, 604_800),
            "log_floor_months": (12, 1200), "backup_days": (0, 3650),
            "export_alone_records": (0, 1_000),
            "rate_values_per_second": (0, 1_000_000), "rate_burst_seconds": (1, 3_600)}  # fmt: skip
_FOLDERS = ("identities", "sequencer_state")
_LOG_NAME = re.compile(r"[A-Za-z0-9.:-]+(/[A-Za-z0-9._-]+)*", re.ASCII)
_TOLD_OTHERWISE = ("plane_urls", "behind_proxy", "unwrapped", "workers")
_REQUIRED = ("data_url", "vault_addr", "identities")
_KEYLESS = ("audit", "control", SEQUENCER, RETENTION)
PLANE_URLS = tuple(
    f"{plane}_{database}_url"
    for plane in (*PLANES, SEQUENCER, RETENTION, OPERATOR, RESEALER)
    for database in ("data", "keystore")
    if database == "data" or plane not in _KEYLESS
)
"""The names of `plane_urls`."""
OUTSIDE = (
    "URL",
    "TOKEN_URL",
    *(f"{plane.upper()}_URL" for plane in PLANES),
    "CLIENT_ID",
    "CLIENT_SECRET",
    "CLIENT_SECRET_FILE",
    "CA_FILE",
    "CERT_FILE",
    "KEY_FILE",
    "HOME",
    "DEBUG",
)
"""STRONGROOM_ names that belong to the client and the command line, not to the service."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read STRONGROOM_*. Raises: SettingsError."""
    single = [one.name for one in fields(Settings) if one.name not in _TOLD_OTHERWISE]
    known = {f"{PREFIX}{name.upper()}": name for name in (*single, *PLANE_URLS)}
    given = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    for name in sorted(set(given) - set(known) - {PREFIX + one for one in OUTSIDE}):
        raise SettingsError(f"{name} is not a setting; known are {', '.join(sorted(known))}")
    for name in _REQUIRED:
        if not given.get(PREFIX + name.upper()):
            raise SettingsError(f"{PREFIX}{name.upper()} is missing")
    values: dict[str, object] = {}
    plane_urls: dict[str, str] = {}
    for variable, name in known.items():
        text = given.get(variable)
        if text and name in PLANE_URLS:
            plane_urls[name] = text
        elif text:
            values[name] = _convert(variable, name, text)
    # Each was converted to its member's type above.
    return Settings(**values, plane_urls=plane_urls)  # type: ignore[arg-type]


def _role(plane: str) -> str:
    return OPERATOR if plane in OPERATORS else plane


def _convert(variable: str, name: str, text: str) -> object:
    if name in _FOLDERS:
        return Path(text)
    if name == "log_grant" and text not in ("none", "required"):
        raise SettingsError(f"{variable} is none or required")
    if name == "log_name" and _LOG_NAME.fullmatch(text) is None:
        raise SettingsError(f"{variable} is an address without scheme, such as log.example.in/audit")
    if name not in _NUMBERS:
        return text
    low, high = _NUMBERS[name]
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not low <= int(text) <= high:
        raise SettingsError(f"{variable} must be a number from {low} to {high}")
    return int(text)
