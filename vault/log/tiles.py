"""Tiles and entry bundles of C2SP `tlog-tiles`: their paths, and entries as they stand in a bundle. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vault.log.malformed import Malformed, read_number
from vault.log.merkle import TILE_HEIGHT

WIDTH = 1 << TILE_HEIGHT
HIGHEST = 63 // TILE_HEIGHT
"""The highest level of tiles that a tree of fewer than 2^63 leaves can have."""
_NUMBER = re.compile(r"(x[0-9]{3}/)*[0-9]{3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """Which hashes: `width` of them from `number`·256 on, at level 8·`level` of the tree."""

    level: int
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """`<L>/<N>[.p/<W>]`"""
        return f"{self.level}/{self.place}"

    @property
    def place(self) -> str:
        """`<N>[.p/<W>]`, which also names an entry bundle."""
        number = f"{self.number % 1000:03d}"
        rest = self.number // 1000
        while rest:
            number = f"x{rest % 1000:03d}/{number}"
            rest //= 1000
        return number if self.width == WIDTH else f"{number}.p/{self.width}"

    @property
    def first(self) -> int:
        """The number, at its level of the tree, of its first hash."""
        return self.number * WIDTH

    def within(self, size: int) -> bool:
        """Whether a tree of `size` leaves has all of it."""
        return self.first + self.width <= size >> (TILE_HEIGHT * self.level)


def read_tile(level: str, place: str) -> Tile:
    """Read the two parts of a tile's path. Raises: Malformed."""
    number, partial, width = place.partition(".p/")
    if _NUMBER.fullmatch(number) is None:
        raise Malformed("a tile's number has groups of three digits")
    tile = Tile(
        read_number(level, HIGHEST),
        read_number(number.replace("x", "").replace("/", "").lstrip("0") or "0"),
        read_number(width, WIDTH - 1) if partial else WIDTH,
    )
    if tile.place != place or tile.width == 0:
        raise Malformed("a tile's path in another spelling")
    return tile


def holding(level: int, number: int, size: int) -> Tile:
    """The tile, as wide as a tree of `size` leaves has it, from which a complete subtree is computed."""
    height = level // TILE_HEIGHT
    number >>= TILE_HEIGHT - level % TILE_HEIGHT
    there = (size >> (TILE_HEIGHT * height)) - number * WIDTH
    return Tile(height, number, min(there, WIDTH))


def write_entries(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: each entry behind its length in two bytes."""
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def read_entries(raw: bytes) -> list[bytes]:
    """Read an entry bundle. Raises: Malformed."""
    entries, at = [], 0
    while at < len(raw):
        end = at + 2 + int.from_bytes(raw[at : at + 2])
        if end > len(raw) or at + 2 > len(raw):
            raise Malformed("an entry bundle is cut off")
        entries.append(raw[at + 2 : end])
        at = end
    return entries
