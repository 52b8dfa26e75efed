"""What one proof costs on a large log: a synthetic tree of N leaves in PostgreSQL, proofs of random events.

    python -m benchmarks.log_proof [--leaves 10000000] [--proofs 1000]

The rows are those the sequencer writes (leaves, and the nodes of every eighth level) and the proofs those the
service gives out, over the same code; every proof is verified. Prints the time of a proof, cold (no hash
remembered) and warm, and its size. Building ten million leaves takes some minutes and about 4 GB.
"""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import URL, insert

from benchmarks.stage import postgresql
from tests.plugins.postgres import Postgres
from vault.log.checkpoints import Checkpoint, origin_of
from vault.log.event import entry
from vault.log.merkle import TILE_HEIGHT, Frontier, leaf_hash
from vault.log.notes import Note, NoteKey, sign_line
from vault.log.proofs import read_proof
from vault.service.log_reads import LogReader
from vault.service.tree import Tree
from vault.store.engine import open_database
from vault.store.log import LogStore
from vault.store.schema import checkpoint

TENANT, NAME = "acme", "bench.example"


def event_id(index: int) -> bytes:
    """Time-ordered, like a real one."""
    return (1_800_000_000_000_000 + index).to_bytes(7) + sha256(index.to_bytes(8)).digest()[:9]


def rows(leaves: int, frontier: Frontier, nodes: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Leaf rows; the nodes that a leaf completes are put aside."""
    for index in range(leaves):
        identity = event_id(index)
        commitment = sha256(identity).digest()
        for level, number, value in frontier.append(leaf_hash(entry(identity, commitment))):
            if level and level % TILE_HEIGHT == 0:
                nodes.append((TENANT, level, number, value))
        yield TENANT, index, identity, commitment, identity, 0


async def build(url: URL, leaves: int) -> None:
    """Write the log, under a checkpoint of a key of its own."""
    frontier, nodes = Frontier(0, []), list[Any]()
    database = await asyncpg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    names = ["tenant", "idx", "event_id", "commitment", "list_id", "position"]
    await database.copy_records_to_table("leaf", records=rows(leaves, frontier, nodes), columns=names)
    names = ["tenant", "level", "number", "hash"]
    await database.copy_records_to_table("node", records=nodes, columns=names)
    await database.close()
    key = Ed25519PrivateKey.generate()
    origin = origin_of(NAME, TENANT)
    text = Checkpoint(origin, leaves, frontier.root()).text
    signature = sign_line(NoteKey(origin, key.public_key().public_bytes_raw()), key.sign(text.encode()))
    engine = open_database(url.render_as_string(hide_password=False))
    note, root = Note(text, (signature,)).whole, frontier.root()
    async with engine.begin() as connection:
        row = {"tenant": TENANT, "size": leaves, "root": root, "note": note, "key_version": 1}
        await connection.execute(insert(checkpoint), row)
    await engine.dispose()


async def measure(url: URL, leaves: int, proofs: int) -> None:
    engine = open_database(url.render_as_string(hide_password=False))
    store = LogStore(engine)
    nobody: Any = SimpleNamespace()
    picks = [random.randrange(leaves) for _ in range(proofs)]  # a sample
    for label, fresh in (("cold", True), ("warm", False)):
        tree, times, largest = Tree(store), [], 0
        for index in picks:
            reader = LogReader(
                store=store,
                tree=Tree(store) if fresh else tree,
                log_keys=nobody,
                worker_keys=nobody,
                cert_keys=nobody,
                log_name=NAME,
            )
            identity = event_id(index)
            started = time.perf_counter()
            text = await reader.proof(TENANT, identity)
            times.append(time.perf_counter() - started)
            largest = max(largest, len(text))
            proof = read_proof(text)
            if not proof.includes(entry(identity, sha256(identity).digest())):
                raise SystemExit(f"the proof of leaf {index} does not hold")
        times.sort()
        median, late = statistics.median(times) * 1000, times[int(len(times) * 0.99)] * 1000
        print(
            f"{label}: median {median:.2f} ms, p99 {late:.2f} ms, at most {largest} bytes, {proofs} verified"
        )
    await engine.dispose()


async def run(postgres: Postgres, leaves: int, proofs: int) -> None:
    url = (await postgres.pair("proofs")).data
    started = time.perf_counter()
    await build(url, leaves)
    print(f"{leaves:,} leaves written in {time.perf_counter() - started:.0f} s", flush=True)
    await measure(url, leaves, proofs)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--leaves", type=int, default=10_000_000)
    arguments.add_argument("--proofs", type=int, default=1000)
    given = arguments.parse_args()
    with postgresql() as postgres:
        asyncio.run(run(postgres, given.leaves, given.proofs))


if __name__ == "__main__":
    main()
