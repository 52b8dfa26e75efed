"""A retention run as a client sees it: page after page, with how far it is, and what was found."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TimeRemainingColumn,
)
from rich.text import Text

from vault.cli.console import aside
from vault.cli.failures import UsageFault
from vault.cli.http import Api
from vault.cli.pages import OFFICE
from vault.model.names import acceptable_reference

PAGE = 1000
EXAMPLES = 3
"""Of each fate and type."""


@dataclass(slots=True)
class Tally:
    """What the pages so far found."""

    checked: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    types: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By fate and type; what is simply kept is not counted here."""
    examples: list[dict[str, Any]] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)
    rules: set[str] = field(default_factory=set)
    today: str = ""
    begun: float = field(default_factory=time.monotonic)

    def take(self, page: Mapping[str, Any]) -> None:
        """Count one page."""
        self.checked += page["checked"]
        self.counts.update(page["counts"])
        self.receipts.append(page["receipt"])
        self.rules.add(page["rules"])
        self.today = page["today"]
        for one in page["items"]:
            kind = one["fate"], one["type"]
            if self.types[kind] < EXAMPLES:
                self.examples.append(one)
            self.types[kind] += 1

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.checked / max(time.monotonic() - self.begun, 1e-6)

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        by_type: dict[str, dict[str, int]] = {}
        for (fate, kind), count in sorted(self.types.items()):
            by_type.setdefault(fate, {})[kind] = count
        return {
            "checked": self.checked,
            "counts": dict(self.counts),
            "types": by_type,
            "today": self.today,
            "rules": sorted(self.rules),
            "receipts": self.receipts,
        }


def pages(api: Api, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every page of a run, with a bar for whoever watches. Raises: Problem, CommandError."""
    cursor: str | None = None
    with _bar() as (bar, task):
        while True:
            asked = {**body, "limit": PAGE} | ({"cursor": cursor} if cursor else {})
            page = api.post("/v1/retention/run", asked, plane=OFFICE, patient=True)
            if page["total"] is not None:
                bar.update(task, total=page["total"])
            bar.advance(task, page["checked"])
            yield page
            cursor = page["next"]
            if cursor is None:
                return


def named(run: str | None, what: str) -> str:
    """The reference that all pages of a run share: as given, or of today. Raises: UsageFault."""
    name = run or f"{what}-{datetime.now(UTC):%Y-%m-%d}"
    if not acceptable_reference(name):
        raise UsageFault("--run is 1 to 64 of A-Z a-z 0-9 . _ : - and nothing like a personal number")
    return name


@contextmanager
def _bar() -> Iterator[tuple[Progress, TaskID]]:
    console = aside()
    columns = BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield bar, bar.add_task("", total=None)


class _Rate(ProgressColumn):
    """Records a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} records/s" if task.speed else "")
