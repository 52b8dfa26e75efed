"""What the demonstration remembers of its runs: tokens only, as any application would."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vault.cli.home import Home, read_json, write_json

_KEPT_RUNS, _KEPT_TOKENS = 20, 20


@dataclass(frozen=True, slots=True)
class Run:
    """An earlier run: when, how many values, and some of its bank accounts' tokens."""

    at: str
    values: int
    tokens: Sequence[str]


def read(home: Home) -> list[Run]:
    """The runs so far, the oldest first."""
    runs = read_json(_path(home)).get("runs", [])
    return [Run(str(run["at"]), int(run["values"]), list(run["tokens"])) for run in runs]


def add(home: Home, runs: Sequence[Run], *, values: int, tokens: Sequence[str]) -> None:
    """Write the run of just now down; of many the first and the latest are kept."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    every = [*runs, Run(now, values, tokens[:_KEPT_TOKENS])]
    kept = every if len(every) <= _KEPT_RUNS else [every[0], *every[-_KEPT_RUNS + 1 :]]
    shown = [{"at": run.at, "values": run.values, "tokens": list(run.tokens)} for run in kept]
    write_json(_path(home), {"runs": shown})


def _path(home: Home) -> Path:
    return home.folder / "demo.json"
