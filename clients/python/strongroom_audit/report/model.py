"""A report as data: tables and charts, and the lines that say what it rests on and who made it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import time
from zoneinfo import ZoneInfo

Cell = str | int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to report on. Times are RFC 3339 in UTC, as events have them."""

    since: str = ""
    until: str = "\U0010ffff"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    opens: time = time(9)
    closes: time = time(18)
    workdays: frozenset[int] = frozenset(range(5))
    """Monday is 0."""
    credential: str | None = None
    """Whose opened subjects are listed one by one."""

    @property
    def hours(self) -> str:
        """The office hours in words."""
        names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
        days = " ".join(names[day] for day in sorted(self.workdays))
        return f"{days}, {self.opens:%H:%M}–{self.closes:%H:%M} {self.zone.key}"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a question."""

    slug: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over labels: one value of each of `series` per label, stacked."""

    title: str
    note: str
    labels: tuple[str, ...]
    series: tuple[tuple[str, tuple[int, ...]], ...]
    sideways: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is shown."""

    title: str
    facts: tuple[tuple[str, str], ...]
    """What the report covers and what was verified."""
    warnings: tuple[str, ...]
    headline: tuple[tuple[str, int], ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]
    watermark: str
    """Who exported it, and when."""
