"""`strongroom cases`: received, shown, listed by what is late, and answered with letter and certificate."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from keys.identity import write_private
from vault.cli import access
from vault.cli.cases import acts, shown
from vault.cli.console import AsJson, print_json, print_raw, screen
from vault.cli.failures import CommandError
from vault.cli.http import Api
from vault.cli.pages import OFFICE, whole

OFFICER = "officer"
MOST = 500
app = typer.Typer(
    no_args_is_help=True,
    help="Requests of people and orders of authorities, under four eyes where it counts.",
)


class Kind(StrEnum):
    """What a case is about."""

    access = "access"
    correction = "correction"
    erasure = "erasure"
    objection = "objection"
    grievance = "grievance"
    disclosure = "disclosure"


Of = Annotated[Kind, typer.Argument(help="access, correction, erasure, objection, grievance, disclosure.")]
Subject = Annotated[str, typer.Argument(help="Your pseudonymous reference of the person.")]
Own = Annotated[bool, typer.Option("--own", help="You ask for your own sake: others decide and release.")]
Due = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Disclosure: the day on which the order wants its answer."),
]
Late = Annotated[bool, typer.Option("--late", help="Only what is past its due date.")]
All = Annotated[bool, typer.Option("--all", help="Answered ones, too.")]
OfSubject = Annotated[str | None, typer.Option("--subject", help="Cases of this subject.")]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", dir_okay=False, help="A new file for it.")]


@app.command("open")
def receive(kind: Of, subject: Subject, own: Own = False, due: Due = None, as_json: AsJson = False) -> None:
    """Receive a request: its due date runs from today.

    Example: strongroom cases open erasure cust-8472
    """
    body = {"kind": kind.value, "subject": subject, "own": own}
    body |= {"due": due.date().isoformat()} if due is not None else {}
    with Api(access.find(role=OFFICER)) as api:
        shown.outcome(api.post("/v1/cases", body, plane=OFFICE), as_json)


@app.command("list")
def listing(
    late: Late = False, subject: OfSubject = None, everything: All = False, as_json: AsJson = False
) -> None:
    """List the queue as it came, with due dates and what is late. Exit 1 for a tampered case.

    Example: strongroom cases list --late
    """
    body: dict[str, Any] = {"late_only": late, "open_only": not everything, "limit": MOST}
    body |= {"subject": subject} if subject else {}
    with Api(access.find(role=OFFICER)) as api:
        pages = list(whole(api, "/v1/cases/query", body))
    found = [one for page in pages for one in page["items"]]
    bad = [one for page in pages for one in page["tampered"]]
    if as_json:
        print_json({"cases": found, "tampered": bad})
    else:
        for one in found:
            screen().print(shown.queued(one), soft_wrap=True)
    if bad:
        raise CommandError(f"not what the log says of them, and not shown: {', '.join(bad)}")


@app.command()
def show(case: acts.CaseId, as_json: AsJson = False) -> None:
    """Show a case field by field: what was proposed and decided, under which hash, and who did what.

    Example: strongroom cases show cas_01j3vqxq3b9w0zk7a8ph2n5rcy
    """
    with Api(access.find(role=OFFICER)) as api:
        found = shown.find(api, case)
    if as_json:
        print_json(found)
    else:
        shown.whole(found)


@app.command()
def letter(case: acts.CaseId) -> None:
    """Print the letter with which a case is answered, in plain words.

    Example: strongroom cases letter cas_01j3vqxq3b9w0zk7a8ph2n5rcy
    """
    print_raw(_answer(case, "letter"))


@app.command()
def certificate(case: acts.CaseId, out: Out) -> None:
    """Write the erasure certificate to a file (0600); strongroom-audit certificate FILE verifies it.

    Example: strongroom cases certificate cas_01j3vqxq3b9w0zk7a8ph2n5rcy --out erasure.certificate
    """
    if out.exists():
        raise CommandError(f"{out} exists already")
    write_private(out, _answer(case, "certificate").encode())
    screen().print(f"certificate in {out}; strongroom-audit certificate {out} verifies it", markup=False)


def _answer(case: str, member: str) -> str:
    with Api(access.find(role=OFFICER)) as api:
        document = shown.document_of(shown.find(api, case), "answer") or {}
    if member not in document:
        raise CommandError(f"this case has no {member}: it is not answered, or is answered without one")
    return str(document[member])


for name, act in acts.COMMANDS.items():
    app.command(name)(act)
