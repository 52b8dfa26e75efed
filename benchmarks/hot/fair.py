"""How long a well-behaved credential waits beside an abusive one of its tenant, against alone.

    python -m benchmarks.hot.fair [--verb tokenize|detokenize|both] [--rounds 3] [--seconds 8] [--rate 100]
        [--limit 200] [--only TEXT] [--json FILE]

The stage is that of `benchmarks.hot`. The well-behaved one sends single requests that arrive by chance,
`--rate` a second, whatever becomes of them. Beside it, from a process of its own over kept connections, as
fast as it is answered: bulk requests of 1,000 values at 32 connections; single requests at 256; and the same
singles at a vault that lets a credential have `--limit` values a second and refuses the rest, which the
abuser ignores.

Each round has every case once, `alone` first. Prints medians of p50 and p99, and the median of the rounds'
ratios of p99 to that of `alone`; a request that failed has no time, so where one of the well-behaved one's
did, in either, there is no ratio. What else the machine does moves single rounds a good deal.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.hot.contenders import BULK, Ours
from benchmarks.hot.fleet import Shape
from benchmarks.hot.load import Plan, Taken, drive
from benchmarks.hot.measure import SETTLE
from benchmarks.hot.stage import Stage, stage

ABUSER = {"tokenize": "acme.importer", "detokenize": "acme.payouts"}
CONNECTIONS = 64
"""Of the well-behaved one: more than it ever has under way."""
_HEAD_START = 1.0
"""Seconds that the abuser sends before anything is counted, and after."""


@dataclass(frozen=True, slots=True)
class Case:
    """What stands beside the well-behaved one."""

    name: str
    bulk: bool = False
    connections: int = 0
    limited: bool = False


CASES = (
    Case("alone"),
    Case("beside bulk", bulk=True, connections=32),
    Case("beside singles", connections=256),
    Case("alone, limited", limited=True),
    Case("beside refused", connections=256, limited=True),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One case of one round."""

    verb: str
    case: str
    round: int
    answered: int
    failed: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    abuser_values_per_second: float
    abuser_refused_per_second: float
    abuser_failure: str
    plane_cpu_ms_per_answer: float
    """Of the plane's process, for each answer to either of them."""
    load_average: float

    def line(self) -> str:
        """In one line."""
        return (
            f"{self.round + 1} {self.verb:10} {self.case:16} p50 {self.p50_ms:7.1f}  p99 {self.p99_ms:7.1f}  "
            f"worst {self.worst_ms:7.1f} ms of {self.answered}, failed {self.failed};  abuser "
            f"{self.abuser_values_per_second:7,.0f} values/s, "
            f"refused {self.abuser_refused_per_second:,.0f}/s; "
            f"{self.plane_cpu_ms_per_answer:6.3f} ms CPU an answer; load {self.load_average:.1f}"
        )


@dataclass(frozen=True, slots=True)
class Measuring:
    """A stage, two generators, and how it is measured."""

    stage: Stage
    generators: ProcessPoolExecutor
    seconds: float
    rate: float

    async def see(self, verb: str, case: Case, number: int) -> Seen:
        """One case, once."""
        ours = self.stage.contenders["ours"]
        assert isinstance(ours, Ours)
        port, sent = await ours.requests(verb)
        good = Plan(port, sent, CONNECTIONS, self.seconds, self.rate)
        await asyncio.sleep(SETTLE)
        before = self.stage.watched.cpu()
        beside = asyncio.create_task(self._abuse(ours, verb, case))
        await asyncio.sleep(_HEAD_START if case.connections else 0)
        taken = await self._drive(good)
        abuse = await beside
        used = self.stage.watched.cpu().since(before)
        plane = {"tokenize": "ingest", "detokenize": "reveal"}[verb]
        answered = taken.answered + (abuse.answered if abuse else 0)
        values = BULK if case.bulk else 1
        return Seen(
            verb, case.name, number, len(taken.latencies), taken.failed,
            taken.quantile(0.5), taken.quantile(0.99), taken.quantile(1.0),
            abuse.per_second * values if abuse else 0.0,
            abuse.failed / abuse.seconds if abuse else 0.0,
            abuse.first_failure if abuse else taken.first_failure,
            used[plane] * 1e3 / max(1, answered),
            os.getloadavg()[0],
        )  # fmt: skip

    async def _abuse(self, ours: Ours, verb: str, case: Case) -> Taken | None:
        """From before the well-behaved one begins until after it ends."""
        if not case.connections:
            return None
        port, sent = await ours.requests(f"{verb}_bulk" if case.bulk else verb, ABUSER[verb])
        plan = Plan(port, sent, case.connections, self.seconds + 2 * _HEAD_START)
        return await self._drive(plan)

    async def _drive(self, plan: Plan) -> Taken:
        return await asyncio.get_running_loop().run_in_executor(self.generators, drive, plan)


async def measure(given: argparse.Namespace, cases: Sequence[Case], **environment: str) -> list[Seen]:
    """Every case on one stage, `--rounds` times."""
    verbs = ("tokenize", "detokenize") if given.verb == "both" else (given.verb,)
    found: list[Seen] = []
    async with stage(Shape(), **environment) as place:
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
            measuring = Measuring(place, pool, given.seconds, given.rate)
            for verb in verbs:
                for number in range(given.rounds):
                    for case in cases:
                        found.append(await measuring.see(verb, case, number))
                        print(found[-1].line(), flush=True)
    return found


def ratios(found: Sequence[Seen], verb: str, case: Case) -> list[float]:
    """Of p99, to `alone` of the same round. None at all where a request of the well-behaved one failed."""
    base = "alone, limited" if case.limited else "alone"
    alone = {one.round: one for one in found if (one.verb, one.case) == (verb, base)}
    some = [one for one in found if (one.verb, one.case) == (verb, case.name)]
    if any(one.failed or alone[one.round].failed for one in some):
        return []
    return [one.p99_ms / alone[one.round].p99_ms for one in some]


def table(found: Sequence[Seen], given: argparse.Namespace) -> Table:
    """Medians."""
    shown = Table(title=f"{given.rate:g} requests/s of one credential, beside another", box=None)
    figures = ("p50 ms", "p99 ms", "failed", "p99 to alone", "from", "to", "abuser values/s", "refused/s")
    for head in ("verb", "case", *figures):
        shown.add_column(head, justify="left" if head in ("verb", "case") else "right")
    for verb in dict.fromkeys(one.verb for one in found):
        for case in CASES:
            some = [one for one in found if (one.verb, one.case) == (verb, case.name)]
            if some:
                shown.add_row(verb, case.name, *_figures(some, ratios(found, verb, case)))
    return shown


def _figures(some: Sequence[Seen], against: Sequence[float]) -> list[str]:
    def middle(member: str) -> float:
        return float(statistics.median(getattr(one, member) for one in some))

    times = [f"{middle(member):.1f}" for member in ("p50_ms", "p99_ms")]
    failed = str(sum(one.failed for one in some) or "")
    spread = ["void", "", ""]
    if against:
        spread = [f"{one:.2f}" for one in (statistics.median(against), min(against), max(against))]
    abuser = [f"{middle(f'abuser_{name}_per_second'):,.0f}" for name in ("values", "refused")]
    return [*times, failed, *spread, *abuser]


async def run(given: argparse.Namespace) -> list[Seen]:
    """Both stages, as far as they are wanted."""
    named = [case for case in CASES if case.name.startswith("alone") or given.only in case.name]
    found: list[Seen] = []
    limit = {"RATE_VALUES_PER_SECOND": str(given.limit), "RATE_BURST_SECONDS": "1"}
    for limited, told in ((False, {}), (True, {f"STRONGROOM_{name}": one for name, one in limit.items()})):
        cases = [case for case in named if case.limited == limited]
        if any(case.connections for case in cases):
            found += await measure(given, cases, **told)
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--verb", choices=("tokenize", "detokenize", "both"), default="both")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=8)
    arguments.add_argument("--rate", type=float, default=100)
    arguments.add_argument("--limit", type=int, default=200)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--json", type=Path, default=Path("bench-fair.json"))
    given = arguments.parse_args()
    found = asyncio.run(run(given))
    Console(width=150).print(table(found, given))
    given.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
