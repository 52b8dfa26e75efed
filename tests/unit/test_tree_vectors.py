"""The tree and its notes against vectors: our own page's, and what others published."""

import json

import pytest

from tests.vectors import tree_by_the_page
from vault.log.checkpoints import Checkpoint, read_signed
from vault.log.merkle import EMPTY, Frontier, leaf_hash
from vault.log.notes import NoteKey, read_key, read_note, sign_line
from vault.log.proofs import read_proof, write_proof
from vault.log.tiles import Tile, read_entries, read_tile, write_entries


def cases(name: str) -> list[dict]:
    return json.loads((tree_by_the_page.HERE / f"{name}.json").read_text("utf-8"))["cases"]


def grown(entries: list[bytes]) -> Frontier:
    frontier = Frontier(0, ())
    for one in entries:
        for _ in frontier.append(leaf_hash(one)):
            pass
    return frontier


@pytest.mark.parametrize("name", sorted(tree_by_the_page.NAMES))
def test_vectors_are_what_the_page_says(name):
    """Each file holds, byte for byte, what an implementation made from docs/FORMATS.md alone writes."""
    assert (tree_by_the_page.HERE / f"{name}.json").read_text("utf-8") == tree_by_the_page.contents(name)


@pytest.mark.parametrize("case", cases("trees"), ids=lambda case: case["size"])
def test_tree(case):
    """Growing a tree leaf by leaf ends in the root that the definition gives."""
    assert grown([tree_by_the_page.entry(i) for i in range(case["size"])]).root().hex() == case["root"]


def test_published_trees():
    """The roots everybody's implementation of RFC 6962 is held to."""
    known = cases("published")[0]
    for size, root in enumerate(known["roots"], 1):
        assert grown([bytes.fromhex(one) for one in known["leaves"][:size]]).root().hex() == root
    assert grown([]).root() == EMPTY


def test_published_note():
    """Go's own example of a signed note verifies under its key, and is written back byte for byte."""
    known = cases("published")[1]
    key, note = read_key(known["vkey"]), read_note(known["note"])
    assert note.signed_by(key)
    assert (key.text, note.whole) == (known["vkey"], known["note"])
    assert not note.signed_by(NoteKey(key.name, bytes(32)))


def test_published_key():
    """The key id is the one the Go toolchain knows the checksum database's key by."""
    known = cases("published")[2]["vkey"]
    assert read_key(known).text == known


def test_published_tile_path():
    """The example of the specification."""
    known = cases("published")[3]
    assert Tile(0, known["number"]).place == known["place"]


@pytest.mark.parametrize("case", cases("checkpoints"), ids=lambda case: case["size"])
def test_checkpoint(case):
    """Reading gives size and root, writing the same bytes, and the signature is the log's."""
    key = read_key(case["vkey"])
    head, note = read_signed(case["note"])
    assert (head.origin, head.size, key.name) == (case["origin"], case["size"], case["origin"])
    assert note.signed_by(key)
    again = sign_line(key, note.signatures[0].signature)
    assert Checkpoint(case["origin"], head.size, head.root).text + "\n" + again.line == case["note"]


@pytest.mark.parametrize("case", [one for one in cases("tiles") if "path" in one], ids=lambda c: c["path"])
def test_tile_path(case):
    """A tile's path and the tile say the same."""
    tile = Tile(case["level"], case["number"], case["width"])
    level, _, place = case["path"].partition("/")
    assert (tile.path, read_tile(level, place)) == (case["path"], tile)


def test_entry_bundle():
    """Entries in a bundle, there and back."""
    case = cases("tiles")[-1]
    entries = [bytes.fromhex(one) for one in case["entries"]]
    assert write_entries(entries).hex() == case["bundle"]
    assert read_entries(bytes.fromhex(case["bundle"])) == entries


@pytest.mark.parametrize("case", cases("proofs"), ids=lambda case: case["index"])
def test_proof(case):
    """A proof shows its entry, no other, and is written back byte for byte."""
    proof = read_proof(case["proof"])
    assert proof.includes(bytes.fromhex(case["entry"]))
    assert not proof.includes(tree_by_the_page.entry(case["index"] + 1))
    assert proof.note.signed_by(read_key(case["vkey"]))
    assert write_proof(proof.index, proof.path, proof.note.whole) == case["proof"]
