"""`strongroom receipts check`, `strongroom receipts proof`: what they ask, of whom, in which order."""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from vault.cli import access
from vault.cli.console import AsJson, aside, print_json, print_raw
from vault.cli.failures import REFUSED, UsageFault
from vault.cli.http import Api
from vault.cli.receipts import shown
from vault.cli.receipts.ledger import Format, format_of, payments
from vault.cli.receipts.match import Books, Reconciliation
from vault.cli.receipts.prover import Prover
from vault.cli.receipts.service import ServiceLog
from vault.log.malformed import Malformed
from vault.log.proofs import HEADER, write_proof
from vault.log.receipts import read_receipt
from vault.model.grants import PURPOSE
from vault.model.names import read_id

app = typer.Typer(no_args_is_help=True, help="Receipts: hold a payment ledger against the log, make proofs.")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = 500

Keys = Annotated[
    list[str] | None, typer.Option("--key", help="The log's vkey to trust, in place of those it shows.")
]


Ledger = Annotated[
    Path,
    typer.Argument(metavar="LEDGER", help="Columns reference, token, receipt.", exists=True, dir_okay=False),
]
Written = Annotated[
    Format | None, typer.Option("--format", help="csv (with a header) or jsonl; else by the extension.")
]
Since = Annotated[
    str | None, typer.Option(help="Reveals from then on need a payment, such as 2026-11-07T09:30:00Z.")
]
Until = Annotated[str | None, typer.Option(help="Reveals before then need a payment.")]
Purpose = Annotated[str, typer.Option(help="For which purpose payments are opened.")]
Out = Annotated[Path | None, typer.Option("--csv", help="Write every finding to this file.")]


@app.command()
def check(
    *,
    ledger: Ledger,
    written: Written = None,
    since: Since = None,
    until: Until = None,
    purpose: Purpose = "payment",
    key: Keys = None,
    csv: Out = None,
    as_json: AsJson = False,
) -> None:
    """Hold a payment ledger against the log: payments without a reveal, reveals without a payment.

    Each receipt is proven to be in the log under a signed checkpoint, and its event must be an opening of the
    same token under the same reference. Several openings of one reference and token are one payment's.
    Exits 0 when all is reconciled, 1 with differences, 3 when the vault cannot be reached.

    Example: strongroom receipts check payouts-2026-11.csv --since 2026-11-01T00:00:00Z --csv findings.csv
    """
    if PURPOSE.fullmatch(purpose) is None:
        raise UsageFault("--purpose is written [a-z][a-z_]{0,31}")
    books = Books(purpose, _moment(since, "--since"), _moment(until, "--until"))
    with _bar() as bar:
        _read_ledger(books, ledger, format_of(ledger, written), bar)
    with Api(access.find(role="auditor")) as api:
        log = ServiceLog(api)
        result, now = _compared(books, log, _prover(log, key))
        if csv is not None:
            shown.write_csv(csv, result, shown.watermark(api.access.client_id))
    if as_json:
        print_json(shown.document(result, now))
    else:
        shown.show(result, now)
    raise typer.Exit(0 if result.whole else REFUSED)


@app.command()
def proof(
    *,
    what: Annotated[str, typer.Argument(metavar="RECEIPT|EVENT_ID", help="rcp_… or evt_…")],
    out: Annotated[Path | None, typer.Option("--out", help="Write it here, not to the screen.")] = None,
    key: Keys = None,
) -> None:
    """Turn a receipt into a proof that stands by itself (c2sp.org/tlog-proof), verified before it is written.

    Whoever has the log's public key can check it without us: strongroom-audit proof FILE --key VKEY

    Example: strongroom receipts proof rcp_AZ… --out payout-17.tlog-proof
    """
    event_id, entry = _subject(what.strip())
    with Api(access.find(role="auditor")) as api:
        log = ServiceLog(api)
        proven, entry = _prover(log, key).proof_of(event_id, entry)
    text = write_proof(proven.index, proven.path, proven.note.whole)
    # The entry goes along as extra data, so that the file says by itself what it proves.
    extra = f"{HEADER}\nextra {base64.b64encode(entry).decode()}\n"
    text = text.replace(f"{HEADER}\n", extra, 1)
    if out is None:
        print_raw(text.removesuffix("\n"))
    else:
        out.write_text(text, encoding="utf-8", newline="")


def _prover(log: ServiceLog, pinned: list[str] | None) -> Prover:
    """With the keys to trust; whoever pins none is told whose word that leaves."""
    if not pinned:
        aside().print("trusting the keys the log shows; --key VKEY trusts those you were given", style="dim")
    return Prover(log, log.keys(pinned or []))


def _read_ledger(books: Books, ledger: Path, form: Format, bar: Callable[..., None]) -> None:
    for payment in payments(ledger, form, lambda done, size: bar("reading the ledger", done, size)):
        books.pay(payment)


def _compared(books: Books, log: ServiceLog, prover: Prover) -> tuple[Reconciliation, int]:
    """Read the log's side, prove the receipts; the result, and as of when (µs)."""
    entries = books.entries()
    with _bar() as bar:
        for number, event in enumerate(log.events(books.purpose, *books.span()), start=1):
            books.event(event)
            if number % _STEP == 0:
                bar(f"reading the log: {number:,} events", 0, None)
        standings = prover.standings(entries, lambda done: bar("proving receipts", done, len(entries)))
    now = time.time_ns() // 1000
    return books.compare(standings, now), now


@contextmanager
def _bar() -> Iterator[Callable[..., None]]:
    """Progress on standard error while somebody watches: call with (what, done, of all)."""
    console = aside()
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown_bar:
        task = shown_bar.add_task("", total=None)
        yield lambda what, done, total: shown_bar.update(task, description=what, completed=done, total=total)


def _subject(text: str) -> tuple[bytes, bytes | None]:
    """The event that is meant, and its entry where a receipt says it. Raises: UsageFault."""
    try:
        if text.startswith("evt_"):
            return read_id("evt", text), None
        receipt = read_receipt(text)
    except (Malformed, ValueError) as error:
        raise UsageFault(f"give a receipt (rcp_…) or an event's id (evt_…): {error}") from None
    return receipt.event_id, receipt.entry


def _moment(text: str | None, name: str) -> int | None:
    """RFC 3339 as µs since 1970. Raises: UsageFault."""
    if text is None:
        return None
    try:
        passed = datetime.fromisoformat(text) - _EPOCH
    except (ValueError, TypeError, OverflowError):
        raise UsageFault(f"{name} is a time such as 2026-11-07T09:30:00Z") from None
    return max(0, (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds)
