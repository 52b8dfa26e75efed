"""`strongroom retention verify`: that nothing is overdue, with receipts anyone can turn into proofs."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from keys.identity import write_private
from vault.cli import access
from vault.cli.console import AsJson, print_json, screen
from vault.cli.failures import REFUSED, CommandError
from vault.cli.http import Api
from vault.cli.keep.paging import Tally, named, pages
from vault.cli.keep.running import Run
from vault.cli.pages import OFFICE

_LISTED = 1000
"""Overdue records that a report names; it counts all of them."""

Grace = Annotated[int, typer.Option("--grace-days", min=0, max=3660, help="What may be overdue so long.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write the report here, as JSON.", dir_okay=False)]


def verify(*, grace_days: Grace = 31, out: Out = None, name: Run = None, as_json: AsJson = False) -> None:
    """Judge every record without changing any; exit 1 if one is overdue for longer than the grace.

    Overdue is what a maximum has ended and neither a minimum nor a legal hold keeps, or what is in use
    although only a law still keeps it. The report has the rules' hash, the counts and a receipt for every
    page: `strongroom receipts proof` makes each a proof from the log, where the page's event says the same.

    Example: strongroom retention verify --grace-days 31 --out retention-2026-q4.json
    """
    reference = named(name, "retention-check")
    tally, count = Tally(), 0
    overdue: list[dict[str, Any]] = []
    with Api(access.find(role=OFFICE)) as api:
        for page in pages(api, {"run": reference, "apply": False}):
            tally.take(page)
            late = [_shown(one) for one in page["items"] if _is_late(one, page["today"], grace_days)]
            count += len(late)
            overdue += late[: _LISTED - len(overdue)]
        tenant = api.access.tenant
    if len(tally.rules) != 1:
        raise CommandError("other rules came into force meanwhile: run it again")
    report = {
        "v": 1, "tenant": tenant, "run": reference, "grace_days": grace_days, "ok": count == 0,
        "overdue": count, "listed": overdue, **tally.document(),
    }  # fmt: skip
    if out is not None:
        write_private(out, orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    _say(report, out, as_json)
    if count:
        raise typer.Exit(REFUSED)


def _is_late(one: Mapping[str, Any], today: str, grace_days: int) -> bool:
    if one["fate"] not in ("erase", "archive") or one["due"] is None:
        return False
    return date.fromisoformat(one["due"]) + timedelta(days=grace_days) < date.fromisoformat(today)


def _shown(one: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one[name] for name in ("token", "type", "fate", "due")}


def _say(report: Mapping[str, Any], out: Path | None, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    console = screen()
    for one in report["listed"]:
        line = f"overdue since {one['due']}: {one['token']} (to {one['fate']})"
        console.print(line, markup=False, soft_wrap=True, style="red")
    words = "nothing is" if report["ok"] else f"{report['overdue']:,} are"
    console.print(
        f"{report['checked']:,} records as of {report['today']}: {words} overdue for more than "
        f"{report['grace_days']} days; rules {', '.join(report['rules'])}",
        markup=False,
    )
    if out is not None:
        console.print(f"report in {out}, with {len(report['receipts']):,} receipts", markup=False)
