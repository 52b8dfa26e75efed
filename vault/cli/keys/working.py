"""An operator at work from the command line: who he says he is, and how far the work is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.text import Text

from vault.cli.console import aside
from vault.cli.failures import UsageFault

if TYPE_CHECKING:
    from typing import Protocol

    class Seen(Protocol):
        """How far some work is."""

        @property
        def seen(self) -> int:
            """Items that were looked at."""


Person = Annotated[str, typer.Option("--person", help="Who is doing this, by name: it goes into the log.")]
Reason = Annotated[
    str | None, typer.Option("--reason", metavar="REF", help="A reference of yours, such as change-118.")
]
Rate = Annotated[
    int | None, typer.Option("--rate", min=1, help="At most so many DEKs a second, instead of adapting.")
]
LINE_SECONDS = 5.0
"""Between two lines of progress where nobody watches a bar."""


def checked(person: str, reason: str | None) -> None:
    """Raises: UsageFault for what may not stand in a log nobody can edit."""
    from vault.model.names import acceptable_reason, acceptable_reference

    if not acceptable_reason(person):
        raise UsageFault("--person is a name, in one line")
    if reason is not None and not acceptable_reference(reason):
        raise UsageFault("--reason is 1 to 64 of A-Z a-z 0-9 . _ : - and nothing like a personal number")


@contextmanager
def progress(name: str, total: int, *, unit: str = "DEKs") -> Iterator[Callable[["Seen"], None]]:
    """A bar with rate and remaining time; plain lines on standard error where that is no terminal."""
    console = aside()
    if not console.is_terminal:
        yield _lines(name, total, unit)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(unit), Remaining()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=total)
        yield lambda tally: bar.update(task, completed=tally.seen, total=max(total, tally.seen))


def _lines(name: str, total: int, unit: str) -> Callable[["Seen"], None]:
    begun = last = time.monotonic()

    def tell(tally: "Seen") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < LINE_SECONDS:
            return
        last, rate = now, tally.seen / (now - begun)
        left = max(0, total - tally.seen) / rate if rate else 0
        line = f"{name}: {tally.seen:,} of {total:,}, {rate:,.0f} {unit}/s, {left:,.0f} s left"
        aside().print(line, markup=False)

    return tell


class _Rate(ProgressColumn):
    """Items a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} {self._unit}/s" if task.speed else "")
