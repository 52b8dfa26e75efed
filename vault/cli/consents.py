"""`strongroom consents`: what people grant, withdraw and object to."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from vault.cli import access
from vault.cli.console import AsJson, flat, pairs, print_json, print_line, print_table, screen
from vault.cli.http import Api
from vault.cli.pages import OFFICE, every

app = typer.Typer(
    no_args_is_help=True, help="What people say about purposes; in force from the next request on."
)


class Act(StrEnum):
    """What a person may say."""

    grant = "grant"
    withdraw = "withdraw"
    object = "object"


Subject = Annotated[str, typer.Argument(help="Your pseudonymous reference of the person.")]
Purpose = Annotated[str, typer.Argument(help="A purpose of the policy.")]
ActArgument = Annotated[Act, typer.Argument(help="grant, withdraw or object.")]
Source = Annotated[str, typer.Option(help="Where it was said, such as preference-page or letter-17.")]
Notice = Annotated[str | None, typer.Option(help="The notice that was shown, as version/language.")]
At = Annotated[str | None, typer.Option(help="When, such as 2026-11-07T09:30:00Z; now.")]
OlderThan = Annotated[str, typer.Argument(metavar="NOTICE", help="A version, or version/language.")]
OfPurpose = Annotated[str | None, typer.Option("--purpose", help="Consents to this purpose alone.")]


@app.command()
def record(
    *,
    subject: Subject,
    purpose: Purpose,
    act: ActArgument,
    source: Source,
    notice: Notice = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Record what somebody grants, withdraws or objects to. What was said before stays on record.

    Example: strongroom consents record cust-8472 marketing_display withdraw --source preference-page
    """
    said = {
        "subject": subject,
        "purpose": purpose,
        "act": act.value,
        "source": source,
        "notice": notice,
        "at": at,
    }
    body = {"items": [{name: value for name, value in said.items() if value is not None}]}
    with Api(access.find(role=OFFICE)) as api:
        done = api.post("/v1/consents", body, plane=OFFICE)["items"][0]
    if as_json:
        print_json(done)
    else:
        screen().print(pairs(flat(done)))


@app.command()
def history(subject: Subject, as_json: AsJson = False) -> None:
    """Show everything somebody ever said, the oldest first, and what it does under today's policy.

    Example: strongroom consents history cust-8472
    """
    with Api(access.find(role=OFFICE)) as api:
        found: dict[str, Any] = api.post("/v1/consents/history", {"subject": subject}, plane=OFFICE)
    if as_json:
        print_json(found)
        return
    rows = [
        (one["at"][:19], one["act"], one["purpose"], one["effect"], one["source"], one["notice"] or "")
        for one in found["items"]
    ]
    print_table(("at", "act", "purpose", "effect", "source", "notice"), rows)


@app.command()
def outdated(notice: OlderThan, purpose: OfPurpose = None, as_json: AsJson = False) -> None:
    """List whose consent is older than a notice, by purpose. With --json each is one line.

    Example: strongroom consents outdated 2026-04 --purpose marketing_display
    """
    body = {"notice": notice} | ({"purpose": purpose} if purpose else {})
    with Api(access.find(role=OFFICE)) as api:
        found = every(api, "/v1/consents/outdated", body, "items")
        if as_json:
            for one in found:
                print_line(one)
            return
        rows = [(one["purpose"], one["subject"], one["given"][:19], one["notice"] or "") for one in found]
    print_table(("purpose", "subject", "given", "notice"), rows)
