"""Where the vault is and how to reach it: read once, checked, frozen. The client secret never prints."""

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict, get_args

import httpx

from strongroom.errors import Misused

POOL = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)

Plane: TypeAlias = Literal["ingest", "reveal", "office", "control", "audit"]
PLANES: tuple[Plane, ...] = get_args(Plane)
_PREFIX = "STRONGROOM_"
_VISIBLE = re.compile(r"[\x21-\x7e]{1,4096}")


class Options(TypedDict, total=False):
    """What may be said besides the address and the credential."""

    timeout: float
    """Seconds one attempt may wait for the network (10)."""
    deadline: float
    """Seconds after which a call makes no further attempt (30)."""
    attempts: int
    """Attempts at most, the first included (4)."""
    planes: Mapping[Plane, str]
    """Addresses of planes that run apart: `{"ingest": "https://ingest.vault.example"}`."""
    token_url: str
    """Where access tokens are issued; else `/oauth2/token` of the control plane."""
    verify: ssl.SSLContext | str
    """A TLS context, or the path of a CA file to trust in place of the system's."""
    cert: tuple[str, str]
    """Paths of a client certificate and its key, for mutual TLS."""
    assertion: Callable[[str], str]
    """Instead of a secret: signs a JWT (RFC 7523) for the audience it is given."""
    transport: httpx.BaseTransport | httpx.AsyncBaseTransport
    """Takes the place of the network in tests."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often a call is tried."""

    timeout: float = 10.0
    deadline: float = 30.0
    attempts: int = 4

    def __post_init__(self) -> None:
        if self.timeout <= 0 or self.deadline <= 0 or self.attempts < 1:
            raise Misused("bad_setting", "timeout and deadline are above 0, attempts at least 1.")


@dataclass(frozen=True, slots=True)
class Connection:
    """A checked way to one vault with one credential."""

    client_id: str
    client_secret: str | None = field(repr=False)
    urls: Mapping[Plane, str]
    token_url: str
    limits: Limits
    tls: ssl.SSLContext = field(repr=False)
    assertion: Callable[[str], str] | None = field(default=None, repr=False)


def connection(url: str, client_id: str, client_secret: str | None, options: Options) -> Connection:
    """Check everything there is to check before the first call. Raises: Misused."""
    if set(options.get("planes", {})) - set(PLANES):
        raise Misused("bad_setting", f"The planes are {', '.join(PLANES)}.")
    assertion = options.get("assertion")
    if (client_secret is None) == (assertion is None):
        raise Misused("bad_setting", "A client authenticates with client_secret or with assertion.")
    for text in (client_id, client_secret or "-"):
        if not _VISIBLE.fullmatch(text):
            raise Misused("bad_setting", "The client id and secret are visible ASCII without spaces.")
    urls = {plane: _checked(options.get("planes", {}).get(plane, url)) for plane in PLANES}
    return Connection(
        client_id=client_id,
        client_secret=client_secret,
        urls=urls,
        token_url=_checked(options.get("token_url", f"{urls['control']}/oauth2/token")),
        limits=_limits(options),
        tls=_tls(options.get("verify"), options.get("cert")),
        assertion=assertion,
    )


def _limits(options: Options) -> Limits:
    usual = Limits()
    return Limits(
        timeout=options.get("timeout", usual.timeout),
        deadline=options.get("deadline", usual.deadline),
        attempts=options.get("attempts", usual.attempts),
    )


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url.rstrip("/"))
        parsed.host.encode("idna")  # a label that is too long or empty would only fail at the first call
    except (httpx.InvalidURL, UnicodeError):
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host or (parsed.port or 0) > 65_535:
        raise Misused("bad_url", "The address of a vault reads https://host[:port][/path].")
    if parsed.query or parsed.fragment:
        raise Misused("bad_url", "The address of a vault reads https://host[:port][/path].")
    if parsed.userinfo:
        raise Misused("bad_url", "The address of a vault carries no user or password.")
    if parsed.scheme == "http" and not _loopback(parsed.host):
        raise Misused("bad_url", "Plain http is for this machine alone; the address must be https.")
    return str(parsed)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _tls(verify: ssl.SSLContext | str | None, cert: tuple[str, str] | None) -> ssl.SSLContext:
    """TLS 1.2 at least; there is no way to switch verification off here."""
    if isinstance(verify, ssl.SSLContext) and cert is None:
        return verify
    if isinstance(verify, ssl.SSLContext):
        raise Misused("bad_setting", "Load the client certificate into the TLS context you pass.")
    fault = Misused("bad_setting", "The CA file or the client certificate cannot be read.")
    try:
        context = httpx.create_ssl_context() if verify is None else ssl.create_default_context(cafile=verify)
        if cert is not None:
            context.load_cert_chain(*cert)
    except OSError:
        raise fault from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def from_environment(environ: Mapping[str, str], given: Options) -> tuple[str, str, str | None, Options]:
    """Address, client id, client secret and options from STRONGROOM_… variables; `given` wins."""
    options: Options = {}
    planes: dict[Plane, str] = {p: environ[_name(p)] for p in PLANES if environ.get(_name(p))}
    if planes:
        options["planes"] = planes
    if token_url := environ.get(f"{_PREFIX}TOKEN_URL"):
        options["token_url"] = token_url
    if ca_file := environ.get(f"{_PREFIX}CA_FILE"):
        options["verify"] = ca_file
    cert = environ.get(f"{_PREFIX}CERT_FILE"), environ.get(f"{_PREFIX}KEY_FILE")
    if cert[0] and cert[1]:
        options["cert"] = (cert[0], cert[1])
    elif cert[0] or cert[1]:
        raise Misused("bad_setting", f"{_PREFIX}CERT_FILE and {_PREFIX}KEY_FILE come together.")
    options.update(given)
    secret = None if "assertion" in given else _secret(environ)
    return _needed(environ, "URL"), _needed(environ, "CLIENT_ID"), secret, options


def _name(plane: Plane) -> str:
    return f"{_PREFIX}{plane.upper()}_URL"


def _needed(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(f"{_PREFIX}{name}")
    if not value:
        raise Misused("missing_setting", f"{_PREFIX}{name} is not set.")
    return value


def _secret(environ: Mapping[str, str]) -> str:
    path = environ.get(f"{_PREFIX}CLIENT_SECRET_FILE")
    if not path:
        return _needed(environ, "CLIENT_SECRET")
    if environ.get(f"{_PREFIX}CLIENT_SECRET"):
        raise Misused("bad_setting", f"Set {_PREFIX}CLIENT_SECRET or its _FILE, not both.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        fault = Misused("missing_setting", f"The file of {_PREFIX}CLIENT_SECRET_FILE cannot be read.")
    raise fault
