"""`strongroom-audit receipts`: a payment ledger held against a mirror, which is verified once more first."""

import csv as csv_files
import getpass
import json as json_files
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from strongroom_audit.check import check_mirror
from strongroom_audit.faults import Fault, Gap, Unusable, exit_code
from strongroom_audit.ledger import Row, rows
from strongroom_audit.plain import cell, clean
from strongroom_audit.progress import progress_bar
from strongroom_audit.reconcile import FINDINGS, Books, Result
from strongroom_audit.store import Store
from strongroom_audit.verifier.bodies import show_id

DIFFERENCES = 1
Found = dict[str, str | int]
_STEP = 4096
_SHOWN = 25
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = ("kind", "finding", "line", "reference", "token", "event", "credential", "times")
_out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def receipts(
    *,
    ledger: Annotated[
        Path,
        typer.Argument(
            metavar="LEDGER", help=".csv (with header), or JSON lines.", exists=True, dir_okay=False
        ),
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The mirror's folder.")],
    since: Annotated[
        str | None, typer.Option(help="Reveals from then on need a payment, such as 2027-01-15T09:30:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Reveals before then need a payment.")] = None,
    csv: Annotated[Path | None, typer.Option(help="CSV file to write every finding to.")] = None,
    json: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
) -> None:
    """Payments without a reveal, and reveals without a payment, from verified events only.

    The ledger has the columns reference, token, receipt. Several openings of one reference and token are one
    payment's. Exits 0 when all is reconciled, 1 with differences, else with the code of what is wrong with
    the mirror.
    """
    books = Books(rows(ledger), _moment(since, 0), _moment(until, 2**56))
    store = Store(folder)
    with progress_bar("verifying", Console(stderr=True)) as progress:
        verdict = check_mirror(store, on_body=books.take, progress=progress)
    worse: list[Fault] = [fault for fault in verdict.faults if not isinstance(fault, Gap)]
    if worse:
        raise min(worse, key=lambda fault: fault.rank)
    for first in range(0, verdict.size, _STEP):
        books.entries(store.entries(first, min(first + _STEP, verdict.size)))
    result = books.compare()
    _write(result, csv, json)
    for fault in verdict.faults:
        _say(f"NOT VERIFIED: {fault}")
    _show(result)
    _say(
        f"{'reconciled with' if result.whole else 'NOT RECONCILED with'} "
        f"{verdict.size:,} verified events of {verdict.origin}"
    )
    raise typer.Exit(exit_code(verdict.faults) or (0 if result.whole else DIFFERENCES))


def _show(result: Result) -> None:
    for title, kind in (
        ("Payments without a reveal", "payment without a reveal"),
        ("Reveals without a payment", "reveal without a payment"),
        ("Younger than the mirror", "younger than the mirror"),
    ):
        found = [one for one in _found(result) if one["kind"] == kind]
        if found:
            _table(f"{title}: {len(found):,}", found)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(result.not_opened.items()))
    _say(
        f"rows of the ledger: {result.rows:,}; {result.reconciled:,} reconciled, {len(result.beyond):,} "
        f"younger than the mirror, {len(result.findings):,} without a reveal"
    )
    if counts:
        _say(f"not counted as reveals: {counts}")


def _table(title: str, found: list[Found]) -> None:
    names = [name for name in _COLUMNS[1:] if any(one.get(name) for one in found)]
    grid = Table(*names, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in found[:_SHOWN]:
        grid.add_row(*(Text(clean(str(one.get(name, "")))) for name in names))
    _out.print(grid)
    if len(found) > _SHOWN:
        _say(f"and {len(found) - _SHOWN:,} more: --csv or --json has them all")


def _found(result: Result) -> Iterator[Found]:
    for row in result.findings:
        yield {"finding": FINDINGS[row.finding], **_row("payment without a reveal", row)}
    for (reference, token), events in result.unpaid.items():
        yield {
            "kind": "reveal without a payment",
            "reference": reference,
            "token": token,
            "event": show_id("evt", events[0][0]),
            "credential": ", ".join(sorted({actor for _, actor in events})),
            "times": len(events),
        }
    for row in result.beyond:
        yield _row("younger than the mirror", row)


def _row(kind: str, row: Row) -> Found:
    event = show_id("evt", row.entry[1:17]) if row.entry else ""
    named = {"reference": row.reference, "token": row.token, "event": event}
    return {"kind": kind, "line": row.line, **named}


def _write(result: Result, csv: Path | None, json: Path | None) -> None:
    try:
        if csv is not None:
            _write_csv(csv, result)
        if json is not None:
            _write_json(json, result)
    except OSError as error:
        raise Unusable(error.strerror or "cannot be written", where=str(error.filename)) from None


def _write_csv(path: Path, result: Result) -> None:
    with os.fdopen(_private(path), "w", encoding="utf-8-sig", newline="") as file:
        writer = csv_files.writer(file, quoting=csv_files.QUOTE_ALL, lineterminator="\r\n")
        writer.writerow(_COLUMNS)
        writer.writerows([cell(one.get(name, "")) for name in _COLUMNS] for one in _found(result))
        writer.writerow([cell(_watermark())])


def _write_json(path: Path, result: Result) -> None:
    document = {
        "exported": _watermark(),
        "reconciled": result.whole,
        "rows": result.rows,
        "rows_reconciled": result.reconciled,
        "not_opened": dict(result.not_opened),
        "found": [
            {name: clean(value) if isinstance(value, str) else value for name, value in one.items()}
            for one in _found(result)
        ],
    }
    with os.fdopen(_private(path), "w", encoding="utf-8", newline="") as file:
        file.write(json_files.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _watermark() -> str:
    who = f"{getpass.getuser()} on {platform.node()}"
    return f"Exported by {who} on {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC with strongroom-audit"


def _private(path: Path) -> int:
    """A file that only its owner reads: it says who was paid under which reference."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def _moment(text: str | None, usual: int) -> int:
    if text is None:
        return usual
    try:
        passed = datetime.fromisoformat(text) - _EPOCH
    except (ValueError, TypeError, OverflowError):
        raise typer.BadParameter("a time reads 2027-01-15T09:30:00Z") from None
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def _say(line: str) -> None:
    _out.print(Text(clean(line)))
