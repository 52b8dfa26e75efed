"""A rolling restart under load: two hosts, each ended and started again in turn, and what callers see of it.

    python -m benchmarks.hot.restart [--turns 2] [--callers 8] [--pause 0.01] [--json bench-restart.json]

Two simulated hosts have an ingest and a reveal process each, on one PostgreSQL that syncs every commit;
control and the sequencer run beside them. Callers seal and open with the Python client, behind a balancer
that goes to the next host when one takes no connection. Each process is told to end (SIGTERM), finishes
what it has begun and is started again, one after the other, `--turns` times. Afterwards every token that
was answered is opened, and every key is sent again. Fails unless nothing was lost: no call without an
answer, no token that opens to another value or none, no key with two tokens, no record without one.
"""

import argparse
import asyncio
import itertools
import json
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from sqlalchemy import func, select
from strongroom import AsyncStrongroom

from benchmarks.hot.fleet import SHARED, Fleet, Shape, serve
from benchmarks.hot.report import conditions
from benchmarks.stage import vault
from tests.plugins.rolling import Balanced, Callers, roll
from tests.plugins.world import World
from vault.store.engine import open_database
from vault.store.schema import record

_ATTEMPTS = 8


def client(world: World, fleet: Fleet, who: str, way: Balanced) -> AsyncStrongroom:
    """The Python client of a credential, behind the balancer."""
    urls = fleet.urls()
    return AsyncStrongroom(
        urls["control"],
        f"acme.{who}",
        world.secrets[f"acme.{who}"],
        planes={"ingest": urls["ingest"], "reveal": urls["reveal"]},
        transport=way,
        attempts=_ATTEMPTS,
    )


async def records(world: World) -> int:
    """How many values the database holds."""
    engine = open_database(world.databases.data_url)
    async with engine.connect() as connection:
        found = await connection.scalar(select(func.count()).select_from(record))
    await engine.dispose()
    return int(found or 0)


async def measure(given: argparse.Namespace) -> dict[str, object]:
    """Roll every host under load: what was seen."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-restart-")))
        world = await stack.enter_async_context(vault())
        fleet = await serve(stack, world, folder, Shape(hosts=2), {})
        ways = [Balanced(fleet.shared()) for _ in range(2)]
        sealing = await stack.enter_async_context(client(world, fleet, "signup", ways[0]))
        opening = await stack.enter_async_context(client(world, fleet, "payments", ways[1]))
        numbers = itertools.count()
        callers = Callers(sealing, opening, lambda: f"Canary {next(numbers)}", pause=given.pause)
        begun = time.perf_counter()
        async with callers.running(given.callers):
            for turn in range(given.turns):
                await roll([host for name in SHARED for host in fleet.processes[name]])
                print(f"turn {turn + 1}: {_said(callers, ways)}", flush=True)
        lasted = time.perf_counter() - begun
        await callers.open_all()
        await callers.ask_again(len(callers.tokens))
        return {
            "seconds": lasted,
            "restarts": given.turns * 2 * len(SHARED),
            "sealed": len(callers.values),
            "opened": callers.opened,
            "sent": sum(way.sent for way in ways),
            "refused": sum(way.refused for way in ways),
            "broken": sum(way.broken for way in ways),
            "busy": sum(way.busy for way in ways),
            "worst_seconds": callers.worst,
            "failed": callers.failed,
            "wrong": callers.wrong,
            "records_without_a_token": await records(world) - len(callers.values),
        }


def _said(callers: Callers, ways: list[Balanced]) -> str:
    missed = f"{sum(w.refused for w in ways)} refused, {sum(w.broken for w in ways)} broken"
    answered = f"{len(callers.values):,} sealed, {callers.opened:,} opened, {missed}"
    return f"{answered}, {sum(w.busy for w in ways)} busy, {len(callers.failed)} failed"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--turns", type=int, default=2)
    arguments.add_argument("--callers", type=int, default=8, help="so many seal, and so many open")
    arguments.add_argument("--pause", type=float, default=0.01, help="seconds between two calls of a caller")
    arguments.add_argument("--json", type=Path, default=Path("bench-restart.json"))
    given = arguments.parse_args()
    found = asyncio.run(measure(given))
    given.json.write_text(json.dumps({"conditions": conditions(), **found}, indent=1) + "\n", "utf-8")
    for name, value in found.items():
        print(f"{name.replace('_', ' ')}: {value if not isinstance(value, float) else round(value, 2)}")
    if found["failed"] or found["wrong"] or found["records_without_a_token"]:
        raise SystemExit("something was lost")


if __name__ == "__main__":
    main()
