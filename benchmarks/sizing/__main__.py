"""How large a deployment must be, from what was measured: servers, key servers, storage, logs, a rotation.

    python -m benchmarks.sizing [--subjects N ...] [--hot bench-hot.json] [--storage bench-storage.json]
        [--write FILE] [--json FILE]

Costs come from `benchmarks/sizing/costs.json`, which says where each was measured, or from the files that
`benchmarks.hot --json` and `benchmarks.storage --json` wrote; `--write` keeps them. What is assumed of a
deployment stands in `benchmarks/sizing/demand.py`. Takes seconds, needs nothing that runs.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.sizing.costs import HERE, Costs, from_hot, from_storage
from benchmarks.sizing.demand import BILLION, TEN_MILLION, Deployment
from benchmarks.sizing.plan import Line, plan


def measured(given: argparse.Namespace) -> Costs:
    """The costs that were kept, with what the given files have in their place."""
    costs = Costs.read(given.costs)
    for path, read in ((given.hot, from_hot), (given.storage, from_storage)):
        if path is not None:
            costs = replace(costs, **read(json.loads(path.read_text("utf-8"))))
    return costs


def table(asked: Deployment, lines: Sequence[Line]) -> Table:
    made = Table(title=asked.name, title_justify="left", box=None, pad_edge=False)
    for number, head in enumerate(("what", "", "", "how")):
        made.add_column(head, justify="right" if number == 1 else "left", no_wrap=True)
    for line in lines:
        made.add_row(line.what, figure(line.value), line.unit, line.how)
    return made


def figure(value: float) -> str:
    """With two digits after the point below ten, none above, unless it is whole."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--subjects", type=int, nargs="+")
    arguments.add_argument("--costs", type=Path, default=HERE)
    arguments.add_argument("--hot", type=Path)
    arguments.add_argument("--storage", type=Path)
    arguments.add_argument("--write", type=Path)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    costs = measured(given)
    if given.write:
        costs.write(given.write)
    asked: Sequence[Deployment] = (TEN_MILLION, BILLION)
    if given.subjects:
        asked = [replace(TEN_MILLION, name=f"{n:,} subjects", subjects=n) for n in given.subjects]
    plans = {one.name: plan(one, costs) for one in asked}
    console = Console(width=150)
    for one in asked:
        console.print(table(one, plans[one.name]), "")
    if given.json:
        document = {name: [asdict(line) for line in lines] for name, lines in plans.items()}
        given.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
