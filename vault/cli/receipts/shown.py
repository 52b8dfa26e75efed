"""A reconciliation for people, for programs, and as a CSV file that no spreadsheet takes for formulas."""

import csv
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vault.cli.console import cell, clean, print_table, screen
from vault.cli.receipts.match import Finding, Opening, Payment, Reconciliation, codes
from vault.log.event import timestamp
from vault.log.receipts import time_of
from vault.model.names import show_id

_SHOWN = 25
_COLUMNS = ("kind", "finding", "line", "reference", "token", "event", "time", "credential", "times", "says")


def show(result: Reconciliation, now: int) -> None:
    """Print what was found, each table cut to what a screen holds."""
    _findings(result.findings)
    _unpaid(result.unpaid)
    _pending(result.pending, now)
    console = screen()
    for line in _summary(result):
        console.print(line, soft_wrap=True)
    style = "bold green" if result.whole else "bold red"
    console.print("reconciled" if result.whole else "NOT RECONCILED", style=style)


def document(result: Reconciliation, now: int) -> dict[str, Any]:
    """The same, whole, for programs."""
    return {
        "reconciled": result.whole,
        "counts": {
            "rows": result.rows,
            "reconciled": result.reconciled,
            "pending": len(result.pending),
            "payments_without_reveal": len(result.findings),
            "reveals_without_payment": len(result.unpaid),
            "retried": result.retried,
            "not_opened": dict(result.not_opened),
            "findings": dict(codes(result.findings)),
        },
        "payments_without_reveal": [_finding(one) for one in result.findings],
        "reveals_without_payment": [_opening(one) for one in result.unpaid],
        "pending": [_payment(one) | {"seconds": _age(one, now)} for one in result.pending],
    }


def write_csv(path: Path, result: Reconciliation, exported: str) -> None:
    """Write every finding to a file that only its owner reads; the last row says who exported it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerow(_COLUMNS)
        for row in _rows(result):
            writer.writerow([cell(row.get(column, "")) for column in _COLUMNS])
        writer.writerow([cell(exported)])


def _findings(findings: Sequence[Finding]) -> None:
    rows = [(str(one.payment.line), one.payment.reference, one.payment.token, one.says) for one in findings]
    _table(("line", "reference", "token", "why"), rows, "Payments without a reveal")


def _unpaid(unpaid: Sequence[Opening]) -> None:
    rows = [
        (_when(one.events[0][0]), one.reference or "none", one.token, one.credentials, str(len(one.events)))
        for one in unpaid
    ]
    _table(("first opened", "reference", "token", "by", "times"), rows, "Reveals without a payment")


def _pending(pending: Sequence[Payment], now: int) -> None:
    rows = [(str(one.line), one.reference, one.token, f"{_age(one, now)} s") for one in pending]
    _table(("line", "reference", "token", "since"), rows, "Not in a signed checkpoint yet")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    if not rows:
        return
    shown = [[clean(text) for text in row] for row in rows[:_SHOWN]]
    print_table(columns, shown, title=f"{title}: {len(rows):,}")
    if len(rows) > _SHOWN:
        screen().print(f"and {len(rows) - _SHOWN:,} more; --csv or --json has them all", style="dim")


def _summary(result: Reconciliation) -> Iterator[str]:
    yield (
        f"rows of the ledger: {result.rows:,}; {result.reconciled:,} reconciled, "
        f"{len(result.pending):,} pending, {len(result.findings):,} without a reveal"
    )
    yield f"reveals without a payment: {len(result.unpaid):,}"
    if result.retried:
        yield f"opened more than once, each counted as one payment: {result.retried:,}"
    if result.not_opened:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(result.not_opened.items()))
        yield f"not counted as reveals: {kinds}"


def _rows(result: Reconciliation) -> Iterator[dict[str, Any]]:
    for finding in result.findings:
        yield {"kind": "payment without a reveal"} | _finding(finding)
    for opening in result.unpaid:
        yield {"kind": "reveal without a payment"} | _opening(opening)
    for payment in result.pending:
        yield {"kind": "pending"} | _payment(payment)


def _finding(finding: Finding) -> dict[str, Any]:
    return _payment(finding.payment) | {"finding": finding.code, "says": finding.says}


def _payment(payment: Payment) -> dict[str, Any]:
    return {
        "line": payment.line,
        "reference": payment.reference,
        "token": payment.token,
        "event": payment.shown_event,
        "time": timestamp(time_of(payment.event_id)) if payment.entry else "",
    }


def _opening(opening: Opening) -> dict[str, Any]:
    first = opening.events[0][0]
    return {
        "reference": opening.reference,
        "token": opening.token,
        "event": show_id("evt", first),
        "time": timestamp(time_of(first)),
        "credential": opening.credentials,
        "times": len(opening.events),
    }


def watermark(credential: str) -> str:
    """Who took this out of the log, and when."""
    return f"Exported by {credential} on {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC with strongroom receipts"


def _when(event_id: bytes) -> str:
    return timestamp(time_of(event_id))[:19].replace("T", " ")


def _age(payment: Payment, now: int) -> int:
    return max(0, now - time_of(payment.event_id)) // 1_000_000
