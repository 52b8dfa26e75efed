"""How many events a second the sequencer numbers and signs, on a PostgreSQL that syncs every commit.

    python -m benchmarks.sequencing [--events 40000] [--sizes 1 8 64 1000] [--rounds 3]

For each size of list, lists are committed first, signed by an endorsed worker as a plane signs them. Then the
sequencer, as `strongroom sequence` builds it, under its own database role and its own identity at a real
OpenBao, works until nothing is left: lists verified, leaves and nodes written, checkpoints signed and
published. Committing is not counted. A list of one event costs one signature check per event.
"""

import argparse
import asyncio
import os
import statistics
import time

from benchmarks.stage import vault
from keys.identity import read_identity
from keys.policies import worker_key
from keys.transit import Transit
from tests.fakes.inside import caller
from tests.plugins.world import World
from vault.log.event import Draft
from vault.log.lists import WorkerKey
from vault.log.writer import LogWriter
from vault.sequencer import build_sequencer
from vault.store.engine import open_database
from vault.store.records import Store

LISTS_AT_ONCE = 50


def now() -> int:
    return time.time_ns() // 1000


async def enrolled(world: World, store: Store) -> LogWriter:
    """A worker of the reveal plane, endorsed by the key server and known to the database."""
    key = WorkerKey("reveal", os.urandom(16), now())
    transit = Transit(world.settings.server, read_identity(world.settings.identity_file("reveal")))
    version, endorsement = await transit.sign(worker_key("reveal"), key.endorsement_message)
    await transit.aclose()
    await store.enrol(key, key_version=version, endorsement=endorsement)
    return LogWriter(key, now=now, random=os.urandom)


async def commit(store: Store, worker: LogWriter, events: int, size: int) -> None:
    """So many events, in lists of `size`, some lists to a transaction."""
    drafts = [Draft(caller("acme", "pay"), "detokenize", "allow", "payment: class bank is open")] * size
    lane, left = worker.lane("acme"), -(-events // size)
    while left:
        some = min(left, max(1, min(LISTS_AT_ONCE, 4000 // size)))
        async with store.begin() as unit:
            for _ in range(some):
                signed = worker.write(lane, drafts, list_id=worker.new_list_id())
                await unit.add_list(signed)
                worker.keep(lane, signed)
            await unit.commit()
        left -= some


async def sequence(world: World) -> tuple[int, float, float]:
    """Work until nothing is left: events, seconds, seconds of this process's CPU."""
    running = build_sequencer(world.settings)
    await running.prepare()
    try:
        done, wall, cpu = 0, time.perf_counter(), time.process_time()
        while some := await running.sequencer.step():
            done += some
        await running.sequencer.step(sign=True)
        return done, time.perf_counter() - wall, time.process_time() - cpu
    finally:
        await running.stop()


async def measure(events: int, sizes: list[int], rounds: int) -> None:
    async with vault() as world:
        engine = open_database(world.settings.data_url)
        store = Store(engine)
        worker = await enrolled(world, store)
        for size in sizes:
            rates = []
            for _ in range(rounds):
                await commit(store, worker, events, size)
                done, wall, cpu = await sequence(world)
                rates.append(done / wall)
                print(f"  lists of {size}: {done:,} events in {wall:.2f} s, {cpu:.2f} s CPU of the sequencer")
            shown = ", ".join(f"{rate:,.0f}" for rate in sorted(rates))
            print(f"lists of {size}: median {statistics.median(rates):,.0f} events/s of {shown}", flush=True)
        await engine.dispose()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--events", type=int, default=40_000)
    arguments.add_argument("--sizes", type=int, nargs="+", default=[1, 8, 64, 1000])
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    asyncio.run(measure(given.events, given.sizes, given.rounds))


if __name__ == "__main__":
    main()
