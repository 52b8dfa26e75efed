"""Long answers, page after page, with how far it is for whoever watches."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from vault.cli.console import aside
from vault.cli.http import Api

OFFICE = "office"
"""The plane of these commands, and the name of their credential in a development folder."""

PAGE = 1000


def every(
    api: Api, path: str, body: Mapping[str, Any], member: str, *, plane: str = OFFICE
) -> Iterator[dict[str, Any]]:
    """Each item of every page of an answer."""
    for page in whole(api, path, body, plane=plane):
        yield from page[member]


def whole(api: Api, path: str, body: Mapping[str, Any], *, plane: str = OFFICE) -> Iterator[dict[str, Any]]:
    """Every page of an answer, as it is; `body` may ask for smaller pages."""
    cursor: str | None = None
    with _counting() as count:
        while True:
            asked = {"limit": PAGE, **body} | ({"cursor": cursor} if cursor else {})
            page = api.post(path, asked, plane=plane, patient=True)
            yield page
            cursor = page["next"]
            if cursor is None:
                return
            count.advance(count.task_ids[0])


@contextmanager
def _counting() -> Iterator[Progress]:
    """Nobody knows how many pages there are: those read so far, and for how long."""
    console = aside()
    columns = SpinnerColumn(), TextColumn("{task.completed:.0f} pages read"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        shown.add_task("", total=None)
        yield shown
