"""`strongroom fields`: the field types the vault takes, and what it does to them."""

from typing import Annotated

import typer

from vault.cli import access
from vault.cli.console import AsJson, flat, pairs, print_json, print_table, screen
from vault.cli.failures import CommandError
from vault.cli.http import Api

Name = Annotated[str, typer.Option("--name", help="Show this type alone, and all about it.")]


def fields(name: Name = "", as_json: AsJson = False) -> None:
    """List the field types, or show all about the one called NAME.

    Example: strongroom fields --name pan
    """
    with Api(access.find()) as api:
        found = api.get("/v1/fields")["fields"]
    if name:
        found = [one for one in found if one["type"] == name]
        if not found:
            raise CommandError(f"there is no field type called {name[:32]}")
    if as_json:
        print_json({"fields": found})
    elif name:
        screen().print(pairs(flat(found[0])))
    else:
        rows = [(one["type"], one["class"], one["title"], _note(one)) for one in found]
        print_table(("type", "class", "what it is", "note"), rows)


def _note(one: dict[str, object]) -> str:
    if one["disabled"]:
        return "disabled"
    return "searchable" if one["searchable"] else ""
