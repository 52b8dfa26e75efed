"""Retention rules for people at a terminal: read from a file or an answer, shown, compared."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vault.cli.console import print_table, screen
from vault.cli.failures import CommandError
from vault.fields.catalogue import Catalogue
from vault.model import canonical
from vault.retention.load import from_canonical, parse_toml
from vault.retention.rules import Clock, Keep, Retention, RetentionError


@dataclass(frozen=True, slots=True)
class Change:
    """One clock that differs between two rules; the side where it is not there is empty."""

    effect: str
    """adds, ends or changes."""
    clock: str
    before: str
    after: str


def load(file: Path, fields: Catalogue | None = None) -> Retention:
    """Rules as an operator wrote them. Raises: CommandError with the rule and the place."""
    try:
        return parse_toml(file.read_text("utf-8"), fields)
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not UTF-8 text") from None
    except RetentionError as error:
        raise CommandError(f"retention: {error}") from None


def read(answer: dict[str, Any]) -> Retention:
    """The rules that the service says are in force."""
    return from_canonical(canonical.dump(answer["rules"]))


def show(rules: Retention) -> None:
    """Every clock, minimums first."""
    rows = [
        ("keep" if isinstance(one, Keep) else "limit", one.name, _about(one), _span(one), one.law)
        for one in _clocks(rules)
    ]
    print_table(("", "clock", "of", "runs", "law"), rows)
    console = screen()
    console.print(f"profile:   {rules.profile}, {rules.title}", markup=False)
    console.print(f"law's day: {rules.timezone}, financial years from {rules.year_starts}", markup=False)
    console.print(f"hash:      {rules.hash}", markup=False)


def compare(before: Retention, after: Retention) -> list[Change]:
    """What differs, clock by clock; minimums that end come first, for they let values go."""
    old, new = ({one.name: one for one in _clocks(rules)} for rules in (before, after))
    changes = [
        Change(_effect(name, old, new), name, _words(old.get(name)), _words(new.get(name)))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    for name in ("profile", "title", "timezone", "year_starts"):
        was, now = str(getattr(before, name)), str(getattr(after, name))
        changes += [Change("changes", name, was, now)] if was != now else []
    return sorted(changes, key=lambda one: one.effect != "ends")


def show_changes(changes: Iterable[Change]) -> None:
    """Both sides of each."""
    rows = [(one.effect, one.clock, one.before or "–", one.after or "–") for one in changes]
    if rows:
        print_table(("effect", "clock", "before", "after"), rows)
    else:
        screen().print("no difference")


def _clocks(rules: Retention) -> tuple[Clock, ...]:
    return (*rules.keeps, *rules.limits)


def _effect(name: str, old: dict[str, Clock], new: dict[str, Clock]) -> str:
    return "adds" if name not in old else "ends" if name not in new else "changes"


def _words(clock: Clock | None) -> str:
    if clock is None:
        return ""
    kind = "keep" if isinstance(clock, Keep) else "limit"
    return f"{kind} {_about(clock)}, {_span(clock)}: {clock.law}"


def _about(clock: Clock) -> str:
    types = f": {', '.join(sorted(clock.types))}" if clock.types else ""
    return ", ".join(sorted(clock.classes)) + types


def _span(clock: Clock) -> str:
    """8 years from invoice_year, of whom an invoice was sent."""
    long = [f"{n} {unit}" for n, unit in ((clock.years, "years"), (clock.months, "months")) if n]
    due = f" due {clock.due}" if clock.due else ""
    when = "" if clock.when == "always" else f", {clock.when.replace('_', ' ')}"
    waits = ", blocks until then" if isinstance(clock, Keep) and clock.blocks_until_anchor else ""
    return f"{' '.join(long)} from {clock.anchor}{due}{when}{waits}"
