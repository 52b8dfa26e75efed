"""`strongroom subjects`: accounts closed and reopened, invoices, and what is known of somebody."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from vault.cli import access
from vault.cli.console import AsJson, flat, pairs, print_json, print_table, screen
from vault.cli.http import Api
from vault.cli.pages import OFFICE, whole

app = typer.Typer(
    no_args_is_help=True, help="Facts about subjects, from which the clocks of retention count."
)

Subject = Annotated[str, typer.Argument(help="Your pseudonymous reference of the person or business.")]
Subjects = Annotated[list[str], typer.Argument(help="One or more, at most 1,000.")]
On = Annotated[str | None, typer.Option(help="The day, such as 2026-11-07; today where the law is.")]
Reference = Annotated[str | None, typer.Option(help="A reference of yours, such as ticket-311.")]


@app.command()
def close(subject: Subject, on: On = None, reference: Reference = None, as_json: AsJson = False) -> None:
    """Close an account: every purpose stops from the next request on, and the clocks start.

    Example: strongroom subjects close cust-8472 --reference ticket-311
    """
    _tell("closed", subject, on, reference, as_json)


@app.command()
def reopen(subject: Subject, on: On = None, reference: Reference = None, as_json: AsJson = False) -> None:
    """Reopen a closed account: what has not been erased serves its purposes again.

    Example: strongroom subjects reopen cust-8472
    """
    _tell("reopened", subject, on, reference, as_json)


@app.command()
def invoiced(subject: Subject, on: On = None, reference: Reference = None, as_json: AsJson = False) -> None:
    """Say that a subject was invoiced: what the books need is kept for as long as the law says.

    Example: strongroom subjects invoiced cust-8472 --on 2026-10-31 --reference inv-2026-4711
    """
    _tell("invoiced", subject, on, reference, as_json)


@app.command()
def show(subjects: Subjects, as_json: AsJson = False) -> None:
    """Show account, last invoice, last sign of life, open holds and records; no values. Looking is on record.

    Example: strongroom subjects show cust-8472
    """
    with Api(access.find(role=OFFICE)) as api:
        found = _gathered(whole(api, "/v1/subjects/query", {"subjects": subjects}))
    if as_json:
        print_json({"subjects": found})
        return
    for one in found:
        records = one.pop("records")
        screen().print(pairs(flat({name.replace("_", " "): value for name, value in one.items()})))
        rows = [(held["token"], held["type"], held["state"], held["created"][:10]) for held in records]
        print_table(("token", "type", "state", "created"), rows)


def _gathered(pages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each subject once, with its records of all pages."""
    found: dict[str, dict[str, Any]] = {}
    for page in pages:
        for one in page["subjects"]:
            known = found.setdefault(one["subject"], {**one, "records": []})
            known["records"] += one["records"]
    return list(found.values())


def _tell(fact: str, subject: str, on: str | None, reference: str | None, as_json: bool) -> None:
    told = {"subject": subject, "fact": fact, "on": on, "reference": reference}
    body = {"items": [{name: value for name, value in told.items() if value is not None}]}
    with Api(access.find(role=OFFICE)) as api:
        done = api.post("/v1/subjects", body, plane=OFFICE)["items"][0]
    if as_json:
        print_json(done)
    else:
        screen().print(pairs(flat(done)))
