"""How commands speak: tables for people, JSON for programs, and nothing that a pipe would garble."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 100
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "﹢", "﹣", "﹫", "﹦")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def screen() -> Console:
    """Standard output: as wide as the terminal, a fixed width in a pipe."""
    return _console(sys.stdout.isatty(), stderr=False)


def aside() -> Console:
    """Standard error: progress and warnings, so that output stays clean."""
    return _console(sys.stderr.isatty(), stderr=True)


def _console(terminal: bool, *, stderr: bool) -> Console:
    width = None if terminal else PIPED_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_line(value: Any) -> None:
    """One line of JSON, flushed: for streams."""
    sys.stdout.write(orjson.dumps(value).decode() + "\n")
    sys.stdout.flush()


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> Table:
    """A plain table; cells are shown as they are, never read as markup."""
    shown = Table(*columns, title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    shown.header_style = "dim"
    for row in rows:
        shown.add_row(*(Text(cell, overflow="fold") for cell in row))
    return shown


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """Print a table on standard output."""
    screen().print(table(columns, rows, title=title))


def pairs(values: Mapping[str, str]) -> Table:
    """Names and values beneath each other."""
    shown = Table(box=None, show_header=False, pad_edge=False)
    for name, value in values.items():
        shown.add_row(Text(name, style="dim"), Text(value, overflow="fold"))
    return shown


def flat(members: Mapping[str, Any]) -> dict[str, str]:
    """An answer's members as text; those that say nothing are left out."""
    shown = {name: ", ".join(v) if isinstance(v, list) else str(v or "") for name, v in members.items()}
    return {name: text for name, text in shown.items() if text}


def clean(text: str) -> str:
    """Control, direction and other invisible characters as `\\u{…}`: text of others steers no terminal."""
    return "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in text)


def cell(value: object) -> str:
    """One cell of a CSV file that no spreadsheet takes for a formula."""
    text = clean(str(value))
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def print_raw(text: str = "") -> None:
    """A line exactly as it is, however long: what will be copied must not be wrapped."""
    sys.stdout.write(text + "\n")
