"""The Merkle tree of RFC 6962 as a verifier needs it: growing by leaves, and one leaf's proof."""

from collections.abc import Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
ENTRY_BYTES = 49


def leaf_hashes(entries: bytes) -> list[bytes]:
    """The leaf hash of each 49-byte entry."""
    return [
        sha256(b"\x00" + entries[at : at + ENTRY_BYTES]).digest()
        for at in range(0, len(entries), ENTRY_BYTES)
    ]


class Frontier:
    """The right edge of a tree: for each bit of its size, the root of one complete subtree."""

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        """`edge`: one hash for each 1 bit of `size`, lowest bit first."""
        if size < 0 or len(edge) != size.bit_count() or any(len(node) != 32 for node in edge):
            raise ValueError("one hash of 32 bytes for each bit of the size")
        self.size = size
        hashes = iter(edge)
        self._edge = {bit: next(hashes) for bit in range(size.bit_length()) if size >> bit & 1}

    @property
    def edge(self) -> list[bytes]:
        """What a Frontier of this size is made from again."""
        return [self._edge[bit] for bit in sorted(self._edge)]

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Append leaf hashes, a whole level at a time."""
        level, nodes = 0, list(leaves)
        while nodes:
            waiting = self._edge.pop(level, None)
            if waiting is not None:
                nodes.insert(0, waiting)
            if len(nodes) & 1:
                self._edge[level] = nodes.pop()
            nodes = [
                sha256(b"\x01" + left + right).digest()
                for left, right in zip(nodes[::2], nodes[1::2], strict=True)
            ]
            level += 1
        self.size += len(leaves)

    def root(self) -> bytes:
        """The root over everything so far."""
        root = b""
        for node in self.edge:
            root = sha256(b"\x01" + node + root).digest() if root else node
        return root or EMPTY_ROOT


def root_by_proof(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root to which a leaf's path leads; None if no tree of this size has such a path.

    RFC 9162 §2.1.3.2: climb from the leaf. A node without a right neighbour at the edge of the tree
    moves up without being hashed.
    """
    if not 0 <= index < size:
        return None
    node, last, value = index, size - 1, leaf
    for sibling in path:
        while not node & 1 and node == last and last:
            node, last = node >> 1, last >> 1
        if last == 0:
            return None
        pair = sibling + value if node & 1 else value + sibling
        value = sha256(b"\x01" + pair).digest()
        node, last = node >> 1, last >> 1
    while last and not node & 1 and node == last:
        node, last = node >> 1, last >> 1
    return value if last == 0 else None
