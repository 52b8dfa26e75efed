"""`strongroom breach scope`: asks the log, folds what it says, and writes down what people need."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from vault.cli import access
from vault.cli.breach import drafts, shown
from vault.cli.breach.scope import VERBS, Scope, fold
from vault.cli.console import AsJson, aside, print_json
from vault.cli.failures import UsageFault
from vault.cli.http import Api
from vault.cli.newfile import write_new
from vault.cli.pages import whole
from vault.fields import BUILT_IN

app = typer.Typer(
    no_args_is_help=True, help="A breach: what was touched, and drafts of the notices it takes."
)

Credentials = Annotated[
    list[str] | None, typer.Option("--credential", help="What this credential opened; may stand repeatedly.")
]
Since = Annotated[str | None, typer.Option("--from", help="Not before, such as 2026-11-07T09:30:00Z.")]
Until = Annotated[str | None, typer.Option("--to", help="Before.")]
Aware = Annotated[str | None, typer.Option(help="When it was noticed: the clocks of the law start there.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write every field that was touched to a new file.")]
Drafts = Annotated[Path | None, typer.Option("--drafts", help="Write drafts of the notices to this folder.")]


@app.callback()
def breach() -> None:
    """A breach: what was touched, and drafts of the notices it takes."""


@app.command()
def scope(
    *,
    credential: Credentials = None,
    since: Since = None,
    until: Until = None,
    aware: Aware = None,
    csv: Csv = None,
    folder: Drafts = None,
    as_json: AsJson = False,
) -> None:
    """List the subjects, fields and times that were opened, from the log; no values. Reading is an event too.

    With --drafts: a report for CERT-In (6 hours), one for the Data Protection Board (without delay, and 72
    hours), and a letter to the data principals with the list of them. What people must say is marked.

    Example: strongroom breach scope --credential acme.payouts --from 2026-11-01T00:00:00Z --drafts notices
    """
    if not (credential or since or until):
        raise UsageFault("say which: --credential, --from or --to")
    noticed = _moment(aware, "--aware")
    told = {"since": _told(since, "--from"), "until": _told(until, "--to")}
    times = {name: text for name, text in told.items() if text is not None}
    with Api(access.find(role="auditor")) as api:
        names = [one if "." in one else f"{api.access.tenant}.{one}" for one in credential or ()]
        found, gap = _read(api, names, times)
        written = f"Made by {api.access.client_id} on {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if csv is not None:
        shown.write_csv(csv, found, written)
    if folder is not None:
        known = drafts.Known(found, _titles(), _asked(names, times), noticed, written, gap)
        _write(folder, known)
    if as_json:
        print_json(shown.document(found, gap))
    else:
        shown.show(found, gap)


def _read(api: Api, names: Sequence[str], times: Mapping[str, str]) -> tuple[Scope, str | None]:
    """What was touched, and what the log no longer says. Raises: Problem, CommandError."""
    gone: set[str] = set()
    scope = fold(_events(api, names, times, gone))
    gap = f"what events before {max(gone)} say was dropped after its retention" if gone else None
    return scope, gap


def _events(
    api: Api, names: Sequence[str], times: Mapping[str, str], gone: set[str]
) -> Iterator[dict[str, Any]]:
    """Every allowed event of the verbs, the oldest first; `gone` gets until when events were dropped."""
    who: list[dict[str, str]] = [{"credential": name} for name in names] or [{}]
    for verb, one in product(VERBS, who):
        body = {**times, **one, "verb": verb, "decision": "allow", "order": "oldest"}
        for page in whole(api, "/v1/events/query", body, plane="audit"):
            if page["dropped_before"]:
                gone.add(str(page["dropped_before"]))
            yield from page["events"]


def _write(folder: Path, known: drafts.Known) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    texts = drafts.drafts(known) | {"data-principals.csv": shown.principals(known.scope, dict(known.titles))}
    for name, text in texts.items():
        write_new(folder / name, text)
        aside().print(f"written: {folder / name}", markup=False, soft_wrap=True)


def _titles() -> dict[str, str]:
    return {kind.name: kind.title for kind in BUILT_IN.values()}


def _asked(names: Sequence[str], times: Mapping[str, str]) -> str:
    who = ", ".join(names) or "every credential"
    return f"{who}, from {times.get('since', 'the beginning')} to {times.get('until', 'now')}"


def _told(text: str | None, option: str) -> str | None:
    moment = _moment(text, option)
    return moment.isoformat() if moment is not None else None


def _moment(text: str | None, option: str) -> datetime | None:
    """Raises: UsageFault."""
    if text is None:
        return None
    try:
        moment: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UsageFault(f"{option} is a time with its zone, such as 2026-11-07T09:30:00Z")
    return moment.astimezone(UTC)
