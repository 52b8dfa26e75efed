"""`strongroom doctor`: is everything as it must be, and if not, what to do."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from vault.cli.console import AsJson, print_json, screen
from vault.cli.failures import REFUSED
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from vault.cli.checks import Finding

_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "bad": ("✗", "bold red")}
Url = Annotated[str | None, typer.Option("--url", help="Also ask the service there whether it is ready.")]


def doctor(url: Url = None, as_json: AsJson = False) -> None:
    """Check settings, key server, identities, privileges, databases, authority and sealed records.

    Changes nothing and opens no value: a sample of sealed records is compared with the digests in their
    tokenize events (their keys are not unwrapped, as that would need an event of its own). Exit 1 when
    something is wrong. Without settings it looks at the development vault in this folder.

    Example: strongroom doctor --url http://127.0.0.1:8080
    """
    from vault.cli import checks

    settings = service_settings()
    given = url or os.environ.get("STRONGROOM_URL")
    told = given or (None if os.environ.get("STRONGROOM_DATA_URL") else settings.public_url)
    found = asyncio.run(checks.examine(settings, told))
    bad = any(one.state == "bad" for one in found)
    if as_json:
        shown = [{"check": f.check, "state": f.state, "says": f.says, "do": f.do} for f in found]
        print_json({"ok": not bad, "findings": shown})
    else:
        for one in found:
            _print(one)
    raise typer.Exit(REFUSED if bad else 0)


def _print(one: "Finding") -> None:
    mark, style = _MARKS[one.state]
    line = Text.assemble(
        (f"{mark} ", style), f"{one.check}: ", (one.says, style if one.state == "bad" else "")
    )
    screen().print(line)
    if one.do:
        screen().print(Text(f"    {one.do}", style="bold"))
