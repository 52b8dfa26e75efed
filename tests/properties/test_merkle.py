"""Every proof of every tree up to 300 leaves, and every bit of some of them."""

import random

import pytest

from vault.log.merkle import (
    EMPTY,
    Frontier,
    consistency_proof,
    extends,
    frontier_of,
    includes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
)

LARGEST = 300
EXHAUSTIVE = 64
SAMPLES = 24
LEAVES = [leaf_hash(bytes([i % 256, i // 256])) for i in range(LARGEST)]


def stored() -> dict[tuple[int, int], bytes]:
    """Each complete subtree, as growing the tree gave it."""
    frontier, found = Frontier(0, ()), {}
    for leaf in LEAVES:
        found.update({(level, number): value for level, number, value in frontier.append(leaf)})
    return found


STORED = stored()
ROOTS = [EMPTY]


def nodes(level: int, number: int) -> bytes:
    return STORED[level, number]


def defined(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, as it is written there."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(defined(leaves[:k]), defined(leaves[k:]))


ROOTS += [defined(LEAVES[:size]) for size in range(1, LARGEST + 1)]


def some(size: int, low: int) -> range | list[int]:
    """Every number below `size` for small trees; for larger ones the edges and a sample."""
    if size <= EXHAUSTIVE:
        return range(low, size)
    edges = [low, 1, size - 2, size - 1, size // 2, 255, 256]
    chosen = random.Random(size).sample(range(low, size), SAMPLES)
    return [one for one in {*edges, *chosen} if low <= one < size]


def test_roots_and_frontiers():
    """Growing, reading back and the definition give one root, at each size."""
    for size in range(LARGEST + 1):
        assert root_of(size, nodes) == frontier_of(size, nodes).root() == ROOTS[size]


def test_every_leaf_is_shown_to_be_in_every_tree():
    """The audit path leads to the root; for another leaf, index or size it does not."""
    for size in range(1, LARGEST + 1):
        for index in some(size, 0):
            path = inclusion_proof(index, size, nodes)
            assert includes(LEAVES[index], index, size, proof=path, root=ROOTS[size])
            other = LEAVES[(index + 1) % LARGEST]
            assert not includes(other, index, size, proof=path, root=ROOTS[size])
            assert not includes(LEAVES[index], index + 1, size, proof=path, root=ROOTS[size])
            assert not includes(LEAVES[index], index, size, proof=[*path, EMPTY], root=ROOTS[size])
            assert not includes(LEAVES[index], index, size, proof=path, root=ROOTS[size - 1])


def test_every_tree_is_shown_to_extend_every_smaller_one():
    """The consistency proof holds between every two sizes, and for no other root."""
    for new in range(LARGEST + 1):
        for old in some(new + 1, 0):
            path = consistency_proof(old, new, nodes)
            told = {"old_root": ROOTS[old], "new_root": ROOTS[new]}
            assert extends(old, new, proof=path, **told)
            assert not extends(old, new, proof=[*path, EMPTY], **told)
            assert not extends(old, new, proof=path, old_root=leaf_hash(b"other"), new_root=ROOTS[new])
            if path:
                assert not extends(old, new, proof=path[:-1], **told)
                assert not extends(old, new, proof=path, old_root=ROOTS[old], new_root=leaf_hash(b"other"))


@pytest.mark.parametrize(("index", "size"), [(0, 2), (3, 7), (255, 300), (299, 300)])
def test_a_changed_bit_of_an_inclusion_proof_is_refused(index, size):
    """Leaf, root and each hash of the path: flip any one bit and it no longer holds."""
    path = inclusion_proof(index, size, nodes)
    parts = [LEAVES[index], ROOTS[size], *path]
    for place in range(len(parts) * 256):
        leaf, root, *proof = flipped(parts, place)
        assert not includes(leaf, index, size, proof=proof, root=root)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (4, 7), (256, 300), (299, 300)])
def test_a_changed_bit_of_a_consistency_proof_is_refused(old, new):
    """Old root, new root and each hash of the path: flip any one bit and it no longer holds."""
    path = consistency_proof(old, new, nodes)
    parts = [ROOTS[old], ROOTS[new], *path]
    for place in range(len(parts) * 256):
        old_root, new_root, *proof = flipped(parts, place)
        assert not extends(old, new, proof=proof, old_root=old_root, new_root=new_root)


def flipped(parts: list[bytes], place: int) -> list[bytes]:
    """The parts with one bit changed."""
    which, bit = divmod(place, 256)
    changed = bytearray(parts[which])
    changed[bit // 8] ^= 1 << bit % 8
    return [*parts[:which], bytes(changed), *parts[which + 1 :]]


def test_proofs_of_what_is_not_there_are_not_made():
    """Beyond the tree there is nothing to prove, and nothing is claimed to be."""
    for index, size in ((0, 0), (1, 1), (-1, 3), (3, 3)):
        with pytest.raises(ValueError, match="not in the tree"):
            inclusion_proof(index, size, nodes)
        assert not includes(LEAVES[0], index, size, proof=[], root=ROOTS[size])
    for old, new in ((2, 1), (-1, 1)):
        with pytest.raises(ValueError, match="larger"):
            consistency_proof(old, new, nodes)
        assert not extends(old, new, proof=[], old_root=EMPTY, new_root=EMPTY)


def test_a_frontier_of_another_size_is_refused():
    """A frontier has one subtree for each bit of its size."""
    with pytest.raises(ValueError, match="each bit"):
        Frontier(3, [EMPTY])
