"""Reads of the log: leaves, tiles, checkpoints. Nothing here judges: that is for service/."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable, Select, and_, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.log.event import entry
from vault.log.merkle import TILE_HEIGHT, leaf_hash
from vault.log.tiles import Tile
from vault.store import failures
from vault.store.schema import checkpoint, cosignature, event, leaf, node, signed_list


@dataclass(frozen=True, slots=True)
class Leaf:
    """An entry in its place, and the list it came in."""

    idx: int
    event_id: bytes
    commitment: bytes
    list_id: bytes
    position: int

    @property
    def entry(self) -> bytes:
        """The 49 bytes that were hashed."""
        return entry(self.event_id, self.commitment)


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A signed head of a tree as it was published."""

    size: int
    root: bytes
    note: str
    key_version: int
    signed_at: int


class LogStore:
    """The log's tables, read. Every method may raise Unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        # One statement needs no transaction around it: two round trips less for each read.
        alone = engine.dialect.name == "postgresql"
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT") if alone else engine

    async def checkpoint(self, tenant: str) -> StoredCheckpoint | None:
        """The newest checkpoint."""
        rows = await self._rows(_newest(tenant))
        return StoredCheckpoint(*rows[0]) if rows else None

    async def witnessed(self, tenant: str) -> tuple[StoredCheckpoint, list[str]] | None:
        """The newest checkpoint, and the lines that witnesses put under it."""
        newest, c = _newest(tenant).subquery(), cosignature.c
        under = and_(c.tenant == tenant, c.size == newest.c.size)
        rows = await self._rows(select(newest, c.line).outerjoin(cosignature, under).order_by(c.witness))
        if not rows:
            return None
        return StoredCheckpoint(*rows[0][:-1]), [row.line for row in rows if row.line is not None]

    async def leaves(self, tenant: str, first: int, count: int) -> list[Leaf]:
        """Up to `count` leaves from `first` on, in order. Fewer when the tree ends, or has a hole."""
        some = leaves_of(tenant).where(leaf.c.idx >= first, leaf.c.idx < first + count).order_by(leaf.c.idx)
        return [Leaf(*row) for row in await self._rows(some)]

    async def last_leaf(self, tenant: str) -> Leaf | None:
        """The leaf with the highest index."""
        rows = await self._rows(leaves_of(tenant).order_by(leaf.c.idx.desc()).limit(1))
        return Leaf(*rows[0]) if rows else None

    async def place_of(self, tenant: str, event_id: bytes) -> int | None:
        """The index of an event, None when it has none."""
        found = select(leaf.c.idx).where(leaf.c.tenant == tenant, leaf.c.event_id == event_id)
        rows = await self._rows(found)
        return int(rows[0][0]) if rows else None

    async def is_committed(self, tenant: str, event_id: bytes) -> bool:
        """Whether there is such an event, numbered or not."""
        found = select(event.c.event_id).where(event.c.tenant == tenant, event.c.event_id == event_id)
        return bool(await self._rows(found))

    async def hashes(self, tenant: str, tiles: Collection[Tile]) -> dict[Tile, list[bytes]]:
        """The hashes of each tile, in two queries at most. Fewer than its width when some are missing."""
        leaves = [tile for tile in tiles if tile.level == 0]
        nodes = [tile for tile in tiles if tile.level]
        found: dict[tuple[int, int], bytes] = {}
        if leaves:
            rows = await self._rows(union_all(*(_leaves_under(tenant, tile) for tile in leaves)))
            found |= {(0, idx): leaf_hash(entry(event_id, committed)) for idx, event_id, committed in rows}
        if nodes:
            rows = await self._rows(union_all(*(_nodes_of(tenant, tile) for tile in nodes)))
            found |= {(level // TILE_HEIGHT, number): value for level, number, value in rows}
        return {tile: [found[place] for place in _places(tile) if place in found] for tile in tiles}

    async def tenants(self) -> list[str]:
        """Every tenant that has events, found by hopping over the primary key."""
        found: list[str] = []
        while True:
            after = signed_list.c.tenant > (found[-1] if found else "")
            rows = await self._rows(
                select(signed_list.c.tenant).where(after).order_by(signed_list.c.tenant).limit(1)
            )
            if not rows:
                return found
            found.append(rows[0][0])

    async def _rows(self, statement: Executable) -> Sequence[Any]:
        with failures.statements():
            async with self._reads.connect() as connection:
                return (await connection.execute(statement)).all()


def _newest(tenant: str) -> Select[Any]:
    c = checkpoint.c
    some = select(c.size, c.root, c.note, c.key_version, c.signed_at).where(c.tenant == tenant)
    return some.order_by(c.size.desc()).limit(1)


def leaves_of(tenant: str) -> Select[Any]:
    """The columns of `Leaf`, of one tenant."""
    c = leaf.c
    return select(c.idx, c.event_id, c.commitment, c.list_id, c.position).where(c.tenant == tenant)


# One range each, joined by UNION ALL: with OR between them a database may read the whole table.
def _leaves_under(tenant: str, tile: Tile) -> Select[Any]:
    c = leaf.c
    here = c.tenant == tenant, c.idx >= tile.first, c.idx < tile.first + tile.width
    return select(c.idx, c.event_id, c.commitment).where(*here)


def _nodes_of(tenant: str, tile: Tile) -> Select[Any]:
    c = node.c
    here = c.number >= tile.first, c.number < tile.first + tile.width
    return select(c.level, c.number, c.hash).where(
        c.tenant == tenant, c.level == TILE_HEIGHT * tile.level, *here
    )


def _places(tile: Tile) -> Iterator[tuple[int, int]]:
    return ((tile.level, number) for number in range(tile.first, tile.first + tile.width))
