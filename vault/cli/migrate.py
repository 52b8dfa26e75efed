"""`strongroom migrate`: both databases to the schema this version was written for."""

import asyncio
import os
from typing import Annotated

import typer

from vault.cli.console import AsJson, print_json, screen
from vault.cli.failures import REFUSED

Check = Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when something is to be done.")]


def migrate(check: Check = False, as_json: AsJson = False) -> None:
    """Bring the data and the keystore database up to date. Doing it twice does no harm.

    Reads STRONGROOM_DATA_URL and STRONGROOM_KEYSTORE_URL; either may be absent.

    Example: strongroom migrate --check
    """
    from vault.cli import databases

    found = databases.wanted(os.environ)
    if check:
        states = {name: asyncio.run(databases.current(name, url, schema)) for name, url, schema in found}
        _say([(name, "up to date" if good else "needs migrating") for name, good in states.items()], as_json)
        raise typer.Exit(0 if all(states.values()) else REFUSED)
    done = asyncio.run(databases.bring_up(found))
    _say([(one.name, _what(one.before, one.after)) for one in done], as_json)


def _what(before: str | None, after: str | None) -> str:
    if before == after:
        return f"already at {after}"
    return f"created at {after}" if before is None else f"from {before} to {after}"


def _say(lines: list[tuple[str, str]], as_json: bool) -> None:
    if as_json:
        print_json(dict(lines))
        return
    for name, what in lines:
        screen().print(f"{name}: {what}")
