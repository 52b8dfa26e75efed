"""A scope for people, for programs, and as files no spreadsheet takes for formulas. No value is in any."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vault.cli.breach.drafts import SEALED
from vault.cli.breach.scope import Scope, Touched
from vault.cli.console import cell, clean, print_table, screen
from vault.cli.newfile import write_new

_SHOWN = 25
_COLUMNS = (
    "subject", "type", "token", "credential", "verbs", "form", "recipients", "times", "first", "last",
)  # fmt: skip
_PRINCIPALS = ("SUBJECT", "TYPES", "FIRST", "LAST")


def show(scope: Scope, gap: str | None) -> None:
    """Print the summary, and the first of the subjects."""
    rows = [
        (clean(name), *(f"{count:,}" for count in _counts(mine)), *_span(mine))
        for name, mine in scope.credentials().items()
    ]
    print_table(("credential", "subjects", "fields", "openings", "first", "last"), rows)
    types = [(clean(n), f"{fields:,}", f"{subjects:,}") for n, (fields, subjects) in scope.types().items()]
    print_table(("type", "fields", "subjects"), types, title="\nWhat was opened")
    if scope.searches:
        found = [
            (clean(who), clean(name), f"{times:,}") for (who, name), times in sorted(scope.searches.items())
        ]
        print_table(
            ("credential", "type", "times"), found, title="\nSearches by value; the log names no subject"
        )
    people = scope.subjects
    print_table(
        ("subject",), [(clean(one),) for one in people[:_SHOWN]], title=f"\nSubjects: {len(people):,}"
    )
    console = screen()
    if len(people) > _SHOWN:
        console.print(f"and {len(people) - _SHOWN:,} more; --csv or --json has them all", style="dim")
    if scope.kept_in:
        console.print(f"openings whose value did not come out, not counted: {scope.kept_in:,}")
    console.print(f"openings that an order keeps confidential: {SEALED}", style="dim", soft_wrap=True)
    if gap is not None:
        console.print(f"NOT COMPLETE: {gap}", style="bold red", markup=False, soft_wrap=True)


def document(scope: Scope, gap: str | None) -> dict[str, Any]:
    """The same, whole, for programs."""
    period = scope.period or (None, None)
    return {
        "complete": gap is None,
        "gap": gap,
        "counts": {
            "subjects": len(scope.subjects),
            "fields": len({one.token for one in scope.touched.values()}),
            "openings": sum(one.times for one in scope.touched.values()),
            "searches": sum(scope.searches.values()),
            "did_not_come_out": scope.kept_in,
        },
        "first": period[0],
        "last": period[1],
        "types": {name: {"fields": f, "subjects": s} for name, (f, s) in scope.types().items()},
        "searches": [
            {"credential": who, "type": name, "times": times}
            for (who, name), times in sorted(scope.searches.items())
        ],
        "touched": [_row(one) for one in _ordered(scope)],
    }


def write_csv(path: Path, scope: Scope, written: str) -> None:
    """Every field that was touched, in a new file for its owner alone; the last row says who made it."""
    rows = [[row[name] for name in _COLUMNS] for row in (_row(one) for one in _ordered(scope))]
    write_new(path, _csv([_COLUMNS, *rows, [written]]))


def principals(scope: Scope, titles: dict[str, str]) -> str:
    """A row for each subject: what the letter to it needs."""
    mine: dict[str, list[Touched]] = {}
    for one in scope.touched.values():
        mine.setdefault(one.subject, []).append(one)
    rows = [
        (
            subject,
            ", ".join(sorted({titles.get(one.field_type, one.field_type) for one in found})),
            min(one.first for one in found),
            max(one.last for one in found),
        )
        for subject, found in sorted(mine.items())
    ]
    return _csv([_PRINCIPALS, *rows])


def _csv(rows: Iterable[Sequence[object]]) -> str:
    lines = [",".join(f'"{cell(value).replace(chr(34), chr(34) * 2)}"' for value in row) for row in rows]
    return "\r\n".join(lines) + "\r\n"


def _ordered(scope: Scope) -> list[Touched]:
    return sorted(
        scope.touched.values(), key=lambda one: (one.subject, one.field_type, one.token, one.credential)
    )


def _row(one: Touched) -> dict[str, Any]:
    return {
        "subject": one.subject,
        "type": one.field_type,
        "token": one.token,
        "credential": one.credential,
        "verbs": ", ".join(sorted(one.verbs)),
        "form": "plain" if one.plain else "masked",
        "recipients": ", ".join(sorted(one.recipients)),
        "times": one.times,
        "first": one.first,
        "last": one.last,
    }


def _counts(found: Sequence[Touched]) -> tuple[int, int, int]:
    """Subjects, fields, openings."""
    return len({one.subject for one in found}), len(found), sum(one.times for one in found)


def _span(found: Sequence[Touched]) -> tuple[str, str]:
    if not found:
        return "", ""
    first, last = min(one.first for one in found), max(one.last for one in found)
    return clean(first[:19].replace("T", " ")), clean(last[:19].replace("T", " "))
