"""Payment ledgers: CSV with a header, or JSON lines. One row at a time, each line bounded.

A cell that is not what its column holds is never repeated: a ledger may have anything in the wrong place,
account numbers included. A finding names the line.
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Literal

import orjson

from vault.cli.failures import UsageFault
from vault.cli.receipts.match import Payment
from vault.log.malformed import Malformed
from vault.log.receipts import read_receipt
from vault.model.names import acceptable_reference
from vault.model.token import MalformedToken, parse

Format = Literal["csv", "jsonl"]
COLUMNS = ("reference", "token", "receipt")
_EXTENSIONS: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_LONGEST = 64 << 10
"""Bytes of one line. A quote that nobody closes must not swallow the rest of the file."""
_STEP = 1000
_MARK = b"\xef\xbb\xbf"


def format_of(path: Path, told: Format | None) -> Format:
    """How a ledger is written. Raises: UsageFault."""
    found = told or _EXTENSIONS.get(path.suffix.lower())
    if found is None:
        raise UsageFault(f"{path.name}: say --format csv or --format jsonl")
    return found


def payments(
    path: Path, written: Format, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Iterator[Payment]:
    """The rows of a ledger. Raises: UsageFault for a file that is no ledger; OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        read = _csv_rows if written == "csv" else _json_rows
        for number, row in enumerate(read(file, path.name)):
            yield row
            if number % _STEP == 0:
                progress(file.tell(), size)


def _csv_rows(file: IO[bytes], name: str) -> Iterator[Payment]:
    reader = csv.reader(_lines(file, name), strict=True)
    try:
        places = _places([cell.strip().lower() for cell in next(reader, [])], name)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _payment(reader.line_num, _picked(cells, places))
    except csv.Error as error:
        raise UsageFault(f"{name}: line {reader.line_num} is not CSV ({error})") from None


def _places(header: list[str], name: str) -> tuple[int, ...]:
    if any(header.count(column) != 1 for column in COLUMNS):
        raise UsageFault(f"{name}: the first line names the columns {', '.join(COLUMNS)}, each once")
    return tuple(header.index(column) for column in COLUMNS)


def _picked(cells: list[str], places: tuple[int, ...]) -> list[object]:
    """The three cells that count; programs leave empty ones out at the end of a row."""
    return [cells[place].strip() if place < len(cells) else "" for place in places]


def _json_rows(file: IO[bytes], name: str) -> Iterator[Payment]:
    for number, line in enumerate(_lines(file, name), start=1):
        if line.strip():
            yield _payment(number, _members(line))


def _members(line: str) -> list[object]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        row = None
    return [row.get(column) for column in COLUMNS] if isinstance(row, dict) else ["", "", ""]


def _payment(line: int, cells: list[object]) -> Payment:
    reference, token, receipt = cells
    if not isinstance(reference, str) or not acceptable_reference(reference) or not _is_token(token):
        return Payment(line, finding="malformed_row")
    payment = Payment(line, reference, str(token))
    if receipt is None or receipt == "":
        payment.finding = "no_receipt"
        return payment
    try:
        read = read_receipt(receipt if isinstance(receipt, str) else "")
    except Malformed:
        payment.finding = "malformed_receipt"
        return payment
    payment.entry, payment.list_id = read.entry, read.list_id
    return payment


def _is_token(text: object) -> bool:
    try:
        parse(text if isinstance(text, str) else "")
    except MalformedToken:
        return False
    return True


def _lines(file: IO[bytes], name: str) -> Iterator[str]:
    """The lines of a file as text. Raises: UsageFault for one that is too long or no UTF-8."""
    number = 0
    while raw := file.readline(_LONGEST + 1):
        number += 1
        if len(raw) > _LONGEST:
            raise UsageFault(f"{name}: line {number} is longer than {_LONGEST >> 10} KiB")
        try:
            yield (raw.removeprefix(_MARK) if number == 1 else raw).decode()
        except UnicodeDecodeError:
            raise UsageFault(f"{name}: line {number} is not UTF-8") from None
