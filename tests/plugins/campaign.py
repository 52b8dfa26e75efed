"""`--only 13` picks rows of the fault table; at the end the table is printed, and written for programs."""

from pathlib import Path

import pytest

from tests.campaign.fault import Outcome
from tests.campaign.report import table, write

FILE = Path("faults.json")
_outcomes: list[Outcome] = []


def keep(outcome: Outcome) -> None:
    """Another row of the table."""
    _outcomes.append(outcome)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only", default="", help="rows of the fault table, separated by commas")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for."""
    wanted = set(filter(None, config.getoption("--only").split(",")))
    if wanted:
        kept = [one for one in items if wanted & _rows(one)]
        config.hook.pytest_deselected(items=[one for one in items if one not in kept])
        items[:] = kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not _outcomes:
        return
    skipped = terminalreporter.stats.get("skipped", [])
    left_out = [(one.nodeid.rpartition("[")[2].rstrip("]"), one.longrepr[2]) for one in skipped]
    terminalreporter.section("faults")
    for line in table(_outcomes, left_out):
        terminalreporter.write_line(line)
    if "not campaign" not in config.getoption("markexpr"):
        write(FILE, _outcomes)


def _rows(item: pytest.Item) -> set[str]:
    call = getattr(item, "callspec", None)
    return set(call.params["fault"].row.split("-")) if call is not None and "fault" in call.params else set()
