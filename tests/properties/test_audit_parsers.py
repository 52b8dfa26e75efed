"""Whatever bytes an auditor's tools are given, they answer with one of their own faults or with sense."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strongroom_audit.faults import Fault
from strongroom_audit.fetch import read_tile, tile_number
from strongroom_audit.keyring import read_pinned, read_shown
from strongroom_audit.plain import cell, clean, markup
from strongroom_audit.prove import read_receipt
from strongroom_audit.state import read_state
from strongroom_audit.verifier.bodies import Shapes, parse
from strongroom_audit.verifier.bundle import read_bundle
from strongroom_audit.verifier.log import Judge
from strongroom_audit.verifier.notes import read_checkpoint, read_key, read_note, read_proof
from strongroom_audit.verifier.tree import Frontier

from tests.fakes.audit_log import FakeLog, canonical, digest, path_of, root_of

LOG = FakeLog()
for count in (1, 3, 2, 5):
    LOG.write(count)
BUNDLE, ENTRIES, NOTE, PROOF = LOG.bundle(0, 11), LOG.entries(0, 11), LOG.checkpoint(), LOG.proof(4)
READERS = {
    "key": read_key,
    "note": read_note,
    "checkpoint": lambda text: read_checkpoint(text, [read_key(LOG.vkey)]),
    "proof": read_proof,
    "pinned keys": read_pinned,
    "shown keys": read_shown,
    "state": read_state,
    "receipt": read_receipt,
}
SEEDS = (LOG.vkey, NOTE, PROOF, LOG.keys(), LOG.receipt(3), '{"log": [], "worker": {"reveal": {}}}')
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def mangled(draw, seeds):
    """A seed with a slice of it replaced."""
    seed = draw(st.sampled_from(seeds))
    first = draw(st.integers(0, len(seed)))
    last = draw(st.integers(first, min(len(seed), first + 40)))
    middle = draw(st.text(max_size=8) if isinstance(seed, str) else st.binary(max_size=8))
    return seed[:first] + middle + seed[last:]


@pytest.mark.parametrize("name", READERS)
@given(text=st.text() | mangled(SEEDS) | json_values.map(json.dumps))
def test_readers_of_text_raise_faults_only(name, text):
    """Keys, notes, proofs, states and receipts in any shape are read or refused with a fault."""
    try:
        READERS[name](text)
    except Fault as fault:
        assert fault.what


@given(raw=st.binary() | mangled([BUNDLE]))
def test_bundles_raise_faults_only(raw):
    """A bundle of any bytes is read or refused with a fault, and never takes memory beyond its own length."""
    try:
        assert sum(1 for _ in read_bundle(raw).events()) >= 0
    except Fault as fault:
        assert fault.exit_code == 15


@given(raw=st.binary() | mangled([BUNDLE]), entries=mangled([ENTRIES]))
@example(raw=BUNDLE, entries=ENTRIES)
def test_judge_finds_a_fault_in_any_other_page(raw, entries):
    """Whatever page is not the true one has a fault, and the true one has none."""
    judge = Judge("acme", LOG.worker_public())
    judge.expect([read_checkpoint(NOTE, [read_key(LOG.vkey)])])
    try:
        judge.page(entries, raw)
        judge.close()
    except Fault as fault:
        judge.faults.append(fault)
    assert (not judge.faults) == ((raw, entries) == (BUNDLE, ENTRIES))


@given(body=st.binary() | mangled([LOG.events[0].body]) | json_values.map(lambda v: json.dumps(v).encode()))
def test_bodies_raise_value_errors_only(body):
    """A body of any bytes is canonical and says what it is of, or is refused; both ways of reading agree."""
    shapes = Shapes()
    shapes.identity(LOG.events[0].body)
    results = []
    for read in (shapes.identity, Shapes().identity):
        try:
            results.append(read(body))
        except ValueError:
            results.append(None)
    assert results[0] == results[1]


@given(
    st.dictionaries(
        st.text("abcdefghij_", min_size=1, max_size=8),
        st.text() | st.integers(-(2**53) + 1, 2**53 - 1) | st.lists(st.text(), max_size=3),
        max_size=6,
    )
)
def test_canonical_bodies_are_read(members):
    """Every body in canonical JSON is read as what was written."""
    assert parse(canonical(members)) == members


@given(raw=st.binary(), number=st.integers(0, 2**40))
def test_tiles_raise_faults_only(raw, number):
    """A tile of any bytes is entries of 49 bytes or malformed."""
    try:
        assert len(read_tile(raw, number)) % 49 == 0
    except Fault as fault:
        assert fault.exit_code == 15
    assert tile_number(number).replace("x", "").replace("/", "").lstrip("0") == str(number or "")


@settings(max_examples=50)
@given(cuts=st.lists(st.integers(1, 40), max_size=8), index=st.integers(0, 400))
def test_tree_grown_in_any_steps(cuts, index):
    """A tree grown in any steps has the root of its definition, to which every leaf's path leads."""
    size = sum(cuts)
    leaves = [digest(b"\x00", number.to_bytes(2)) for number in range(size)]
    frontier, at = Frontier(), 0
    for cut in cuts:
        frontier.extend(leaves[at : at + cut])
        at += cut
    assert frontier.root() == root_of(leaves)
    if size:
        assert len(path_of(index % size, leaves)) <= size.bit_length()


@given(text=st.text())
def test_shown_text_is_harmless(text):
    """Shown text is printable, no formula, and free of markup."""
    assert clean(text).isprintable()
    assert not cell(text).lstrip().startswith(("=", "+", "-", "@"))
    assert not set("<>\"'") & set(markup(text))
