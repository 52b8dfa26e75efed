"""The Merkle tree of RFC 6962: hashing, growing, proving, checking. Pure. Bytes: docs/FORMATS.md §10.

A tree is read through `Nodes`: the hash of any complete subtree by (level, number), level 0 being leaves.
Indexes and sizes count leaves; hashes are 32 bytes.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""
TILE_HEIGHT = 8
"""Only every eighth level is stored; those between are computed from it."""

Nodes = Callable[[int, int], bytes]
"""(level, number) → hash of the complete subtree over leaves number·2^level … (number+1)·2^level - 1."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: the roots of its complete subtrees, largest first."""

    def __init__(self, size: int, subtrees: Sequence[bytes]) -> None:
        """`subtrees`: one hash for each bit of `size`, the highest first."""
        if len(subtrees) != size.bit_count():
            raise ValueError("one subtree for each bit of the size")
        self.size = size
        self._subtrees = list(subtrees)

    def append(self, leaf: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Add a leaf hash; yields each subtree that it completes, as (level, number, hash), leaf first."""
        number, level, complete = self.size, 0, leaf
        yield level, number, complete
        while number & 1:
            complete = node_hash(self._subtrees.pop(), complete)
            number, level = number >> 1, level + 1
            yield level, number, complete
        self._subtrees.append(complete)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._subtrees:
            return EMPTY
        root = self._subtrees[-1]
        for left in reversed(self._subtrees[:-1]):
            root = node_hash(left, root)
        return root

    @property
    def subtrees(self) -> tuple[bytes, ...]:
        """What a new Frontier of this size starts from."""
        return tuple(self._subtrees)


def frontier_of(size: int, nodes: Nodes) -> Frontier:
    """The frontier of a stored tree."""
    return Frontier(size, [nodes(level, number) for level, number in _complete(0, size)])


def root_of(size: int, nodes: Nodes) -> bytes:
    """The root of the first `size` leaves."""
    return _range_root(0, size, nodes) if size else EMPTY


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """The audit path of a leaf in the tree of the first `size` leaves, lowest sibling first."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in the tree")
    low, high = 0, size
    path = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_root(middle, high, nodes))
            high = middle
        else:
            path.append(_range_root(low, middle, nodes))
            low = middle
    return path[::-1]


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """That the tree of the first `old` leaves is the beginning of the one of the first `new`."""
    if not 0 <= old <= new:
        raise ValueError("the old tree is larger than the new one")
    if old in (0, new):
        return []
    low, high = 0, new
    path = []
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range_root(middle, high, nodes))
            high = middle
        else:
            path.append(_range_root(low, middle, nodes))
            low = middle
    if low:
        path.append(_range_root(low, high, nodes))
    return path[::-1]


def includes(leaf: bytes, index: int, size: int, *, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows `leaf` at `index` under `root`. RFC 9162 §2.1.3.2."""
    if not 0 <= index < size:
        return False
    here, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            value = node_hash(sibling, value)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and value == root


def extends(old: int, new: int, *, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether the proof shows the old tree to be the beginning of the new one. RFC 9162 §2.1.4.2."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def _complete(low: int, high: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees that make up the leaves low … high - 1, left to right; `low` is aligned."""
    while low < high:
        level = (high - low).bit_length() - 1
        yield level, low >> level
        low += 1 << level


def needed(compute: Callable[[Nodes], object]) -> set[tuple[int, int]]:
    """Every (level, number) that `compute` will read, so that they can be fetched before it runs."""
    asked: set[tuple[int, int]] = set()

    def record(level: int, number: int) -> bytes:
        asked.add((level, number))
        return EMPTY

    compute(record)
    return asked


def _range_root(low: int, high: int, nodes: Nodes) -> bytes:
    hashes = [nodes(level, number) for level, number in _complete(low, high)]
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root
