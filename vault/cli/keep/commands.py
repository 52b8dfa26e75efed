"""`strongroom retention`: the rules, why a record is kept, and taking records out of use."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from vault.cli import access
from vault.cli.console import AsJson, print_json, print_raw, print_table, screen
from vault.cli.failures import REFUSED, CommandError, UsageFault
from vault.cli.http import Api
from vault.cli.keep import rules as shown
from vault.cli.keep.running import run
from vault.cli.keep.verifying import verify
from vault.cli.pages import OFFICE
from vault.model import canonical
from vault.policy import load as policies
from vault.retention import load
from vault.retention.rules import Retention, to_dict
from vault.service.catalogue import catalogue

CONTROL = "control"
app = typer.Typer(
    no_args_is_help=True, help="Retention: until when values stay, when they go, and that nothing is overdue."
)
app.command()(run)
app.command()(verify)


class Profile(StrEnum):
    """The profiles as shipped."""

    india = "in"
    eu = "eu"


Shipped = Annotated[Profile | None, typer.Option("--profile", help="Rules as shipped, offline: in or eu.")]
AsToml = Annotated[bool, typer.Option("--toml", help="The shipped file itself, to write your own from.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A retention.toml")]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", exists=True, dir_okay=False, help="A policy.toml whose own types may be named."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Apply without asking.")]
Tokens = Annotated[list[str], typer.Argument(metavar="TOKEN...", help="One or more, at most 1,000.")]
Reason = Annotated[str, typer.Option(metavar="REF", help="A reference, such as case-118.")]


@app.command()
def show(profile: Shipped = None, as_toml: AsToml = False, as_json: AsJson = False) -> None:
    """Show the rules in force, or those of a profile as shipped.

    Example: strongroom retention show --profile in --toml
    """
    if as_toml and profile is None:
        raise UsageFault("--toml shows a shipped file: name its --profile")
    if as_toml and profile is not None:
        print_raw(Path(load.__file__).with_name(f"{profile.value}.toml").read_text("utf-8").rstrip("\n"))
        return
    _show(load.profiles()[profile.value] if profile else _in_force(), as_json)


@app.command()
def check(file: File, policy: PolicyFile = None, as_json: AsJson = False) -> None:
    """Check a file of rules, offline. Exit 1 and the rule it breaks when it is none.

    Example: strongroom retention check retention.toml --policy policy.toml
    """
    fields = catalogue(policies.parse_toml(policy.read_text("utf-8"))) if policy else None
    _show(shown.load(file, fields), as_json)


@app.command("apply")
def put_in_force(file: File, yes: Yes = False, as_json: AsJson = False) -> None:
    """Sign rules and put them in force, after showing what changes. Refused if others came in between.

    Example: strongroom retention apply retention.toml
    """
    if as_json and not yes:
        raise UsageFault("--json does not ask: give --yes as well")
    with Api(access.find()) as api:
        before = shown.read(api.get("/v1/retention", plane=CONTROL))
        policy = policies.from_canonical(canonical.dump(api.get("/v1/policy", plane=CONTROL)["policy"]))
        after = shown.load(file, catalogue(policy))
        if not yes:
            shown.show_changes(shown.compare(before, after))
            if not typer.confirm("Put them in force?", default=False):
                raise CommandError("nothing was changed")
        body = {"toml": file.read_text("utf-8"), "base": before.hash}
        applied = api.post("/v1/retention/apply", body, plane=CONTROL)
    if as_json:
        print_json(applied)
    else:
        screen().print(f"in force: {applied['hash']}", markup=False)


@app.command()
def explain(records: Tokens, as_json: AsJson = False) -> None:
    """Say until when records are kept, why, and under which rule. Asking is on record. Exit 1 for a stranger.

    Example: strongroom retention explain tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g
    """
    with Api(access.find(role=OFFICE)) as api:
        found = api.post("/v1/retention/explain", {"tokens": records}, plane=OFFICE)["items"]
    if as_json:
        print_json({"items": found})
    else:
        for asked, one in zip(records, found, strict=True):
            screen().print(explained(asked, one), soft_wrap=True)
    if any("problem" in one for one in found):
        raise typer.Exit(REFUSED)


@app.command()
def restrict(records: Tokens, reason: Reason, as_json: AsJson = False) -> None:
    """Take records out of use: they open to the statutory verbs alone, until that is lifted.

    Example: strongroom retention restrict tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g --reason case-118
    """
    _put("restrict", records, reason, as_json)


@app.command()
def lift(records: Tokens, reason: Reason, as_json: AsJson = False) -> None:
    """Put restricted records back into use.

    Example: strongroom retention lift tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g --reason case-118
    """
    _put("lift", records, reason, as_json)


def explained(asked: str, one: dict[str, Any]) -> Text:
    """One record: what becomes of it, who holds it, and every clock's own sentence, those that hold first."""
    if "problem" in one:
        problem = one["problem"]
        return Text.assemble((asked, "bold"), (f"  {problem['title']} [{problem['code']}]", "red"))
    about = f"  {one['state']}" + (f", {one['type']} of {one['subject']}" if "type" in one else "")
    told = Text.assemble((one["token"], "bold"), about, f"\n  {one['summary']}")
    for held in one.get("holds", ()):
        told.append(f"\n  Legal hold {held['hold']} ({held['reference']}), by {held['person']}.", "yellow")
    if one.get("announced"):
        told.append(f"\n  Its erasure is announced for {one['announced'][:16].replace('T', ' ')} UTC.")
    for clock in sorted(one["clocks"], key=lambda clock: not clock["holds"]):
        mark = "holds" if clock["holds"] else clock["kind"]
        told.append(f"\n  {mark:>5}  ", "bold" if clock["holds"] else "dim")
        told.append(f"{clock['explanation']} ({clock['rule']})", "" if clock["holds"] else "dim")
    return told


def _in_force() -> Retention:
    with Api(access.find()) as api:
        return shown.read(api.get("/v1/retention", plane=CONTROL))


def _show(rules: Retention, as_json: bool) -> None:
    if as_json:
        print_json({"hash": rules.hash, "profile": rules.profile, "rules": to_dict(rules)})
    else:
        shown.show(rules)


def _put(act: Literal["restrict", "lift"], tokens: list[str], reason: str, as_json: bool) -> None:
    body = {"tokens": tokens, "act": act, "reason": reason}
    with Api(access.find(role=OFFICE)) as api:
        done = api.post("/v1/records/state", body, plane=OFFICE)["items"]
    if as_json:
        print_json({"items": done})
        return
    print_table(("token", "state"), [(one["token"], one["state"]) for one in done])
