"""`strongroom replace`: a corrected value under the same token, read where no other process sees it."""

import json
import sys
from typing import Annotated, Any

import typer

from vault.cli import access
from vault.cli.console import AsJson, flat, pairs, print_json, screen
from vault.cli.failures import CommandError, UsageFault
from vault.cli.http import Api
from vault.cli.pages import OFFICE
from vault.model.secret import Secret

_LARGEST = 65_536

Token = Annotated[str, typer.Argument(metavar="TOKEN", help="The token whose value is wrong.")]
Reason = Annotated[str, typer.Option(metavar="REF", help="A reference, such as the case's.")]


def replace(record: Token, reason: Reason, as_json: AsJson = False) -> None:
    """Put another value in the place of a token's; the old one is shredded. It comes by standard input.

    A value that begins with { or " is read as JSON, any other as text, without its last line break. At a
    terminal it is asked for, and not shown. It is never an argument: every process could read those.

    Example: strongroom replace tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g --reason case-118 < value.txt
    """
    value = read_value()
    with Api(access.find(role=OFFICE)) as api:
        body = {"items": [{"token": record, "value": value.reveal()}], "reason": reason}
        done: dict[str, Any] = api.post("/v1/replace", body, plane=OFFICE)["items"][0]
    if as_json:
        print_json(done)
        return
    masked = done["masked"]
    words = ", ".join(map(str, masked.values())) if isinstance(masked, dict) else masked
    screen().print(pairs(flat({**done, "masked": words})))


def read_value() -> Secret[Any]:
    """The new value. Raises: CommandError, UsageFault; neither repeats it."""
    if sys.stdin.isatty():
        return _read(Secret(typer.prompt("New value", hide_input=True)))
    raw = sys.stdin.buffer.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise CommandError(f"a value has at most {_LARGEST:,} bytes")
    text = raw.decode("utf-8", errors="replace")
    if text.encode() != raw:  # an error of the decoder would hold the bytes
        raise CommandError("the value is not UTF-8 text")
    return _read(Secret(text))


def _read(text: Secret[str]) -> Secret[Any]:
    plain = text.reveal().removesuffix("\n").removesuffix("\r")
    if not plain.strip():
        raise UsageFault("no value came on standard input")
    if plain.lstrip()[0] not in '{"':
        return Secret(plain)
    try:
        return Secret(json.loads(plain, object_pairs_hook=_once))
    except (ValueError, RecursionError):
        # Outside the handler: the decoder's error holds the whole text.
        pass
    raise CommandError("the value begins as JSON does and is none, or a member stands twice")


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises: ValueError."""
    if len(dict(members)) != len(members):
        raise ValueError
    return dict(members)
