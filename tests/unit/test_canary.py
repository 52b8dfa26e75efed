"""The search for canaries finds them: a search that cannot find proves nothing."""

import base64
import os

import pytest

from tests.plugins.canary import Before, holders

CANARY = "Canaryqwhzkxnvbtmdfgjl"


@pytest.mark.parametrize("shift", range(3))
def test_a_canary_in_base64_is_found_at_every_alignment(tmp_path, shift):
    """Whatever stands before it, as in a JSON document that was encoded whole."""
    file = tmp_path / "log"
    file.write_bytes(base64.b64encode(b"x" * (30 + shift) + CANARY.encode() + b' "}, more of it'))
    assert holders([CANARY], [tmp_path]) == [file]


@pytest.mark.parametrize(
    "spelt", [CANARY.encode(), CANARY.encode().hex().encode(), CANARY.encode("utf-16-le")]
)
def test_a_canary_is_found_as_it_is_in_hex_and_in_utf_16(tmp_path, spelt):
    """In any file beneath the folder, also across the border of two pieces of a large one."""
    file = tmp_path / "deep" / "wal"
    file.parent.mkdir()
    file.write_bytes(b"x" * ((8 << 20) - 5) + spelt + b"y")
    assert holders([CANARY], [tmp_path]) == [file]


def test_a_clean_folder_is_clean(tmp_path):
    """Nothing is found where nothing is."""
    (tmp_path / "log").write_bytes(CANARY[:-1].encode())
    assert holders([CANARY], [tmp_path]) == []


def test_what_was_there_before_is_not_searched_and_all_that_came_later_is(tmp_path):
    """A file written to since is searched whole, a log from where it ended, an untouched one not at all."""
    old, table, log = tmp_path / "old", tmp_path / "table", tmp_path / "server.log"
    for file in (old, table, log):
        file.write_bytes(CANARY.encode())
        os.utime(file, (1, 1))
    before = Before.now([tmp_path])
    assert holders([CANARY], [tmp_path], before) == []
    for file in (table, log):
        with file.open("ab") as more:
            more.write(b"x")
    assert holders([CANARY], [tmp_path], before) == [table]
    with log.open("ab") as more:
        more.write(CANARY.encode())
    assert holders([CANARY], [tmp_path], before) == [log, table]
