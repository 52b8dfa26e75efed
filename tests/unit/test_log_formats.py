"""Notes, checkpoints, tiles and proofs as a stranger may send them: one spelling, and only our errors."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_tree_vectors import cases
from vault.log.checkpoints import read_checkpoint, read_signed
from vault.log.malformed import Malformed
from vault.log.merkle import frontier_of, needed, root_of
from vault.log.notes import read_key, read_note
from vault.log.proofs import read_proof
from vault.log.tiles import Tile, holding, read_entries, read_tile

NOTE = cases("checkpoints")[2]["note"]
KEY = cases("checkpoints")[2]["vkey"]
PROOF = cases("proofs")[1]["proof"]
READERS = (read_note, read_signed, read_checkpoint, read_key, read_proof)


@pytest.mark.parametrize(
    "spoilt",
    [
        "",
        "\n\n",
        NOTE.replace("\n\n", "\n"),
        NOTE[:-1],
        NOTE + "\n",
        NOTE.replace("\u2014", "-"),
        NOTE.replace("\u2014 ", "\u2014  "),
        NOTE.replace("\n300\n", "\n0300\n"),
        NOTE.replace("\n300\n", "\n+300\n"),
        NOTE.replace("\n300\n", "\n\u0663\u0660\u0660\n"),
        NOTE.replace("\n300\n", "\n99999999999999999999\n"),
        NOTE.replace("=\n\n", "\n\n"),
        NOTE.replace("=\n\n", "=\nextension\n\n"),
        NOTE.replace("\n", "\r\n"),
        "\t" + NOTE,
        "\ud800" + NOTE,
        NOTE + NOTE.splitlines()[-1] * 1,
        NOTE + (NOTE.splitlines()[-1] + "\n") * 100,
    ],
    ids=range(18),
)
def test_a_spoilt_checkpoint_is_refused(spoilt):
    """Every other spelling of a signed checkpoint is refused, with our error."""
    with pytest.raises(Malformed):
        read_signed(spoilt)


@pytest.mark.parametrize(
    "spoilt",
    ["", "a+b", KEY.upper(), KEY + "=", KEY.replace("+", " "), KEY[:-1], KEY[:-4], "b" + KEY, KEY + "+"],
)
def test_a_spoilt_key_is_refused(spoilt):
    """A verifier key whose id is another's, or that is cut, is refused."""
    with pytest.raises(Malformed):
        read_key(spoilt)


@pytest.mark.parametrize(
    ("level", "place"),
    [
        ("0", "0"), ("0", "00"), ("0", "0000"), ("0", "x000/001"), ("0", "001/002"), ("0", "x01/002"),
        ("0", ""), ("00", "000"), ("8", "000"), ("-1", "000"), ("0", "000.p/0"), ("0", "000.p/256"),
        ("0", "000.p/01"), ("0", "000.p/"), ("0", "000.p/1.p/1"), ("0", "x1234/067"),
        ("0", "\u0660\u0660\u0660"), ("0", "../000"), ("0", "000/"), ("0", "x999/" * 40 + "999"),
    ],
)  # fmt: skip
def test_another_spelling_of_a_tile_is_refused(level, place):
    """A tile has one path."""
    with pytest.raises(Malformed):
        read_tile(level, place)


@given(st.text(max_size=300) | st.builds(lambda i, c: PROOF[:i] + c + PROOF[i + 1 :],
                                         st.integers(0, len(PROOF)), st.text(max_size=3)))  # fmt: skip
def test_no_text_makes_a_reader_raise_anything_else(text):
    """Whatever is read, the answer is a value or our error."""
    for reader in READERS:
        with contextlib.suppress(Malformed):
            reader(text)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_bundle_reader_raise_anything_else(raw):
    """A bundle is read whole or refused."""
    try:
        entries = read_entries(raw)
    except Malformed:
        return
    assert sum(2 + len(one) for one in entries) == len(raw)


@given(st.integers(0, 2**40), st.integers(0, 7), st.integers(1, 256))
def test_tile_paths_there_and_back(number, level, width):
    """Every tile is read back from its own path."""
    tile = Tile(level, number, width)
    assert read_tile(str(level), tile.place) == tile


@given(st.integers(1, 200_000))
def test_tiles_of_a_tree_hold_all_that_is_asked_of_it(size):
    """What root and frontier read of a tree lies inside the tiles a tree of that size has."""
    asked = needed(lambda nodes: (root_of(size, nodes), frontier_of(size, nodes)))
    for level, number in asked:
        tile = holding(level, number, size)
        span = 1 << level % 8
        assert tile.within(size)
        assert tile.level == level // 8
        assert tile.first <= number * span
        assert (number + 1) * span <= tile.first + tile.width


def test_a_tree_of_70_000_has_the_tiles_of_the_specification():
    """The example of C2SP tlog-tiles: widths 112, 17 and 1 at the right edge."""
    for tile, there in ((Tile(0, 273, 112), True), (Tile(0, 273, 113), False), (Tile(0, 272), True),
                        (Tile(1, 1, 17), True), (Tile(1, 1, 18), False), (Tile(2, 0, 1), True),
                        (Tile(2, 0, 2), False), (Tile(3, 0, 1), False)):  # fmt: skip
        assert tile.within(70_000) is there
