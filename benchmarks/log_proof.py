"""What one proof costs on a large log: a synthetic tree of N leaves in SQLite, proofs for events at random.

    python benchmarks/log_proof.py DIR [--leaves 10000000] [--proofs 1000]

The rows are those the sequencer writes (leaves, and the nodes of every eighth level) and the proofs those the
service gives out, over the same code; every proof is verified. Prints the time of a proof, cold (no hash
remembered) and warm, and its size. Building ten million leaves takes some minutes and about 2.5 GB.
"""

import argparse
import asyncio
import random
import sqlite3
import statistics
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys.migrate import migrate
from vault.log.checkpoints import Checkpoint, origin_of
from vault.log.event import entry
from vault.log.merkle import TILE_HEIGHT, Frontier, leaf_hash
from vault.log.notes import Note, NoteKey, sign_line
from vault.log.proofs import read_proof
from vault.service.log_reads import LogReader
from vault.service.tree import Tree
from vault.store.engine import open_database
from vault.store.log import LogStore
from vault.store.migrate import DATA

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


async def build(file: Path, leaves: int) -> None:
    """Write the log, under a checkpoint of a key of its own."""
    engine = open_database(f"sqlite+aiosqlite:///{file}")
    await migrate(engine, DATA)
    await engine.dispose()
    frontier, nodes = Frontier(0, []), []
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA synchronous=OFF")
        database.executemany(
            "INSERT INTO leaf (tenant, idx, event_id, commitment, list_id, position) VALUES (?,?,?,?,?,?)",
            rows(leaves, frontier, nodes),
        )
        database.executemany("INSERT INTO node (tenant, level, number, hash) VALUES (?,?,?,?)", nodes)
        key = Ed25519PrivateKey.generate()
        origin = origin_of(NAME, TENANT)
        text = Checkpoint(origin, leaves, frontier.root()).text
        signature = sign_line(NoteKey(origin, key.public_key().public_bytes_raw()), key.sign(text.encode()))
        database.execute(
            "INSERT INTO checkpoint (tenant, size, root, note, key_version) VALUES (?,?,?,?,1)",
            (TENANT, leaves, frontier.root(), Note(text, (signature,)).whole),
        )


async def measure(file: Path, leaves: int, proofs: int) -> None:
    engine = open_database(f"sqlite+aiosqlite:///{file}")
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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--leaves", type=int, default=10_000_000)
    arguments.add_argument("--proofs", type=int, default=1000)
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    file = given.folder / f"log-{given.leaves}.db"
    file.unlink(missing_ok=True)
    started = time.perf_counter()
    asyncio.run(build(file, given.leaves))
    print(f"{given.leaves} leaves written in {time.perf_counter() - started:.0f} s")
    asyncio.run(measure(file, given.leaves, given.proofs))


if __name__ == "__main__":
    main()
