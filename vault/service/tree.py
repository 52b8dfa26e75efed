"""A stored tree, read: whatever the tree's arithmetic asks for is fetched as tiles and computed from them."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from vault.errors import Unavailable
from vault.log.merkle import TILE_HEIGHT, Nodes, needed, node_hash
from vault.log.tiles import WIDTH, Tile, holding

T = TypeVar("T")


class LogDamaged(Unavailable):
    """The stored log is not what it was. `alarm` says how; nothing is signed on top of it."""

    code = "log_damaged"
    title = "The log does not verify; see the alarm."

    def __init__(self, *, alarm: str = "log_damaged", says: str = "") -> None:
        super().__init__()
        self.alarm = alarm
        self.says = says


class TileStore(Protocol):
    async def hashes(self, tenant: str, tile: Tile) -> list[bytes]:
        """The hashes of a tile; fewer than its width when some are missing. Raises: Unavailable."""


class Tree:
    """The trees of all tenants. Full tiles never change, so those read last are remembered."""

    def __init__(self, store: TileStore, *, remembered: int = 1024) -> None:
        self._store = store
        self._remembered = remembered
        self._full: OrderedDict[tuple[str, int, int], Sequence[bytes]] = OrderedDict()

    async def hashes(self, tenant: str, tile: Tile) -> Sequence[bytes]:
        """A whole tile. Raises: LogDamaged, Unavailable."""
        key = (tenant, tile.level, tile.number)
        if tile.width == WIDTH and key in self._full:
            self._full.move_to_end(key)
            return self._full[key]
        found = await self._store.hashes(tenant, tile)
        if len(found) != tile.width:
            raise LogDamaged(says=f"tile {tile.path} has a hole")
        if tile.width == WIDTH:
            self._full[key] = found
            if len(self._full) > self._remembered:
                self._full.popitem(last=False)
        return found

    async def compute(self, tenant: str, size: int, compute: Callable[[Nodes], T]) -> T:
        """What `compute` makes of the first `size` leaves. Raises: LogDamaged, Unavailable."""
        tiles = {holding(level, number, size) for level, number in needed(compute)}
        read = {tile: await self.hashes(tenant, tile) for tile in tiles}

        def nodes(level: int, number: int) -> bytes:
            tile = holding(level, number, size)
            span = 1 << level % TILE_HEIGHT
            start = number * span - tile.first
            return _fold(read[tile][start : start + span])

        return compute(nodes)


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of neighbours."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]
