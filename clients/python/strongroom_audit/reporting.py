"""`strongroom-audit report`: verifies the mirror once more and counts only what held."""

import getpass
import platform
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console

from strongroom_audit.check import Verdict, check_mirror
from strongroom_audit.faults import Fault, Gap, Unusable, exit_code
from strongroom_audit.progress import progress_bar
from strongroom_audit.report.collect import Collector
from strongroom_audit.report.files import as_csv, as_json
from strongroom_audit.report.html import page
from strongroom_audit.report.model import Report, Wanted
from strongroom_audit.report.tables import charts, tables
from strongroom_audit.report.terminal import show
from strongroom_audit.store import Store

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The mirror's folder.")],
    since: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")] = None,
    until: Annotated[str | None, typer.Option(help="Last day, included.")] = None,
    timezone: Annotated[str, typer.Option(help="Zone of days and hours, such as Asia/Kolkata.")] = "UTC",
    office_hours: Annotated[str, typer.Option(help="HH:MM-HH:MM")] = "09:00-18:00",
    workdays: Annotated[str, typer.Option(help="Days of work, such as mon,tue,wed.")] = "mon,tue,wed,thu,fri",
    credential: Annotated[str | None, typer.Option(help="List the subjects that this one opened.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Folder to write one CSV file per table to.")] = None,
    json: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    html: Annotated[Path | None, typer.Option(help="HTML file to write.")] = None,
    exported_by: Annotated[str | None, typer.Option(help="Your name; else the login and machine.")] = None,
) -> None:
    """Who opened what and why, from verified events only.

    Without --csv, --json or --html the report is printed. A mirror with a gap is reported on with a warning
    and exit code 13; a mirror with any other fault is not reported on.
    """
    wanted = _wanted(_zone(timezone), (since, until), office_hours, workdays, credential)
    collector = Collector(wanted)
    with progress_bar("verifying", Console(stderr=True)) as progress:
        verdict = check_mirror(Store(folder), on_body=collector.take, progress=progress)
    _only_gaps(verdict)
    made = build(verdict, collector, exported=_watermark(exported_by))
    if not (csv or json or html):
        show(made, Console(highlight=False, markup=False, emoji=False))
    _write(made, csv, json, html)
    if verdict.faults:
        raise SystemExit(exit_code(verdict.faults))


def build(verdict: Verdict, seen: Collector, *, exported: str) -> Report:
    """The report on what was collected while `verdict` was found."""
    first, last = (moment[:19].replace("T", " ") for moment in seen.span)
    facts = (
        ("Log", verdict.origin),
        ("Verified", f"{verdict.size:,} events against {counted(verdict.checkpoints, 'signed checkpoint')}"),
        ("Root", f"{verdict.root.hex()} at {verdict.size}"),
        ("Events in this report", f"{seen.events:,}" + (f", {first} to {last} UTC" if seen.events else "")),
        ("Bodies withheld", f"{verdict.withheld:,} (counted in the log, not in this report)"),
        ("Office hours", seen.wanted.hours),
        ("Times", "in tables: UTC, by the clocks of the vault's workers"),
    )
    subjects: set[str] = set()
    for tally in seen.per_credential.values():
        subjects |= tally.subjects
    headline = (
        ("events", seen.events),
        ("values opened", seen.kinds["opened"]),
        ("attempts denied", seen.kinds["denied"]),
        ("subjects opened", len(subjects)),
        ("credentials", len(seen.verbs)),
    )
    warnings = tuple(f"NOT VERIFIED: {fault}" for fault in verdict.faults)
    title = f"Access report: {verdict.tenant}"
    return Report(title, facts, warnings, headline, charts(seen), tables(seen), exported)


def counted(count: int, what: str) -> str:
    """`1 event`, `2 events`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _only_gaps(verdict: Verdict) -> None:
    """Raises the gravest fault, if there is one worse than a gap."""
    worse: list[Fault] = [fault for fault in verdict.faults if not isinstance(fault, Gap)]
    if worse:
        raise min(worse, key=lambda fault: fault.rank)


def _wanted(
    zone: ZoneInfo, period: tuple[str | None, str | None], hours: str, days: str, credential: str | None
) -> Wanted:
    since, until = period
    found = _HOURS.fullmatch(hours)
    names = days.lower().split(",")
    if found is None or any(name not in _DAYS for name in names):
        raise typer.BadParameter("office hours read 09:00-18:00, workdays mon,tue,wed")
    first, *rest = (int(part) for part in found.groups())
    return Wanted(
        since="" if since is None else _instant(since, zone, 0),
        until="\U0010ffff" if until is None else _instant(until, zone, 1),
        zone=zone,
        opens=time(first, rest[0]),
        closes=time(rest[1], rest[2]),
        workdays=frozenset(_DAYS.index(name) for name in names),
        credential=credential,
    )


def _instant(day: str, zone: ZoneInfo, later: int) -> str:
    """The start of a day, or of a later one, in UTC, as events write times."""
    try:
        start = date.fromisoformat(day) + timedelta(days=later)
    except (ValueError, OverflowError):
        raise typer.BadParameter("a day reads 2027-01-15") from None
    return f"{datetime.combine(start, time(), zone).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise typer.BadParameter(f"no time zone is called {name}") from None


def _watermark(name: str | None) -> str:
    who = name or f"{getpass.getuser()} on {platform.node()}"
    return f"Exported by {who} on {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC with strongroom-audit"


def _write(made: Report, csv: Path | None, json: Path | None, html: Path | None) -> None:
    try:
        if csv is not None:
            csv.mkdir(parents=True, exist_ok=True)
            for name, content in as_csv(made).items():
                (csv / name).write_text(content, encoding="utf-8-sig", newline="")
        _one(json, lambda: as_json(made))
        _one(html, lambda: page(made))
    except OSError as error:
        raise Unusable(error.strerror or "cannot be written", where=str(error.filename)) from None


def _one(path: Path | None, content: Callable[[], str]) -> None:
    if path is not None:
        path.write_text(content(), encoding="utf-8", newline="")
