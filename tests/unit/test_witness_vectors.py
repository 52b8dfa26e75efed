"""Cosignatures against vectors: the vault's reader, the witness, and the auditor's tools."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from strongroom_audit.verifier.notes import read_key, read_note, signed_by
from strongroom_witness.cosigner import Cosigner
from strongroom_witness.faults import Malformed as WitnessMalformed
from strongroom_witness.folder import Folder
from strongroom_witness.submission import read_submission

from tests.vectors import cosignatures_by_the_page
from vault.log.cosignatures import find_cosignature, read_witness_key
from vault.log.malformed import Malformed

CASES = json.loads(cosignatures_by_the_page.FILE.read_text("utf-8"))["cases"]


def text_of(case):
    return case["submission"].partition("\n\n")[2].rpartition("\n\n")[0] + "\n"


def test_vectors_are_what_the_page_says():
    """The file holds, byte for byte, what an implementation made from docs/FORMATS.md alone writes."""
    assert cosignatures_by_the_page.FILE.read_text("utf-8") == cosignatures_by_the_page.contents()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["size"])
def test_the_witness_writes_it(case):
    """The witness's key and line are the page's, byte for byte."""
    cosigner = Cosigner(case["name"], Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["seed"])))
    assert cosigner.vkey == case["vkey"]
    assert cosigner.line(text_of(case), time=case["time"]) == case["line"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["size"])
def test_the_vault_reads_it(case):
    """The vault finds the cosignature in an answer, among others, and knows its time."""
    key = read_witness_key(case["vkey"])
    assert key.text == case["vkey"]
    stranger = "\u2014 stranger.example/w AAAAAAA=\n"
    found = find_cosignature(text_of(case), stranger + case["line"] + stranger, key)
    assert (found.line, found.time) == (case["line"], case["time"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["size"])
def test_the_auditor_reads_it(case):
    """Under the checkpoint it makes a note that log and witness signed."""
    note = read_note(case["submission"].partition("\n\n")[2] + case["line"])
    keys = [read_key(case["log_vkey"]), read_key(case["vkey"])]
    assert signed_by(note, keys) == [case["origin"], case["name"]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["size"])
def test_the_witness_takes_the_submission(case, tmp_path):
    """A witness that has followed the log so far cosigns each submission of the page."""
    Folder(tmp_path).create("witness.example/other")
    Folder(tmp_path).state.trust(read_key(case["log_vkey"]))
    witness = Folder(tmp_path).witness(lambda: 1_800_000_000, lambda _: None)
    if case["old"]:
        first = cosignatures_by_the_page.case(0, case["old"], 0)
        assert witness.add_checkpoint(first["submission"].encode()).status == 200
    assert witness.add_checkpoint(case["submission"].encode()).status == 200


def test_every_bit_of_a_cosignature_counts():
    """No line with one bit changed passes for the witness's."""
    case, key = CASES[3], read_witness_key(CASES[3]["vkey"])
    line = case["line"].encode()
    for bit in range(len(line) * 8):
        changed = bytearray(line)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Malformed):
            find_cosignature(text_of(case), changed.decode("utf-8", "surrogateescape"), key)


def test_cosignature_of_another_text():
    """A cosignature counts for its own checkpoint and no other."""
    with pytest.raises(Malformed):
        find_cosignature(text_of(CASES[1]), CASES[2]["line"], read_witness_key(CASES[2]["vkey"]))


def test_log_key_is_no_witness_key():
    """The kinds cannot be exchanged, whatever name and key."""
    with pytest.raises(Malformed):
        read_witness_key(CASES[0]["log_vkey"])


@given(st.text(max_size=200) | st.sampled_from([case["vkey"] for case in CASES]).map(lambda one: one[:-1]))
def test_parsers_raise_only_our_errors(text):
    """Whatever comes as key, answer or submission is read or is Malformed."""
    key = read_witness_key(CASES[0]["vkey"])
    for parse in (read_witness_key, lambda one: find_cosignature(text_of(CASES[0]), one, key)):
        with pytest.raises(Malformed):
            parse(text)
    with pytest.raises(WitnessMalformed):
        read_submission(text.encode("utf-8", "replace"))
