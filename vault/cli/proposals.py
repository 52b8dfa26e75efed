"""`strongroom proposals`: what takes two persons, as the second one reads, approves or rejects it."""

from typing import Annotated, Any

import typer

from vault.cli import access
from vault.cli.console import AsJson, flat, pairs, print_json, print_raw, print_table, screen
from vault.cli.failures import CommandError, UsageFault
from vault.cli.http import Api
from vault.cli.secrets import SecretFile, assert_new, show_entry

PLANE = "control"
app = typer.Typer(no_args_is_help=True, help="Changes of credentials and policy that take two persons.")
Id = Annotated[str, typer.Argument(help="prp_…")]
Sha256 = Annotated[
    str | None,
    typer.Option("--sha256", help="Of the document you agreed on; without it, what is shown is confirmed."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. Needs --sha256.")]


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """List what waits for a second person.

    Example: strongroom proposals list
    """
    with Api(access.find()) as api:
        found = _waiting(api)
    if as_json:
        print_json({"proposals": found})
        return
    rows = [
        (one["proposal_id"], one["action"], _about(one), one["proposed_by_person"], str(one["until"])[:19])
        for one in found
    ]
    print_table(("proposal", "action", "about", "proposed by", "until"), rows)


@app.command()
def show(proposal: Id, as_json: AsJson = False) -> None:
    """Show one proposal with all that an approval would bring about.

    Example: strongroom proposals show prp_0CQ8V5H2K9RZ4M7T1XJ6N3P8WB
    """
    with Api(access.find()) as api:
        found = _find(api, proposal)
    if as_json:
        print_json(found)
        return
    show_proposal(found)


@app.command()
def approve(
    proposal: Id,
    sha256: Sha256 = None,
    yes: Yes = False,
    secret_file: SecretFile = None,
    as_json: AsJson = False,
) -> None:
    """Carry out what another person proposed. A new secret is shown to you, once, to be handed over.

    Example: strongroom proposals approve prp_0CQ8V5H2K9RZ4M7T1XJ6N3P8WB --secret-file payouts.credential
    """
    assert_new(secret_file)
    with Api(access.find()) as api:
        digest = _confirmed(api, proposal, "Approve it?", sha256, asks=not (yes or as_json))
        done = api.post(f"/v1/proposals/{proposal}/approve", {"sha256": digest}, plane=PLANE)
    if "client_secret" in done:
        show_entry(done, secret_file, as_json)
    else:
        _say(done, as_json)


@app.command()
def reject(proposal: Id, sha256: Sha256 = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """End a proposal for good. Whoever proposed it may do so too.

    Example: strongroom proposals reject prp_0CQ8V5H2K9RZ4M7T1XJ6N3P8WB
    """
    with Api(access.find()) as api:
        digest = _confirmed(api, proposal, "Reject it?", sha256, asks=not (yes or as_json))
        done = api.post(f"/v1/proposals/{proposal}/reject", {"sha256": digest}, plane=PLANE)
    _say(done, as_json)


def show_proposal(found: dict[str, Any]) -> None:
    """All of it, for people."""
    screen().print(pairs(flat({name: value for name, value in found.items() if name != "changes"})))
    if found.get("changes"):
        rows = [(one["effect"], one["where"], one["before"], one["after"]) for one in found["changes"]]
        print_table(("effect", "where", "before", "after"), rows)


def say_waits(found: dict[str, Any], as_json: bool) -> None:
    """A change that takes two persons waits: what it is, and what the second one runs."""
    if as_json:
        print_json(found)
        return
    show_proposal(found)
    screen().print("This takes two persons. Nothing is changed yet; one of the approvers runs:")
    print_raw(f"  strongroom proposals approve {found['proposal_id']} --sha256 {found['sha256']}")


def _say(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    screen().print(pairs(flat({name: value for name, value in done.items() if name != "changes"})))


def _confirmed(api: Api, proposal: str, question: str, sha256: str | None, *, asks: bool) -> str:
    """The SHA-256 of what was read: told beforehand, or shown now and agreed to. Raises: CommandError."""
    if not asks and sha256 is None:
        raise UsageFault("without a question, say what you agreed on: give --sha256")
    found = _find(api, proposal)
    if sha256 is not None and sha256 != found["sha256"]:
        raise CommandError("this proposal is not the document with that SHA-256; nothing was done")
    if asks:
        show_proposal(found)
        if not typer.confirm(question, default=False):
            raise CommandError("nothing was changed")
    return str(found["sha256"])


def _find(api: Api, proposal: str) -> dict[str, Any]:
    found = next((one for one in _waiting(api) if one["proposal_id"] == proposal), None)
    if found is None:
        raise CommandError("no such proposal waits: it was approved, rejected, or has expired")
    return found


def _waiting(api: Api) -> list[dict[str, Any]]:
    return list(api.get("/v1/proposals", plane=PLANE)["proposals"])


def _about(one: dict[str, Any]) -> str:
    if one["action"] == "policy":
        return f"{len(one.get('changes', ()))} changes of the policy"
    return " ".join((str(one["credential"]), *one["grants"]))
