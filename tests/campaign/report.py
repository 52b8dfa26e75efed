"""The campaign's table, for people and for programs."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.campaign.fault import Outcome

COLUMNS = (
    "row", "fault", "requests", "acknowledged", "refused", "lost", "leaked", "unlogged", "worst", "recovery",
)  # fmt: skip


def cells(outcome: Outcome) -> list[str]:
    """One line of the table."""
    ledger, found = outcome.ledger, outcome.findings
    counts = (len(ledger.calls), ledger.acknowledged, ledger.refused, len(found.lost), len(found.leaked))
    place = "" if outcome.fault.ground in ("one node", "small disks") else f" ({outcome.fault.ground})"
    return [
        outcome.fault.row,
        outcome.fault.name + place,
        *(f"{count:,}" for count in (*counts, len(found.unlogged))),
        f"{ledger.worst:.2f} s",
        f"{ledger.recovery:.2f} s",
    ]


def table(outcomes: Iterable[Outcome], skipped: Sequence[tuple[str, str]] = ()) -> list[str]:
    """Markdown that reads well as text too; then what was seen beside the numbers, and what was left out."""
    outcomes = sorted(outcomes, key=lambda one: int(one.fault.row.partition("-")[0]))
    rows = [list(COLUMNS), *(cells(one) for one in outcomes)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS))]
    lines = ["| " + " | ".join(_laid(row, widths)) + " |" for row in rows]
    lines.insert(
        1, "|" + "|".join("-" * (w + 1) + ("-" if at < 2 else ":") for at, w in enumerate(widths)) + "|"
    )
    notes = [f"{one.fault.row}: {words}" for one in outcomes for words in (*one.seen, *_refusals(one))]
    broken = [f"BROKEN {one.fault.row} {one.fault.name}: {words}" for one in outcomes for words in one.broken]
    return [*lines, "", *notes, *(f"left out {row}: {why}" for row, why in skipped), *broken]


def write(path: Path, outcomes: Iterable[Outcome]) -> None:
    """The same for programs."""
    told = {"load_average": os.getloadavg(), "cpus": os.cpu_count(), "faults": [_record(o) for o in outcomes]}
    path.write_text(json.dumps(told, indent=1) + "\n")


def _record(outcome: Outcome) -> dict[str, Any]:
    ledger, found = outcome.ledger, outcome.findings
    return {
        "row": outcome.fault.row,
        "fault": outcome.fault.name,
        "ground": outcome.fault.ground,
        "requests": len(ledger.calls),
        "acknowledged": ledger.acknowledged,
        "refused": ledger.refused,
        "refusals": dict(ledger.refusals()),
        "lost": len(found.lost),
        "leaked": len(found.leaked),
        "unlogged": len(found.unlogged),
        "worst_seconds": round(ledger.worst, 3),
        "recovery_seconds": round(ledger.recovery, 3),
        "seen": list(outcome.seen),
        "broken": outcome.broken,
    }


def _laid(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if at < 2 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _refusals(outcome: Outcome) -> list[str]:
    told = outcome.ledger.refusals()
    return [", ".join(f"{count} {code}" for code, count in told.most_common())] if told else []
