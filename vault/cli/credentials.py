"""`strongroom credentials`: who may call the vault, and what for."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vault.cli import access
from vault.cli.console import AsJson, print_json, print_table
from vault.cli.failures import CommandError
from vault.cli.http import Api
from vault.cli.proposals import say_waits
from vault.cli.secrets import SecretFile, assert_new, show_entry

PLANE = "control"
app = typer.Typer(no_args_is_help=True, help="Credentials of the services that call the vault.")

_GRANT = "A verb; then as needed :purpose, and @class,… such as detokenize:payment@payment."
Name = Annotated[str, typer.Argument(help="1 to 32 of a-z 0-9 _ -, or <tenant>.<name>")]
Person = Annotated[str, typer.Option(help="The human answerable for it.")]
Grants = Annotated[list[str], typer.Option("--grant", help=_GRANT)]
GivenGrants = Annotated[list[str], typer.Argument(help=_GRANT)]
Expires = Annotated[str | None, typer.Option(help="When it ends, such as 2027-01-31T00:00:00Z.")]
Reason = Annotated[str, typer.Option(help="Why, in one line of plain words without personal data.")]
PublicKey = Annotated[
    str | None, typer.Option("--public-key", help="x of an Ed25519 JWK: authenticate by private_key_jwt.")
]


@app.command()
def create(
    *,
    name: Name,
    person: Person,
    grants: Grants,
    expires: Expires = None,
    public_key: PublicKey = None,
    secret_file: SecretFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a credential. Its secret is shown once, now; or it is proposed, when its grants take two persons.

    Example: strongroom credentials create payouts --person "Asha Rao" --grant detokenize:payment@payment
    """
    assert_new(secret_file)
    body: dict[str, Any] = {"name": name, "person": person, "grants": grants}
    body |= {"expires": expires} if expires else {}
    body |= {"public_key": public_key} if public_key else {}
    with Api(access.find()) as api:
        _show(api.post("/v1/credentials", body, plane=PLANE), secret_file, as_json)


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """List every credential of the tenant, revoked ones too.

    Example: strongroom credentials list --json
    """
    with Api(access.find()) as api:
        found = api.get("/v1/credentials", plane=PLANE)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one["credential"],
            one["status"],
            one["person"],
            "\n".join(one["grants"]),
            str(one["expires"] or "never")[:19],
        )
        for one in found["credentials"]
    ]
    print_table(("credential", "status", "person", "grants", "expires"), rows)


@app.command()
def grant(name: Name, grants: GivenGrants, as_json: AsJson = False) -> None:
    """Add grants; in force on every worker within a second, or proposed when they take two persons.

    Example: strongroom credentials grant payouts inspect
    """
    _change(name, "grant", {"grants": grants}, as_json)


@app.command()
def ungrant(name: Name, grants: GivenGrants, as_json: AsJson = False) -> None:
    """Take grants away; in force on every worker within a second.

    Example: strongroom credentials ungrant payouts inspect
    """
    _change(name, "ungrant", {"grants": grants}, as_json)


@app.command()
def revoke(name: Name, as_json: AsJson = False) -> None:
    """End a credential for ever. Its name is never used again.

    Example: strongroom credentials revoke payouts
    """
    _change(name, "revoke", {}, as_json)


@app.command()
def rotate(
    name: Name, public_key: PublicKey = None, secret_file: SecretFile = None, as_json: AsJson = False
) -> None:
    """Give a credential a new secret, or a new public key. The old one stops at once.

    Proposed, when its grants take two persons and somebody else answers for it.

    Example: strongroom credentials rotate payouts --secret-file payouts.credential
    """
    assert_new(secret_file)
    _change(name, "rotate", {"public_key": public_key} if public_key else {}, as_json, secret_file)


@app.command()
def frozen(as_json: AsJson = False) -> None:
    """List the credentials that are frozen, and why. Exit 0 also when there are none.

    Example: strongroom credentials frozen
    """
    with Api(access.find()) as api:
        found = api.get("/v1/freezes", plane=PLANE)
    if as_json:
        print_json(found)
        return
    rows = [
        (one["credential"], one["person"], one["cause"], one["frozen"][:19], one["event"])
        for one in found["freezes"]
    ]
    print_table(("credential", "person", "cause", "frozen", "event"), rows)


@app.command()
def unfreeze(name: Name, reason: Reason, as_json: AsJson = False) -> None:
    """Let a frozen credential be used again. Another person than its own does so, after looking at it.

    Example: strongroom credentials unfreeze payouts --reason "An honest payout; the budget was raised"
    """
    _change(name, "unfreeze", {"reason": reason}, as_json)


def _change(
    name: str, verb: str, body: dict[str, Any], as_json: bool, secret_file: Path | None = None
) -> None:
    with Api(access.find()) as api:
        credential = name if "." in name else f"{api.access.tenant}.{name}"
        if not credential.replace(".", "").replace("_", "").replace("-", "").isalnum():
            raise CommandError("a credential is named [a-z0-9_-]{1,32}, or <tenant>.<name>")
        _show(api.post(f"/v1/credentials/{credential}/{verb}", body, plane=PLANE), secret_file, as_json)


def _show(answer: dict[str, Any], secret_file: Path | None, as_json: bool) -> None:
    """What was done, or what waits for a second person."""
    if "proposal_id" in answer:
        say_waits(answer, as_json)
    else:
        show_entry(answer, secret_file, as_json)
