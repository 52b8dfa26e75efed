"""`strongroom honey`: planted records. Whoever asks for one of them is frozen at once, and that alarms."""

import os
import re
import secrets
import string
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vault.cli import access
from vault.cli.console import AsJson, print_json, screen
from vault.cli.failures import CommandError, UsageFault
from vault.cli.http import Api
from vault.cli.newfile import new_file
from vault.cli.pages import OFFICE
from vault.demo.signups import generate

AT_ONCE = 100
MOST = 1000
app = typer.Typer(
    no_args_is_help=True, help="Honey tokens: planted records that freeze whoever asks for them."
)

_PATTERN = re.compile(r"[A-Za-z0-9._:#-]{1,64}", re.ASCII)
_KINDS = {item["type"] for row in generate(1, seed=1) for item in row.items}

Type = Annotated[str, typer.Option("--type", help=f"One of {', '.join(sorted(_KINDS))}.")]
Count = Annotated[int, typer.Option(min=1, max=MOST, help="How many.")]
Subjects = Annotated[
    str, typer.Option(help="How your references look; each # becomes a random digit, as in cust-######.")
]
Ingest = Annotated[
    Path,
    typer.Option(exists=True, dir_okay=False, help="The credential of the application: client_id:secret."),
]
Out = Annotated[
    Path, typer.Option(help="A new file for subject and token, which your application then keeps.")
]
Tokens = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file with one token a line.")]


@app.command()
def plant(
    *, kind: Type, count: Count, subjects: Subjects, ingest: Ingest, out: Out, as_json: AsJson = False
) -> None:
    """Make records of nobody that look like everybody's, and plant them.

    They are tokenized with the application's own credential, so that the log and the database show what every
    sign-up shows. Put what stands in --out into the application's tables, then delete the file.

    Example: strongroom honey plant --type bank_account --count 20 --subjects 'cust-######' \
--ingest signup.credential --out planted.csv
    """
    if kind not in _KINDS:
        raise UsageFault(
            f"--type is one of {', '.join(sorted(_KINDS))}; tokenize others and `honey mark` them"
        )
    if _PATTERN.fullmatch(subjects) is None or 10 ** subjects.count("#") < 100 * count:
        raise UsageFault("--subjects wants letters, digits, . _ : - and enough # for as many references")
    environment = {k: v for k, v in os.environ.items() if k not in _OTHERS}
    environment["STRONGROOM_CLIENT_SECRET_FILE"] = str(ingest)
    items = list(_items(kind, count, subjects))
    with new_file(out) as file, Api(access.find(environment)) as api:
        made = [one for part in _parts(items) for one in _tokenized(api, part)]
        file.write("subject,token\n" + "".join(f"{subject},{token}\n" for subject, token in made))
    _mark([token for _, token in made], as_json)


@app.command()
def mark(file: Tokens, as_json: AsJson = False) -> None:
    """Plant tokens that the application has made of invented values. There is no way back.

    The file is read, not shown: who knows which tokens are planted avoids them. Delete it afterwards.

    Example: strongroom honey mark planted.txt
    """
    tokens = file.read_text("utf-8").split()
    if not 1 <= len(tokens) <= MOST:
        raise UsageFault(f"the file holds one token a line, at most {MOST}")
    _mark(tokens, as_json)


_OTHERS = ("STRONGROOM_CLIENT_ID", "STRONGROOM_CLIENT_SECRET", "STRONGROOM_CLIENT_SECRET_FILE")


def _mark(tokens: Sequence[str], as_json: bool) -> None:
    with Api(access.find(role=OFFICE)) as api:
        for part in _parts(tokens):
            api.post("/v1/honey", {"tokens": part}, plane=OFFICE)
    if as_json:
        print_json({"planted": len(tokens)})
        return
    screen().print(f"planted: {len(tokens)}")


def _items(kind: str, count: int, subjects: str) -> Iterator[dict[str, Any]]:
    """Invented values, each of a subject of its own."""
    used: set[str] = set()
    for row in generate(2 * count + 100, seed=secrets.randbits(64)):
        if len(used) == count:
            return
        subject = re.sub("#", lambda _: secrets.choice(string.digits), subjects)
        if kind in row.dirty or subject in used:
            continue
        used.add(subject)
        value = next(item["value"] for item in row.items if item["type"] == kind)
        yield {"type": kind, "value": value, "subject": subject}


def _tokenized(api: Api, items: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    answer = api.post("/v1/tokenize", {"items": list(items)}, plane="ingest", key=secrets.token_urlsafe(24))
    if len(answer["items"]) != len(items):
        raise CommandError("the service answered for another number of values")
    for asked, made in zip(items, answer["items"], strict=True):
        yield asked["subject"], made["token"]


def _parts(of: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(of), AT_ONCE):
        yield list(of[start : start + AT_ONCE])
