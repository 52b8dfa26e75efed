"""`strongroom dev`: a whole vault on this machine, real key server included, and the demonstration."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from vault.cli.console import screen
from vault.cli.failures import UNAVAILABLE, CommandError
from vault.cli.home import FOLDER, Home, HomeOption, shown, write_json
from vault.cli.process import Stopped, stoppable
from vault.cli.service import Service, assert_free

if TYPE_CHECKING:
    from rich.console import Console

    from keys.devserver import RunningServer

TENANT, PERSONS = "demo", ("Demo Administrator", "Second Demo Administrator")
_AFRESH = "move that folder away to start afresh"
Demo = Annotated[bool, typer.Option("--demo", help="Run the main job before your eyes.")]
Once = Annotated[bool, typer.Option("--once", help="Stop at the end instead of staying up.")]
Port = Annotated[int, typer.Option(min=1, max=65_535, help="Port of the service on 127.0.0.1.")]
SignUps = Annotated[
    int, typer.Option("--signups", min=10, max=20_000, help="Sample sign-ups of the demonstration.")
]


def dev(
    demo: Demo = False,
    once: Once = False,
    home: HomeOption = FOLDER,
    port: Port = 8080,
    signups: SignUps = 1000,
) -> None:
    """Run a vault for development on this machine until Ctrl-C; what it keeps is there at the next start.

    A real OpenBao with storage under the home folder, SQLite, every plane in one process, a tenant `demo`.
    Never keep real data in it: the key server's own keys lie beside it.

    Example: strongroom dev --demo
    """
    os.umask(0o077)
    place = Home(home)
    place.make()
    try:
        with stoppable(), place.locked(), _running(place, port) as (bao, service):
            if demo:
                _demonstrate(place, service, signups)
            else:
                _say_how(place, service)
            if not once:
                _stay(bao, service)
    except Stopped:
        screen().print("\nStopped. Everything is kept for the next start.")


@contextmanager
def _running(home: Home, port: int) -> Iterator[tuple["RunningServer", Service]]:
    """Key server and service, provisioned and ready; both are stopped at the end, in the right order."""
    from keys.devserver import DevServer

    console = screen()
    assert_free(port)
    began = time.perf_counter()
    with DevServer(home.key_server).start() as bao:
        _step(console, began, "OpenBao runs, unsealed", f"storage in {shown(home.key_server)}")
        _provision(home, bao, console)
        settings = home.environment(vault_addr=bao.addr, port=port)
        home.keep_settings(settings)
        _step(console, began, *_prepare(home, settings))
        with Service(settings, port, home.log) as service:
            service.wait_ready()
            _step(console, began, f"the service answers at {service.url}", f"log in {shown(home.log)}")
            yield bao, service


def _provision(home: Home, bao: "RunningServer", console: "Console") -> None:
    from keys.plan import Plan
    from vault.cli.provision import set_up

    began = time.perf_counter()
    report = set_up(bao.server, bao.root_token, Plan(secret_id_ttl=0), home.identities)
    what = f"{len(report.created)} things made, {len(report.present)} found"
    _step(console, began, "keys, policies and nine identities provisioned", what)


def _prepare(home: Home, settings: dict[str, str]) -> tuple[str, str]:
    """Migrate both databases and found the tenant. Answers what was done."""
    return asyncio.run(_prepared(home, settings))


async def _prepared(home: Home, settings: dict[str, str]) -> tuple[str, str]:
    from vault.cli import databases, founding
    from vault.settings import read_settings

    secret_files = tuple(home.credential(name) for name in ("admin", "admin2"))
    fresh = not secret_files[0].exists()
    if not fresh and not home.has_databases:
        raise CommandError(f"the databases in {home.folder} are gone, its credentials are not: {_AFRESH}")
    await databases.bring_up(databases.wanted(settings))
    whole = read_settings(settings)
    first, second = (founding.Founder(*one) for one in zip(PERSONS, secret_files, strict=True))
    if fresh:
        found = await founding.found(whole, tenant=TENANT, first=first, second=second)
        if "administrator" not in found:
            raise CommandError(f"the secret of {TENANT}'s administrator is lost: {_AFRESH}")
    elif not second.secret_file.exists():  # a folder from before there were two
        await founding.add_administrator(whole, tenant=TENANT, name="admin2", founder=second)
    client, _, secret = secret_files[0].read_text().strip().partition(":")
    kept = {"url": settings["STRONGROOM_PUBLIC_URL"], "client_id": client, "client_secret": secret}
    write_json(home.admin, kept)
    done = "databases made, tenant demo founded" if fresh else "databases up to date, tenant demo found"
    return done, "SQLite, two files"


def _demonstrate(home: Home, service: Service, signups: int) -> None:
    from vault.demo.run import demonstrate

    demonstrate(home, service.url, count=signups, console=screen())


def _say_how(home: Home, service: Service) -> None:
    console = screen()
    console.print(f"\nAddress: {service.url}   administrator: {shown(home.admin)} (0600)")
    console.print("All planes share one process here, so invariant 5 does not hold: for development only.")
    console.print("In another terminal, from this folder:", style="dim")
    console.print('  strongroom credentials create signup --person "Asha Rao" --grant tokenize')
    console.print("  strongroom doctor")
    console.print("What takes two persons, the second one approves:", style="dim")
    second = f"STRONGROOM_CLIENT_SECRET_FILE={shown(home.credential('admin2'))}"
    console.print(f"  {second} strongroom proposals approve prp_…", soft_wrap=True)


def _stay(bao: "RunningServer", service: Service) -> None:
    """Until somebody says stop. Raises: CommandError when the key server or the service ends by itself."""
    screen().print("\nRunning. Ctrl-C stops it.")
    while service.alive:
        if not bao.alive:
            raise CommandError(f"the key server has ended (log: {bao.log})", UNAVAILABLE)
        time.sleep(0.3)
    raise CommandError(f"the service has ended: {service.last_words()}", UNAVAILABLE)


def _step(console: "Console", began: float, what: str, more: str) -> None:
    took = time.perf_counter() - began
    console.print(f"[green]✓[/] {what} [dim]· {more} · {took:.1f} s[/]")
