"""A stored tree, read: whatever the tree's arithmetic asks for is fetched as tiles and computed from them."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from vault.errors import Unavailable
from vault.log.merkle import TILE_HEIGHT, Nodes, needed, node_hash
from vault.log.tiles import Tile, holding

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
    async def hashes(self, tenant: str, tiles: Collection[Tile]) -> Mapping[Tile, Sequence[bytes]]:
        """The hashes of each tile; fewer than its width when some are missing. Raises: Unavailable."""


class Tree:
    """The trees of all tenants. A tile of a given width never changes, so those read last are remembered."""

    def __init__(self, store: TileStore, *, remembered: int = 1024) -> None:
        self._store = store
        self._remembered = remembered
        self._known: OrderedDict[tuple[str, Tile], Sequence[bytes]] = OrderedDict()

    async def hashes(self, tenant: str, tile: Tile) -> Sequence[bytes]:
        """A whole tile. Raises: LogDamaged, Unavailable."""
        return (await self._read(tenant, {tile}))[tile]

    async def compute(self, tenant: str, size: int, compute: Callable[[Nodes], T]) -> T:
        """What `compute` makes of the first `size` leaves. Raises: LogDamaged, Unavailable."""
        read = await self._read(tenant, {holding(level, number, size) for level, number in needed(compute)})

        def nodes(level: int, number: int) -> bytes:
            tile = holding(level, number, size)
            span = 1 << level % TILE_HEIGHT
            start = number * span - tile.first
            return _fold(read[tile][start : start + span])

        return compute(nodes)

    def forget(self, tenant: str) -> None:
        """Read its tiles again: what was remembered did not verify."""
        for key in [key for key in self._known if key[0] == tenant]:
            del self._known[key]

    async def _read(self, tenant: str, tiles: Collection[Tile]) -> dict[Tile, Sequence[bytes]]:
        """Whole tiles, those not remembered from the store, all at once."""
        read = {tile: self._known[tenant, tile] for tile in tiles if (tenant, tile) in self._known}
        missing = [tile for tile in tiles if tile not in read]
        if missing:
            read |= await self._store.hashes(tenant, missing)
        for tile, hashes in read.items():
            if len(hashes) != tile.width:
                raise LogDamaged(says=f"tile {tile.path} has a hole")
            self._known[tenant, tile] = hashes
            self._known.move_to_end((tenant, tile))
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return read


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of neighbours."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]
