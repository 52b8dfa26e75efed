"""What the audit plane gives out of a stored tree that somebody has been at."""

from collections import Counter
from hashlib import sha256

import pytest

from vault.log.checkpoints import Checkpoint
from vault.log.event import entry
from vault.log.merkle import Frontier, leaf_hash
from vault.log.notes import Note, Signature
from vault.log.proofs import read_proof
from vault.service.log_reads import LogReader
from vault.service.tree import LogDamaged, Tree
from vault.store.log import StoredCheckpoint

SIZE = 70_000
ORIGIN = "log.test/acme"


def event_id(index):
    return index.to_bytes(16)


def entry_of(index):
    return entry(event_id(index), sha256(event_id(index)).digest())


class Rows:
    """The log's tables, in memory and to be edited; counts how often tiles are asked for."""

    def __init__(self):
        frontier, self.nodes, self.reads = Frontier(0, ()), {}, Counter()
        for index in range(SIZE):
            for level, number, value in frontier.append(leaf_hash(entry_of(index))):
                if level % 8 == 0:
                    self.nodes[level // 8, number] = value
        text = Checkpoint(ORIGIN, SIZE, frontier.root()).text
        note = Note(text, (Signature(ORIGIN, bytes(4), bytes(64)),)).whole
        self.head = StoredCheckpoint(SIZE, frontier.root(), note, 1, 0)

    async def hashes(self, tenant, tiles):
        self.reads.update(tile.level for tile in tiles)
        return {
            tile: [self.nodes[tile.level, n] for n in range(tile.first, tile.first + tile.width)]
            for tile in tiles
        }

    async def witnessed(self, tenant):
        return self.head, []

    async def place_of(self, tenant, event_id):
        return int.from_bytes(event_id)


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
def reader(rows):
    return LogReader(
        store=rows, tree=Tree(rows), log_keys=None, worker_keys={}, cert_keys=None, log_name="log.test"
    )


@pytest.mark.parametrize("at", [(0, 300), (1, 7), (2, 0)])
async def test_no_proof_is_given_that_does_not_hold(rows, reader, at):
    """With a stored hash changed there is no proof; once it is put right there is, without a restart."""
    true, rows.nodes[at] = rows.nodes[at], bytes(32)
    near = 301 if at != (2, 0) else SIZE - 1
    with pytest.raises(LogDamaged):
        await reader.proof("acme", event_id(near))
    rows.nodes[at] = true
    assert read_proof(await reader.proof("acme", event_id(near))).includes(entry_of(near))


async def test_tiles_are_read_once(rows, reader):
    """A second proof near the first asks the database for no tile, the right edge's included."""
    await reader.proof("acme", event_id(1000))
    before = rows.reads.copy()
    await reader.proof("acme", event_id(1001))
    assert rows.reads == before
    await reader.proof("acme", event_id(60_000))
    assert rows.reads - before == Counter({0: 1})
