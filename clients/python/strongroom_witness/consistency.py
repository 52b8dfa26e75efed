"""What a consistency proof of RFC 6962 says about two sizes of one tree. Pure."""

from collections.abc import Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


def roots_by_proof(
    old: int, new: int, *, old_root: bytes, path: Sequence[bytes]
) -> tuple[bytes, bytes] | None:
    """The roots at both sizes that `path` leads to; None if no trees of these sizes have such a path.

    RFC 9162 §2.1.4.2, for 0 < old < new. Where `old` is a power of two the path begins at `old_root` itself,
    so that the first answer is `old_root` whatever the path says.
    """
    nodes = list(path) if old & (old - 1) else [old_root, *path]
    if not 0 < old < new or not nodes:
        return None
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            first, second = _join(sibling, first), _join(sibling, second)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            second = _join(second, sibling)
        node, last = node >> 1, last >> 1
    return (first, second) if last == 0 else None


def _join(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()
