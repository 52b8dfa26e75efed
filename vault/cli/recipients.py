"""`strongroom recipients`: who may receive personal data, and on which terms."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from vault.cli import access
from vault.cli.console import AsJson, clean, flat, pairs, print_json, print_table, screen
from vault.cli.failures import CommandError
from vault.cli.http import Api
from vault.cli.pages import OFFICE

app = typer.Typer(
    no_args_is_help=True, help="Who may receive personal data: authorities, providers, affiliates."
)
_TERMS = ("name", "title", "kind", "country", "classes", "undertaking", "safeguard", "expires")


class Kind(StrEnum):
    """What a recipient is."""

    authority = "authority"
    provider = "provider"
    affiliate = "affiliate"


Name = Annotated[str, typer.Argument(help="A short name: a-z 0-9 _ -.")]
Title = Annotated[str, typer.Option(help="Its full name, in one line.")]
KindOption = Annotated[Kind, typer.Option("--kind", help="authority, provider or affiliate.")]
Country = Annotated[str, typer.Option(help="Where it is, as in ISO 3166-1: IN, DE, …")]
Classes = Annotated[
    list[str], typer.Option("--class", help="A class of field it needs to know; may stand repeatedly.")
]
Undertaking = Annotated[str | None, typer.Option(help="The contract or undertaking on file.")]
Safeguard = Annotated[str | None, typer.Option(help="What protects the data in another country.")]
Expires = Annotated[str | None, typer.Option(help="Last day of the undertaking, such as 2027-03-31.")]


@app.command()
def add(
    *,
    name: Name,
    title: Title,
    kind: KindOption,
    country: Country,
    classes: Classes,
    undertaking: Undertaking = None,
    safeguard: Safeguard = None,
    expires: Expires = None,
    as_json: AsJson = False,
) -> None:
    """Put a recipient on file, or its next version: these terms then count, and the others stay on record.

    Example: strongroom recipients add mailer --title "Bulk Mail Ltd" --kind provider --country IN
    --class contact --undertaking "Agreement of 2 May 2026" --expires 2027-05-01
    """
    terms = {
        "name": name, "title": title, "kind": kind.value, "country": country, "classes": classes,
        "undertaking": undertaking, "safeguard": safeguard, "expires": expires,
    }  # fmt: skip
    with Api(access.find(role=OFFICE)) as api:
        _put(api, terms, as_json)


@app.command()
def end(name: Name, as_json: AsJson = False) -> None:
    """End a recipient: from the next request on it is given nothing.

    Example: strongroom recipients end mailer
    """
    with Api(access.find(role=OFFICE)) as api:
        found = next((one for one in _all(api) if one["name"] == name), None)
        if found is None:
            raise CommandError("there is no recipient of this name; `strongroom recipients list` has them")
        if not found["proven"]:
            raise CommandError("the log does not bear this recipient out: it is given nothing as it is")
        _put(api, {**{term: found[term] for term in _TERMS}, "ended": True}, as_json)


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """List every recipient as it stands.

    Example: strongroom recipients list
    """
    with Api(access.find(role=OFFICE)) as api:
        found = _all(api)
    if as_json:
        print_json({"recipients": found})
        return
    print_table(
        ("name", "kind", "country", "needs", "undertaking", "until", ""), [_row(one) for one in found]
    )


def _all(api: Api) -> list[dict[str, Any]]:
    return list(api.get("/v1/recipients", plane=OFFICE)["recipients"])


def _put(api: Api, terms: dict[str, Any], as_json: bool) -> None:
    done = api.post("/v1/recipients", {"items": [terms]}, plane=OFFICE)["items"][0]
    if as_json:
        print_json(done)
    else:
        screen().print(pairs({name: clean(text) for name, text in flat(done).items()}))


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    if not one["proven"]:
        return clean(one["name"]), "", "", "", "", "", "NOT IN THE LOG"
    cells = (
        one["name"],
        one["kind"],
        one["country"],
        ", ".join(one["classes"]),
        one["undertaking"] or "",
        one["expires"] or "",
        "ended" if one["ended"] else "",
    )
    return tuple(map(clean, cells))
