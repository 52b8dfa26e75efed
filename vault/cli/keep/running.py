"""`strongroom retention run`: what has to go, and with --apply its end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from vault.cli import access
from vault.cli.console import AsJson, aside, print_json, print_table, screen
from vault.cli.failures import UNAVAILABLE, CommandError, UsageFault
from vault.cli.http import Api
from vault.cli.keep import announcing
from vault.cli.keep.announcing import Outbox, Webhook
from vault.cli.keep.paging import Tally, named, pages
from vault.cli.pages import OFFICE

INTERRUPTED = 130
_FATES = {
    "erase": "erased for ever",
    "archive": "archived: a law still needs it",
    "announce": "announced, erased later",
    "wait": "announced before, not ripe yet",
    "held": "kept by a legal hold",
    "keep": "kept",
}

Apply = Annotated[bool, typer.Option("--apply", help="Act. Without it nothing is changed.")]
Hours = Annotated[
    int | None,
    typer.Option("--announce-hours", min=1, max=2160, help="Announce, and erase so many hours later."),
]
Hook = Annotated[
    str | None, typer.Option("--webhook", metavar="URL", help="POST announcements there: https, or loopback.")
]
Folder = Annotated[
    Path | None,
    typer.Option("--outbox", metavar="DIR", file_okay=False, help="Append announcements to RUN.jsonl there."),
]
Resend = Annotated[bool, typer.Option("--resend", help="Tell again of announcements that still wait.")]
Run = Annotated[str | None, typer.Option("--run", metavar="REF", help="The run's reference in the log.")]


class _Channels(NamedTuple):
    """Where announcements are told."""

    outbox: Outbox | None
    webhook: Webhook | None
    fates: Sequence[str]

    def tell(self, run: str, items: Sequence[dict[str, Any]]) -> None:
        """The file first: what a webhook loses is still there. Raises: CommandError, OSError."""
        told = announcing.lines(run, [one for one in items if one["fate"] in self.fates])
        if told and self.outbox is not None:
            self.outbox.put(told)
        if told and self.webhook is not None:
            self.webhook.put(told)


def run(
    *,
    apply: Apply = False,
    announce_hours: Hours = None,
    webhook: Hook = None,
    outbox: Folder = None,
    resend: Resend = False,
    name: Run = None,
    as_json: AsJson = False,
) -> None:
    """Judge every record: a dry run, which changes nothing; with --apply erase and archive what is due.

    Interrupt it at any time: each page is done or not, and the same command again goes on. With
    --announce-hours nothing is erased before it was announced that long; then run it daily.

    Exit: 0 done, 1 refused, 2 asked wrongly, 3 not available or a webhook failed, 130 interrupted.

    Example: strongroom retention run --apply --announce-hours 48 --outbox announcements
    """
    reference = named(name, "retention")
    channels = _channels(reference, (announce_hours, webhook, outbox, resend), apply=apply)
    body = {"run": reference, "apply": apply}
    body |= {"announce_hours": announce_hours} if announce_hours else {}
    tally, ended = Tally(), 0
    with Api(access.find(role=OFFICE)) as api:
        try:
            for page in pages(api, body):
                tally.take(page)
                channels.tell(reference, page["items"] if apply else ())
        except KeyboardInterrupt:
            ended = INTERRUPTED
        except (CommandError, OSError):
            _say_where(tally, apply=apply)
            raise
    if ended:
        _say_where(tally, apply=apply)
    _report(reference, tally, channels, apply=apply, as_json=as_json)
    failed = channels.webhook is not None and channels.webhook.failure
    if ended or failed:
        raise typer.Exit(ended or UNAVAILABLE)


def _channels(run: str, asked: tuple[int | None, str | None, Path | None, bool], *, apply: bool) -> _Channels:
    """Raises: UsageFault for announcements that nobody would hear, or channels with nothing to say."""
    hours, url, folder, resend = asked
    if hours is None and (url or folder or resend):
        raise UsageFault("--webhook, --outbox and --resend are about announcements: give --announce-hours")
    if apply and hours is not None and not (url or folder):
        raise UsageFault("--announce-hours needs --outbox or --webhook: else nobody hears of it")
    hook = announcing.webhook(url) if url else None
    box = announcing.outbox(folder, run) if folder and apply else None
    return _Channels(box, hook, ("announce", "wait") if resend else ("announce",))


def _say_where(tally: Tally, *, apply: bool) -> None:
    done = "what was done is done; run the same command again to go on" if apply else "nothing was changed"
    aside().print(f"stopped after {tally.checked:,} records: {done}", style="yellow")


def _report(run: str, tally: Tally, channels: _Channels, *, apply: bool, as_json: bool) -> None:
    if as_json:
        document = {"run": run, "apply": apply, **tally.document(), "examples": tally.examples}
        print_json(document | _told(channels))
    else:
        show(tally)
        _say_outcome(run, tally, apply=apply)
    hook = channels.webhook
    if channels.outbox is not None and channels.outbox.path.exists() and not as_json:
        screen().print(f"announcements in {channels.outbox.path}", markup=False)
    if hook is not None and hook.failure:
        aside().print(
            f"the webhook {hook.failure}: it missed {hook.missed:,} announcements, which stay on record; "
            "run again with --resend",
            style="red",
            markup=False,
        )


def show(tally: Tally) -> None:
    """Counts by fate and by type, and the first examples of each."""
    rows = [(words, f"{tally.counts[fate]:,}") for fate, words in _FATES.items() if tally.counts[fate]]
    print_table(("fate", "records"), rows)
    if tally.types:
        kinds = sorted(tally.types.items(), key=lambda one: (list(_FATES).index(one[0][0]), one[0][1]))
        print_table(("fate", "type", "records"), [(fate, kind, f"{n:,}") for (fate, kind), n in kinds])
    for one in tally.examples:
        due = f"due {one['due']}" if one["due"] else ""
        screen().print(f"  {one['fate']:8} {one['token']}  {due}", markup=False, soft_wrap=True)
        screen().print(f"{'':11}{one['why']}", markup=False, soft_wrap=True, style="dim")


def _say_outcome(run: str, tally: Tally, *, apply: bool) -> None:
    console = screen()
    rules = ", ".join(one[:12] for one in sorted(tally.rules))
    console.print(
        f"{tally.checked:,} records by the rules {rules} as of {tally.today}, {tally.rate:,.0f} records/s; "
        f"in the log as {run}",
        markup=False,
    )
    if not apply:
        console.print("a dry run: nothing was changed; --apply acts")


def _told(channels: _Channels) -> dict[str, Any]:
    hook = channels.webhook
    return {
        "outbox": str(channels.outbox.path) if channels.outbox is not None else None,
        "webhook": None if hook is None else {"failure": hook.failure or None, "missed": hook.missed},
    }
