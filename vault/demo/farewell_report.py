"""How the farewell chapter looks: what stops, what the law allows field by field, letter and certificate."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from vault.cli.console import table
from vault.cli.home import shown
from vault.demo.farewell import Customer, Decided, Farewell

_VERDICTS = {"erase_now": "erase now", "archive_until": "archive", "refuse": "refuse"}


def withdrawn(console: Console, acts: Sequence[Mapping[str, Any]]) -> None:
    """What a withdrawal does."""
    console.print(Text.assemble(("✓ ", "green"), str(acts[-1]["explanation"])))


def decided(console: Console, customer: Customer, found: Decided) -> None:
    """The officer's table: each field, what becomes of it, until when and why."""
    rows = [
        (
            customer.tokens[str(row["token"])],
            _VERDICTS[str(row["verdict"])],
            str(row.get("until", "")),
            str(row.get("law") or row.get("reason") or "no law asks to keep it"),
        )
        for row in found.fields
    ]
    console.print(f"{found.case}, decided by the officer:", markup=False)
    console.print(Padding(table(("field", "decision", "until", "because"), rows), (0, 0, 0, 2)))


def refused(console: Console, answer: str) -> None:
    """Nobody releases what they decided."""
    if answer.startswith("403"):
        _good(console, f"the officer cannot release it alone: {answer}")
    else:
        _bad(console, f"the officer released it alone: {answer}")


def released(console: Console, after: Sequence[tuple[str, str]]) -> None:
    """What has become of each field."""
    _good(console, "a second person released it, and it was carried out at once:")
    console.print(Padding(table(("field", "now"), after), (0, 0, 0, 2)))


def answered(console: Console, found: Farewell) -> None:
    """The letter as the person gets it, and whether the certificate verifies."""
    console.print("the letter:", markup=False)
    console.print()
    for line in found.letter.splitlines():
        console.print(f"    {line}", markup=False, highlight=False, style="dim", soft_wrap=True)
    console.print()
    if found.holds:
        what = ", ".join(f"{name} {outcome}" for name, outcome in sorted(found.outcomes.items()))
        _good(console, f"the certificate verifies under the published key: {what}")
    else:
        _bad(console, "the certificate does NOT verify")
    console.print("  anybody can check it, with a mirror of the log:", markup=False)
    console.print("  strongroom-audit certificate --mirror audit \\", markup=False)
    console.print(f"    {shown(found.certificate)}", markup=False, soft_wrap=True)


def _good(console: Console, words: str) -> None:
    console.print(Text.assemble(("✓ ", "green"), words))


def _bad(console: Console, words: str) -> None:
    console.print(Text.assemble(("✗ ", "bold red"), (words, "red")))
