"""Cases on a screen: a line of the queue, the whole of one, and what a decision does to each field."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text

from vault.cases.documents import BadDocument, digest
from vault.cli.console import flat, pairs, print_json, print_table, screen
from vault.cli.failures import CommandError
from vault.cli.http import Api
from vault.cli.pages import OFFICE
from vault.model.names import read_id

_VERDICTS = {"erase_now": "erase now", "refuse": "refuse", "archive_until": "archive"}
_ROWS = ("items", "proposals", "records", "corrected", "purposes", "tokens")
"""Members of an act's document that are lists of fields, purposes or tokens."""


def path_of(case: str, act: str = "") -> str:
    """Where a case, or an act of it, is asked for. Raises: CommandError for what names no case."""
    try:
        read_id("cas", case)
    except ValueError:
        raise CommandError("a case is named cas_…, as `strongroom cases list` shows it", 2) from None
    return f"/v1/cases/{case}" + (f"/{act}" if act else "")


def find(api: Api, case: str) -> dict[str, Any]:
    """One case with all its acts. Raises: Problem, CommandError."""
    found: dict[str, Any] = api.get(path_of(case), plane=OFFICE)
    return found


def queued(one: Mapping[str, Any]) -> Text:
    """One case of the queue in two lines; its id stays whole, so that it can be copied."""
    due = f"due {one['due']}" if one["due"] else "no due date"
    late = f"LATE by {one['late_days']} days" if one["late_days"] else ""
    waits = ", ".join(one["waits_for"]) or "nothing"
    return Text.assemble(
        (one["case"], "bold"),
        f"  {one['kind']} of {one['subject']}  ",
        (late, "bold red"),
        (f"\n  {one['state']}, waits for {waits}; received {one['received']}, {due}", "dim"),
    )


def outcome(done: dict[str, Any], as_json: bool) -> None:
    """A case after an act."""
    if as_json:
        print_json(done)
        return
    summary(done)
    for act in done.get("acts", ()):
        _act(act)


def summary(case: Mapping[str, Any]) -> None:
    """Where it stands."""
    screen().print(pairs(flat({n.replace("_", " "): v for n, v in case.items() if n != "acts"})))


def whole(case: Mapping[str, Any]) -> None:
    """Where it stands, and who did what, field by field."""
    summary(case)
    for act in case["acts"]:
        _act(act)


def assert_same_decision(case: Mapping[str, Any]) -> None:
    """What is shown is what the hash names, computed here. Raises: CommandError."""
    decided = document_of(case, "decide")
    try:
        same = decided is not None and digest(decided) == case["decision"]
    except BadDocument:
        same = False
    if not same:
        raise CommandError("there is no decision, or it is not the one that its hash names; nothing was done")


def document_of(case: Mapping[str, Any], kind: str) -> dict[str, Any] | None:
    """The document of the latest act of a kind."""
    return next((act["document"] for act in reversed(case["acts"]) if act["act"] == kind), None)


def _act(act: Mapping[str, Any]) -> None:
    when = act["at"][:16].replace("T", " ")
    who = f"  {act['person']} ({act['credential']})"
    screen().print(Text.assemble((f"\n{when}  ", "dim"), (act["act"].replace("_", " "), "bold"), who))
    document = act["document"]
    plain = {
        name: value
        for name, value in document.items()
        if name not in (*_ROWS, "v", "letter", "certificate") and value is not None
    }
    if plain:
        screen().print(pairs({name.replace("_", " "): str(value) for name, value in plain.items()}))
    for name in _ROWS:
        _rows(document.get(name, ()))
    if "letter" in document:
        screen().print("letter: strongroom cases letter; certificate: strongroom cases certificate")


def _rows(rows: Iterable[Any]) -> None:
    """Fields with what becomes of them, purposes with what an objection does."""
    listed = [_row(one) for one in rows]
    if listed:
        print_table(("", "type", "what", "why"), listed)


def _row(one: Any) -> tuple[str, str, str, str]:
    if not isinstance(one, dict):
        return str(one), "", "", ""
    name = str(one.get("token") or one.get("purpose") or "")
    until = f" until {one['until']}" if one.get("until") else ""
    what = _VERDICTS.get(str(one.get("verdict")), str(one.get("effect") or one.get("outcome") or "")) + until
    why = one.get("sentence") or one.get("reason") or one.get("law") or one.get("explanation") or ""
    return name, str(one.get("field_type") or one.get("basis") or ""), what, str(why)
