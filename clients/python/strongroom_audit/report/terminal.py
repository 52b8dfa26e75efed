"""The report on a terminal. Cells are rich Text objects: never read as markup, and cleaned of escapes."""

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from strongroom_audit.plain import clean
from strongroom_audit.report.model import Cell, Report, Table

_MOST_ROWS = 20


def show(report: Report, console: Console) -> None:
    """Print everything, the longest tables cut."""
    console.print(_text(report.title, "bold"))
    for name, value in report.facts:
        console.print(_text(f"  {name}: {value}"))
    for warning in report.warnings:
        console.print(_text(f"  {warning}", "bold red"))
    console.print(_text("  " + ", ".join(f"{count:,} {name}" for name, count in report.headline), "bold"))
    for table in report.tables:
        _show_table(table, console)
    console.print(_text(report.watermark, "dim"))


def _show_table(table: Table, console: Console) -> None:
    console.print()
    console.print(_text(table.title, "bold"))
    if not table.rows:
        console.print(_text("  none"))
        return
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(table.columns):
        grid.add_column(_text(name), justify="right" if isinstance(table.rows[0][number], int) else "left")
    for row in table.rows[:_MOST_ROWS]:
        grid.add_row(*(_text(_shown(value)) for value in row))
    console.print(grid)
    if len(table.rows) > _MOST_ROWS:
        console.print(_text(f"  and {len(table.rows) - _MOST_ROWS:,} more: --csv or --json has them all"))


def _shown(value: Cell) -> str:
    return f"{value:,}" if isinstance(value, int) else value


def _text(text: str, style: str = "") -> Text:
    return Text(clean(text), style=style)
