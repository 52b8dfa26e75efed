"""docs/RETENTION.md says what the shipped rules say, and its examples come out as they stand there."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from vault.fields import BUILT_IN
from vault.retention.calendar import written
from vault.retention.facts import Facts
from vault.retention.judge import Verdict, judge
from vault.retention.load import SHIPPED, parse_toml, profiles
from vault.retention.rules import ANCHORS, WHENS, Clock

PAGE = (Path(__file__).parents[2] / "docs" / "RETENTION.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"(?m)^\|.*\|$", PAGE)]
EXAMPLES = [row for row in ROWS if row[0] in SHIPPED]
CLOCKS = [row for row in ROWS if row[0].startswith(("keep.", "limit."))]


def day(text: str) -> date:
    return datetime.strptime(text, "%d %B %Y").replace(tzinfo=UTC).date()


def noon(text: str) -> int:
    """Noon in India, of a written day, in microseconds since 1970."""
    return (day(text) - date(1970, 1, 1)) // timedelta(microseconds=1) + 23_400_000_000


def read(known: str) -> tuple[str, Facts]:
    """What an example says is known: the field type and the facts."""
    field_type, *parts = known.split("; ")
    told = dict(part.split(" ", 1) for part in parts)
    assert set(told) <= {"collected", "opened", "ended", "invoices", "no"}
    facts = Facts(
        collected=noon(told["collected"]),
        last_processed=noon(told["opened"]) if "opened" in told else None,
        ended=day(told["ended"]) if "ended" in told else None,
        invoices=tuple(day(one) for one in told.get("invoices", "").split(", ") if one),
    )
    return field_type, facts


def verdict(profile: str, known: str, asked: str) -> Verdict:
    field_type, facts = read(known)
    field_class = BUILT_IN[field_type].field_class
    return judge(
        profiles()[profile], field_type=field_type, field_class=field_class, facts=facts, today=day(asked)
    )


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: " ".join(row[:2])[:40])
def test_a_worked_example_comes_out_as_written(row):
    """The engine gives the answer and the day that stand in the row."""
    profile, known, asked, answer, due = row
    judged = verdict(profile, known, asked)
    assert str(judged.proposal(day(asked))) == answer
    assert written(judged.due_from) == due


def test_there_are_examples_of_every_profile():
    """The rows are found: none of the claims here passes for lack of one."""
    assert {row[0] for row in EXAMPLES} == set(SHIPPED)
    assert len(EXAMPLES) >= 9


def test_every_clocks_words_stand_as_they_are_said():
    """The list of sentences is what the engine says of the bank account, in its order."""
    row = next(row for row in EXAMPLES if row[1].startswith("bank_account"))
    said = [reading.sentence for reading in verdict(*row[:3]).readings]
    assert re.findall(r"(?m)^- (.+)$", PAGE.partition("every clock's own words")[2]) == said


def test_the_tables_are_the_shipped_profiles():
    """Every clock of every shipped profile has its row, and no row is of another."""
    shipped = [
        _row(kind, clock)
        for profile in ("in", "eu")
        for kind, clocks in (("keep", profiles()[profile].keeps), ("limit", profiles()[profile].limits))
        for clock in clocks
    ]
    assert shipped == CLOCKS


def _row(kind: str, clock: Clock) -> list[str]:
    classes = ", ".join(sorted(clock.classes)) + (
        f": {', '.join(sorted(clock.types))}" if clock.types else ""
    )
    start = clock.anchor + (f", due {clock.due}" if clock.due else "")
    length = f"{clock.years} years" if clock.years else f"{clock.months} months"
    assert not (clock.years and clock.months)
    return [f"{kind}.{clock.name}", classes, start, length, clock.when, clock.law]


def test_the_file_that_is_shown_loads():
    """The example of a file is one, and every anchor and condition is explained."""
    text = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
    assert [clock.name for clock in parse_toml(text).keeps] == ["cgst_records", "pmla_identity"]
    explained = {row[0].strip("`") for row in ROWS}
    assert set(ANCHORS) | set(WHENS) <= explained


def test_the_clock_kept_ready_for_reporting_entities_loads():
    """Without its comment signs the PMLA clock of the Indian profile is one, and blocks."""
    text = (Path(__file__).parents[2] / "vault" / "retention" / "in.toml").read_text("utf-8")
    ready = re.search(r"(?m)^# \[keep\.pmla_identity\]\n(# .+\n)+", text)[0]
    retention = parse_toml(text.replace(ready, ready.replace("# ", "")))
    clock = next(clock for clock in retention.keeps if clock.name == "pmla_identity")
    assert (clock.years, clock.blocks_until_anchor) == (5, True)
