"""`strongroom events`: the access log as an auditor reads it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.text import Text

from vault.cli import access
from vault.cli.console import AsJson, aside, print_line, screen
from vault.cli.failures import UsageFault
from vault.cli.http import Api

_FOLLOW_SECONDS = 3.0
_OVERLAP = timedelta(seconds=10)
_MOST_FRESH = 10_000
_ABOUT = ("token", "subject", "reference", "action", "credential", "grants", "asked_token", "asked_subject")
_PAGE = 500

Token = Annotated[str | None, typer.Option(help="Events about this token.")]
Subject = Annotated[str | None, typer.Option(help="Events about this subject.")]
Credential = Annotated[str | None, typer.Option(help="What this credential did (<tenant>.<name> or name).")]
Purpose = Annotated[str | None, typer.Option(help="Done for this purpose.")]
DecisionOption = Annotated[str | None, typer.Option("--decision", help="allow or deny")]
Verb = Annotated[str | None, typer.Option(help="tokenize, detokenize, search, inspect, erase, events …")]
Since = Annotated[str | None, typer.Option(help="Not before, such as 2026-11-07T09:30:00Z.")]
Until = Annotated[str | None, typer.Option(help="Before.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")]
Oldest = Annotated[bool, typer.Option("--oldest", help="Begin with the oldest.")]
Follow = Annotated[bool, typer.Option("--follow", help="Go on showing new ones until Ctrl-C.")]


def events(
    *,
    token: Token = None,
    subject: Subject = None,
    credential: Credential = None,
    purpose: Purpose = None,
    decision: DecisionOption = None,
    verb: Verb = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    oldest: Oldest = False,
    follow: Follow = False,
    as_json: AsJson = False,
) -> None:
    """Show who did what, when, for which purpose, and whether it was allowed. Reading is an event too.

    With --json each event is one line, whole, as it was committed.

    Example: strongroom events --verb detokenize --decision deny --since 2026-11-07T00:00:00Z
    """
    if follow and (until or oldest):
        raise UsageFault("--follow goes with neither --until nor --oldest")
    asked = {
        "token": token, "subject": subject, "credential": credential, "purpose": purpose,
        "decision": decision, "verb": verb, "since": since, "until": until,
    }  # fmt: skip
    body = {name: value for name, value in asked.items() if value is not None}
    with Api(access.find(role="auditor")) as api:
        if credential is not None and "." not in credential:
            body["credential"] = f"{api.access.tenant}.{credential}"
        found = list(_pages(api, body, limit, "oldest" if oldest else "newest"))
        _show(found if oldest or not follow else found[::-1], as_json)
        if follow:
            with suppress(KeyboardInterrupt):
                _go_on(api, body, found, as_json)


def _pages(api: Api, body: Mapping[str, Any], limit: int, order: str) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while limit > 0:
        page = {**body, "order": order, "limit": min(limit, _PAGE)} | ({"cursor": cursor} if cursor else {})
        answer = api.post("/v1/events/query", page, plane="audit", patient=True)
        yield from answer["events"]
        limit -= len(answer["events"])
        cursor = answer["next"]
        if cursor is None:
            return


def _go_on(api: Api, body: Mapping[str, Any], shown: list[dict[str, Any]], as_json: bool) -> None:
    """Ask again and again for what is new; our own reading is left out."""
    aside().print("following; Ctrl-C ends", style="dim")
    seen = {str(one["event_id"]) for one in shown}
    begin = max((str(one["time"]) for one in shown), default=datetime.now(UTC).isoformat())
    while True:
        time.sleep(_FOLLOW_SECONDS)
        # Workers stamp an event before they commit it, so one may appear behind another that we have seen.
        since = (datetime.fromisoformat(begin) - _OVERLAP).isoformat()
        fresh = list(_pages(api, {**body, "since": since}, _MOST_FRESH, "oldest"))
        new = [one for one in fresh if one["event_id"] not in seen]
        seen = {str(one["event_id"]) for one in fresh} or seen
        begin = max((str(one["time"]) for one in fresh), default=begin)
        _show([one for one in new if not _is_ours(one, api)], as_json)


def _is_ours(event: Mapping[str, Any], api: Api) -> bool:
    return bool(event["verb"] == "events" and event["actor"] == api.access.client_id)


def _show(found: list[dict[str, Any]], as_json: bool) -> None:
    console = screen()
    for event in found:
        if as_json:
            print_line(event)
        else:
            console.print(told(event), soft_wrap=True)


def told(event: Mapping[str, Any]) -> Text:
    """One event in two lines: what happened, and to what."""
    decision = str(event["decision"])
    form = " masked" if event.get("form") == "masked" else ""
    purpose = f" for {event['purpose']}" if "purpose" in event else ""
    about = [str(event[name]) for name in _ABOUT if name in event]
    return Text.assemble(
        str(event["time"])[:19].replace("T", " "),
        (f" {decision:5} ", "green" if decision == "allow" else "bold red"),
        (str(event["actor"]).partition(".")[2], "bold"),
        f" {event['verb']}{form}{purpose}",
        (f" ({event['reason']})", "dim"),
        (f"\n{'':20}{'  '.join(about)}" if about else "", "dim"),
    )
