"""The end of a tenant's tree as the leading sequencer knows it, and how lists of events grow it. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

from vault.log.merkle import TILE_HEIGHT, Frontier, leaf_hash
from vault.service.verified_lists import LARGEST_LIST, GoodList
from vault.store.log import Leaf, StoredCheckpoint
from vault.store.sequencing import StoredList

BATCH = 4096
"""Events numbered in one transaction, and events after which a checkpoint is due at once."""
_PAUSE = 1.0
"""Seconds until a signer that failed is asked again."""


@dataclass(slots=True)
class Head:
    """What the leader knows of one tenant's tree. True only while it leads."""

    frontier: Frontier
    newest: bytes
    """The id of the list numbered last."""
    last: StoredCheckpoint | None
    signed: float
    """When, on the monotonic clock; a failed try counts."""
    failed: bool = False
    """Whether that was a failed try."""
    most: int = BATCH
    swept: float = float("-inf")
    page: bytes = bytes(16)

    def is_due(self, now: float, every: float) -> bool:
        """Whether a checkpoint is: after a batch of events, or `every` seconds after the last."""
        pause = now - self.signed
        enough = self.unsigned >= BATCH and (not self.failed or pause >= _PAUSE)
        return enough or (self.unsigned > 0 and pause >= every)

    @property
    def unsigned(self) -> int:
        """Leaves that no checkpoint covers."""
        return self.frontier.size - (self.last.size if self.last else 0)


def grow(frontier: Frontier, lists: Sequence[GoodList]) -> tuple[list[Leaf], list[tuple[int, int, bytes]]]:
    """Add the entries of `lists`; the new leaves, and the nodes of every eighth level they complete."""
    leaves: list[Leaf] = []
    nodes: list[tuple[int, int, bytes]] = []
    for one in lists:
        for entry in one.entries:
            place = frontier.size
            leaf = Leaf(place, entry.event_id, entry.commitment, one.row.list_id, entry.position)
            completed = frontier.append(leaf_hash(leaf.entry))
            nodes += [node for node in completed if node[0] and node[0] % TILE_HEIGHT == 0]
            leaves.append(leaf)
    return leaves, nodes


def some(rows: Sequence[StoredList], most: int) -> list[StoredList]:
    """The first lists with up to `most` events together, but at least one list."""
    taken: list[StoredList] = []
    events = 0
    for row in rows:
        events += min(max(row.size, 1), LARGEST_LIST)
        if taken and events > most:
            break
        taken.append(row)
    return taken


def time_of(list_id: bytes) -> int:
    """When its worker made it, µs by the worker's clock."""
    return int.from_bytes(list_id[:7])


def start_of(microseconds: int) -> bytes:
    """The smallest list id of this time."""
    return max(0, microseconds).to_bytes(7) + bytes(9)
