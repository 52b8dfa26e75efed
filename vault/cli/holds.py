"""`strongroom holds`: what is kept as evidence, by whose order, and who let it go."""

from typing import Annotated, Any

import typer
from rich.text import Text

from vault.cli import access
from vault.cli.console import AsJson, flat, pairs, print_json, screen
from vault.cli.failures import UsageFault
from vault.cli.http import Api
from vault.cli.pages import OFFICE, every
from vault.model.names import read_id

app = typer.Typer(
    no_args_is_help=True, help="Legal holds: they stop erasure and expiry until they are lifted."
)

Subject = Annotated[str, typer.Argument(help="Your pseudonymous reference of the person or business.")]
Reason = Annotated[str, typer.Option(help="Why, in one line of plain words without personal data.")]
Reference = Annotated[str, typer.Option(help="The case or order, such as case-118.")]
Token = Annotated[str | None, typer.Option(help="Hold this token alone, not everything of the subject.")]
HoldId = Annotated[str, typer.Argument(metavar="HOLD", help="hld_…, as `holds list` shows it.")]
OfSubject = Annotated[str | None, typer.Option("--subject", help="Holds on this subject.")]
Covering = Annotated[str | None, typer.Option("--token", help="Holds that cover this token.")]
All = Annotated[bool, typer.Option("--all", help="Lifted ones, too.")]


@app.command()
def place(
    subject: Subject, reason: Reason, reference: Reference, token: Token = None, as_json: AsJson = False
) -> None:
    """Hold everything of a subject, or one token. Your credential's person stands in the log as who did.

    Example: strongroom holds place cust-8472 --reason "Tax audit of 2025" --reference case-118
    """
    item = {"subject": subject, "reason": reason, "reference": reference}
    body = {"items": [item | ({"token": token} if token else {})]}
    with Api(access.find(role=OFFICE)) as api:
        _show(api.post("/v1/holds", body, plane=OFFICE)["items"][0], as_json)


@app.command()
def lift(hold: HoldId, reason: Reason, as_json: AsJson = False) -> None:
    """End a hold, once. What has been due for erasure meanwhile may go from now on.

    Example: strongroom holds lift hld_0069ctx8xfj0m4e2s7c5v9k3qd --reason "The judgment is final"
    """
    try:
        read_id("hld", hold)
    except ValueError:
        raise UsageFault("a hold is named hld_…, as `strongroom holds list` shows it") from None
    with Api(access.find(role=OFFICE)) as api:
        _show(api.post(f"/v1/holds/{hold}/lift", {"reason": reason}, plane=OFFICE), as_json)


@app.command("list")
def listing(
    subject: OfSubject = None, token: Covering = None, everything: All = False, as_json: AsJson = False
) -> None:
    """List holds, the newest first: open ones, or with --all lifted ones too.

    Example: strongroom holds list --subject cust-8472 --all
    """
    which = {"subject": subject, "token": token, "open_only": not everything}
    body = {name: value for name, value in which.items() if value is not None}
    with Api(access.find(role=OFFICE)) as api:
        found = list(every(api, "/v1/holds/query", body, "holds"))
    if as_json:
        print_json({"holds": found})
        return
    console = screen()
    for one in found:
        console.print(_told(one), soft_wrap=True)


def _told(one: dict[str, Any]) -> Text:
    """One hold in two lines, or three once it is lifted; its id stays whole, so that it can be copied."""
    what = one["token"] or f"{one['subject']} (everything)"
    lifted = one["lifted"]
    ended = f"lifted {lifted['at'][:10]} by {lifted['person']}: {lifted['reason']}" if lifted else ""
    return Text.assemble(
        (one["hold"], "bold"),
        f"  {what}",
        (f"\n  placed {one['placed'][:10]} by {one['person']}: {one['reason']} ({one['reference']})", "dim"),
        (f"\n  {ended}" if ended else "", "green"),
    )


def _show(one: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(one)
        return
    lifted = one.pop("lifted") or {}
    ended = (
        {"lifted": lifted["at"], "lifted by": lifted["person"], "because": lifted["reason"]} if lifted else {}
    )
    screen().print(pairs(flat({**one, **ended})))
