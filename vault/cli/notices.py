"""`strongroom notices`: versions of the privacy notice, by the digest of what was published."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from vault.cli import access
from vault.cli.console import AsJson, flat, pairs, print_json, print_table, screen
from vault.cli.http import Api
from vault.cli.pages import OFFICE

app = typer.Typer(no_args_is_help=True, help="Versions of the privacy notice, in each language.")

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The text as it is published.")]
Version = Annotated[str, typer.Option(help="Its version, such as 2026-04.")]
Language = Annotated[str, typer.Option(help="A language tag, such as en or hi-IN.")]
Effective = Annotated[str, typer.Option(help="From when, such as 2026-04-01T00:00:00+05:30.")]
Purposes = Annotated[
    list[str], typer.Option("--purpose", help="A purpose it tells people of; once for each.")
]
Title = Annotated[str, typer.Option(help="Its title, one line.")]


@app.command()
def publish(
    *,
    file: File,
    version: Version,
    language: Language,
    effective: Effective,
    purposes: Purposes,
    title: Title = "Privacy notice",
    as_json: AsJson = False,
) -> None:
    """Put a version on record. The text stays here: its SHA-256 is computed now, and only that is sent.

    Example: strongroom notices publish notice-en.html --version 2026-04 --language en --effective
    2026-04-01T00:00:00+05:30 --purpose payment --purpose marketing_display
    """
    body = {
        "version": version,
        "language": language,
        "title": title,
        "effective": effective,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "purposes": purposes,
    }
    with Api(access.find(role=OFFICE)) as api:
        done: dict[str, Any] = api.post("/v1/notices", body, plane=OFFICE)
    if as_json:
        print_json(done)
    else:
        screen().print(pairs(flat(done)))


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """List every version in every language, the newest first.

    Example: strongroom notices list
    """
    with Api(access.find(role=OFFICE)) as api:
        found = api.get("/v1/notices", plane=OFFICE)
    if as_json:
        print_json(found)
        return
    rows = [
        (one["notice"], one["title"], one["effective"][:19], ", ".join(one["purposes"]), one["sha256"][:12])
        for one in found["notices"]
    ]
    print_table(("notice", "title", "effective", "purposes", "sha256"), rows)
