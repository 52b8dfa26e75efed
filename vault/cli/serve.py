"""`strongroom serve`: one or more planes over HTTP, in worker processes of granian."""

import asyncio
import ipaddress
import multiprocessing
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from vault.cli import concealed, logs, process
from vault.cli.failures import UsageFault

Planes = Annotated[
    str, typer.Option("--plane", help="Planes, separated by commas, or all (development only).")
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")]
Workers = Annotated[
    int, typer.Option(min=1, max=64, help="Worker processes; more than one needs PostgreSQL.")
]
TlsCert = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Certificate chain (PEM).")]
TlsKey = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Its private key (PEM).")]
ClientCa = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Ask clients for certificates of this CA.")
]
BehindProxy = Annotated[
    bool, typer.Option("--behind-proxy", help="A proxy in front ends TLS: serve plain HTTP beyond loopback.")
]
Parent = Annotated[int | None, typer.Option(hidden=True)]

log = structlog.get_logger()
_ONE_PROCESS = (
    "invariant 5 does not hold: in one process the ingest plane could open values. "
    "In production each plane is a process of its own, with its own identity and database role."
)
DRAIN_SECONDS = 15
"""How long a worker may take to finish what it has begun."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where and how to listen."""

    host: str
    port: int
    cert: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    behind_proxy: bool = False

    def check(self) -> None:
        """Raises: UsageFault for a door that would show secrets to a network."""
        if (self.cert is None) != (self.key is None):
            raise UsageFault("--tls-cert and --tls-key belong together")
        if self.client_ca is not None and self.cert is None:
            raise UsageFault("--client-ca needs --tls-cert and --tls-key")
        if self.cert is None and not self.behind_proxy and not is_loopback(self.host):
            raise UsageFault(
                f"plain HTTP is served on loopback only, not on {self.host}: "
                "give --tls-cert and --tls-key, or --behind-proxy where a proxy ends TLS"
            )


def serve(
    *,
    plane: Planes,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    workers: Workers = 1,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    client_ca: ClientCa = None,
    behind_proxy: BehindProxy = False,
    parent: Parent = None,
) -> None:
    """Serve planes over HTTP until told to stop (SIGTERM or Ctrl-C lets requests finish).

    Settings come from STRONGROOM_… variables; an unknown or missing one ends the start with status 2.
    Logs are JSON lines on standard error and hold no bodies; core dumps are switched off.

    Example: strongroom serve --plane ingest --host 0.0.0.0 --tls-cert tls.pem --tls-key tls.key
    """
    if parent is not None:
        process.end_with(parent)
    door = Door(host, port, tls_cert, tls_key, client_ca, behind_proxy)
    door.check()
    _run(read_planes(plane), door, workers)


def read_planes(text: str) -> list[str]:
    """The planes named in `text`. Raises: UsageFault."""
    from vault.settings import PLANES, SEQUENCER

    known = (*PLANES, SEQUENCER)
    if text == "all":
        return list(known)
    named = text.split(",")
    for name in named:
        if name not in known:
            raise UsageFault(f"--plane takes {', '.join(known)}, or all")
    if len(set(named)) != len(named):
        raise UsageFault("--plane names a plane twice")
    return named


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _run(planes: list[str], door: Door, workers: int) -> None:
    from vault.cli import databases
    from vault.cli.worker import load
    from vault.identities import opened
    from vault.settings import read_settings

    settings = replace(read_settings(os.environ), behind_proxy=door.behind_proxy, workers=workers)
    concealed.forget()
    used = databases.of_planes(settings, planes)
    if workers > 1 and any(url.startswith("sqlite") for _, url, _ in used):
        raise UsageFault("--workers: SQLite takes one writer, so one worker; use PostgreSQL for more")
    logs.configure()
    hardened = process.harden()
    asyncio.run(databases.assert_current(used))
    settings = opened(settings, planes)
    _announce(planes, door, workers, hardened)
    status = multiprocessing.Value("i", 0)
    _listen(door, workers, partial(load, settings, planes, status, os.getpid()), status)


def _announce(planes: list[str], door: Door, workers: int, hardened: bool) -> None:
    log.info(
        "start",
        planes=planes,
        host=door.host,
        port=door.port,
        workers=workers,
        tls="client certificates" if door.client_ca else "on" if door.cert else "off",
        core_dumps="off" if hardened else "could not be switched off",
    )
    process.warn_of_swap()
    if len(planes) > 1 and "ingest" in planes and "reveal" in planes:
        log.warning("one_process", says=_ONE_PROCESS)


def _listen(door: Door, workers: int, loader: Any, status: Any) -> None:
    from granian.constants import Interfaces, Loops
    from granian.log import LogLevels
    from granian.server import Server

    server = Server(
        "vault",
        address=door.host,
        port=door.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=workers,
        websockets=False,
        workers_kill_timeout=DRAIN_SECONDS,
        respawn_failed_workers=workers > 1,
        log_level=LogLevels.warning,
        log_dictconfig=logs.GRANIAN,
        ssl_cert=door.cert,
        ssl_key=door.key,
        ssl_ca=door.client_ca,
        ssl_client_verify=door.client_ca is not None,
    )
    try:
        server.serve(target_loader=loader, wrap_loader=False)
    except SystemExit as end:
        raise SystemExit(status.value or end.code) from None
    log.info("stopped")
