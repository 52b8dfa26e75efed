"""`strongroom doctor`: is everything as it must be, and if not, what to do."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from vault.cli.console import AsJson, print_json, screen
from vault.cli.failures import REFUSED
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from vault.cli.checkup.finding import Finding

_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "bad": ("✗", "bold red")}
Url = Annotated[str | None, typer.Option("--url", help="Also ask the service there whether it is ready.")]


NoUnwrap = Annotated[
    bool, typer.Option("--no-unwrap", help="Unwrap no keys of sampled records, and so leave no event.")
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        exists=True,
        dir_okay=False,
        help="A token that may read sys/policies/acl: compare the policies word for word.",
    ),
]


def doctor(
    url: Url = None, no_unwrap: NoUnwrap = False, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Check keys, identities, policies, databases and their roles, authority, records, log, backup, machine.

    Opens no value. A sample of sealed records of every type is compared with the digests in their tokenize
    events, and where the identity `reveal` is here their keys are unwrapped and compared with the records'
    commitments: each is an event of verb `doctor` first, in your name. Nothing else is changed. Exit 1
    when something is wrong. Without settings it looks at the development vault in this folder.

    Example: strongroom doctor --url http://127.0.0.1:8080
    """
    from vault.cli.checkup.examining import examine

    settings = service_settings()
    given = url or os.environ.get("STRONGROOM_URL")
    told = given or (None if os.environ.get("STRONGROOM_DATA_URL") else settings.public_url)
    token = token_file.read_text().strip() if token_file is not None else None
    found = asyncio.run(examine(settings, told, unwrap=not no_unwrap, token=token))
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
