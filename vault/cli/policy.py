"""`strongroom policy`: what may be opened to whom. Checking and comparing files needs no service."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vault.cli import access
from vault.cli.console import AsJson, print_json, print_table, screen
from vault.cli.failures import CommandError, UsageFault
from vault.cli.http import Api
from vault.cli.proposals import say_waits
from vault.model.grants import CLASSES
from vault.policy.diff import Change, diff, say_budget
from vault.policy.load import from_canonical, parse_toml
from vault.policy.rules import Policy, to_dict

app = typer.Typer(no_args_is_help=True, help="The policy: which purpose opens which class of field.")
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A policy.toml")]
Other = Annotated[
    Path | None,
    typer.Argument(exists=True, dir_okay=False, help="Another; without it, FILE against what is in force."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Apply without asking.")]


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show the policy in force for the credential's tenant.

    Example: strongroom policy show --json
    """
    with Api(access.find()) as api:
        found = api.get("/v1/policy")
    if as_json:
        print_json(found)
        return
    _print(_read(found))


@app.command()
def check(file: File, as_json: AsJson = False) -> None:
    """Check a policy file, offline. Exit 1 and the rule it breaks when it is not a policy.

    Example: strongroom policy check policy.toml
    """
    policy = _load(file)
    if as_json:
        print_json({"ok": True, "hash": policy.hash, "policy": to_dict(policy)})
        return
    _print(policy)


@app.command("diff")
def compare(file: File, other: Other = None, as_json: AsJson = False) -> None:
    """Compare two policy files offline, or what is in force with a file; what widens access comes first.

    Example: strongroom policy diff policy.toml new-policy.toml
    """
    if other is None:
        with Api(access.find()) as api:
            before = _read(api.get("/v1/policy"))
        after = _load(file)
    else:
        before, after = _load(file), _load(other)
    changes = diff(before, after)
    if as_json:
        print_json({"before": before.hash, "after": after.hash, "changes": [_shown(one) for one in changes]})
        return
    _print_changes(changes)


@app.command("apply")
def put_in_force(file: File, yes: Yes = False, as_json: AsJson = False) -> None:
    """Sign a policy and put it in force, after showing what it changes. Refused if another came in between.

    One that widens access takes two persons: it is proposed, and another approves it.

    Example: strongroom policy apply policy.toml
    """
    after = _load(file)
    with Api(access.find()) as api:
        before = _read(api.get("/v1/policy"))
        if not yes and not as_json:
            _print_changes(diff(before, after))
            if not typer.confirm("Put it in force?", default=False):
                raise CommandError("nothing was changed")
        if as_json and not yes:
            raise UsageFault("--json does not ask: give --yes as well")
        body = {"toml": file.read_text("utf-8"), "base": before.hash}
        applied = api.post("/v1/policy/apply", body, plane="control")
    if "proposal_id" in applied:
        say_waits(applied, as_json)
        return
    if as_json:
        print_json(applied)
        return
    screen().print(f"in force: {applied['hash']}", markup=False)


def _load(file: Path) -> Policy:
    """Raises: PolicyError, CommandError."""
    try:
        return parse_toml(file.read_text("utf-8"))
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not UTF-8 text") from None


def _read(answer: dict[str, Any]) -> Policy:
    """The policy the service says is in force."""
    from vault.model import canonical

    return from_canonical(canonical.dump(answer["policy"]))


def _print(policy: Policy) -> None:
    rows = [
        (name, purpose.basis, *(policy.right(one, name) or "–" for one in CLASSES))
        for name, purpose in policy.purposes.items()
    ]
    print_table(("purpose", "lawful basis", *CLASSES), rows)
    console = screen()
    console.print(f"searchable: {', '.join(sorted(policy.searchable)) or 'nothing'}", markup=False)
    console.print(f"own types:  {', '.join(sorted(policy.types)) or 'none'}", markup=False)
    home, blocked = policy.transfers.home_country, ", ".join(sorted(policy.transfers.blocked))
    console.print(f"transfers:  home {home}, blocked: {blocked or 'none'}", markup=False)
    for scope, budget in sorted(policy.budgets.items()):
        console.print(f"budget:     {scope}: {say_budget(budget)}", markup=False)
    console.print(f"hash:       {policy.hash}", markup=False)


def _print_changes(changes: list[Change]) -> None:
    if not changes:
        screen().print("no difference")
        return
    rows = [(one.effect, one.where, one.before, one.after) for one in changes]
    print_table(("effect", "where", "before", "after"), rows)


def _shown(one: Change) -> dict[str, str]:
    return {"effect": one.effect, "where": one.where, "before": one.before, "after": one.after}
