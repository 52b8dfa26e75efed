"""`strongroom disclosures`: what goes to a recipient, and who has received what."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from vault.cli import access
from vault.cli.console import AsJson, clean, print_json, print_line, print_table
from vault.cli.http import Api
from vault.cli.newfile import new_file
from vault.cli.pages import OFFICE, every

app = typer.Typer(no_args_is_help=True, help="What goes to recipients, and who has received what about whom.")
DISCLOSER = "discloser"
"""The name of the credential in a development folder."""

Recipient = Annotated[str, typer.Argument(help="A recipient on file, as `recipients list` shows it.")]
Tokens = Annotated[list[str], typer.Argument(metavar="TOKEN", help="One or more, at most 1,000.")]
Legal = Annotated[str, typer.Option("--legal-reference", help="The order, contract or law it rests on.")]
Case = Annotated[str | None, typer.Option(help="For an authority: the released case, cas_….")]
Out = Annotated[Path, typer.Option("--out", help="A new file for the values, one JSON object a line.")]
OfSubject = Annotated[str | None, typer.Option("--subject", help="About this subject.")]
OfToken = Annotated[str | None, typer.Option("--token", help="Of this token.")]
To = Annotated[str | None, typer.Option("--recipient", help="To this recipient.")]


@app.command()
def make(
    *,
    recipient: Recipient,
    fields: Tokens,
    reference: Legal,
    out: Out,
    case: Case = None,
    as_json: AsJson = False,
) -> None:
    """Open tokens for a recipient; all of them or none. The values go to a new file of yours, nowhere else.

    Example: strongroom disclosures make cybercell tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g
    --legal-reference BNSS-94-2026-113 --case cas_01j3vqxq3b9w0zk7a8ph2n5rcy --out for-cybercell.jsonl
    """
    body: dict[str, Any] = {
        "recipient": recipient,
        "legal_reference": reference,
        "items": [{"token": token} for token in fields],
    }
    with new_file(out) as file, Api(access.find(role=DISCLOSER)) as api:
        done = api.post("/v1/disclose", body | ({"case": case} if case else {}), plane="reveal")["items"]
        file.writelines(orjson.dumps(one).decode() + "\n" for one in done)
    told = [{name: one[name] for name in ("token", "type", "receipt")} for one in done]
    if as_json:
        print_json({"items": told})
        return
    print_table(("token", "type"), [(clean(one["token"]), clean(one["type"])) for one in told])


@app.command("list")
def listing(
    subject: OfSubject = None, token: OfToken = None, recipient: To = None, as_json: AsJson = False
) -> None:
    """List who has received what, the newest first. Asking is on record. With --json each is one line.

    What an order keeps confidential is shown to a credential with the grant release alone.

    Example: strongroom disclosures list --subject cust-8472
    """
    which = {"subject": subject, "token": token, "recipient": recipient}
    body = {name: value for name, value in which.items() if value is not None}
    with Api(access.find(role=OFFICE)) as api:
        found = every(api, "/v1/disclosures/query", body, "disclosures")
        if as_json:
            for one in found:
                print_line(one)
            return
        rows = [_row(one) for one in found]
    print_table(("at", "to", "country", "subject", "type", "ground", ""), rows)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    cells = (
        str(one["at"])[:19].replace("T", " "),
        one["recipient"],
        one["country"],
        one["subject"],
        one["type"],
        one["legal_reference"],
        "sealed" if one["sealed"] else "",
    )
    return tuple(map(clean, cells))
