"""The verifier's parts one by one, against the words of the standards and the vectors of other hands."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from strongroom_audit.faults import BadSignature, Fault, Malformed
from strongroom_audit.verifier.bodies import Shapes, parse, read_id, same_id, show_id
from strongroom_audit.verifier.bundle import Heading, Worker
from strongroom_audit.verifier.lists import Workers, endorsement_message, list_message
from strongroom_audit.verifier.notes import read_checkpoint, read_key, read_note, read_proof, signed_by
from strongroom_audit.verifier.tree import EMPTY_ROOT, Frontier, leaf_hashes, root_by_proof
from strongroom_audit.verifier.verbs import KNOWN, own

from tests.fakes.audit_log import FakeLog, cosign, digest, note, path_of, root_of, shown, vkey
from vault.model.ask import PLANES

VECTORS = Path(__file__).parents[1] / "vectors"


def vectors(name):
    return json.loads((VECTORS / name).read_text())["cases"]


LEAVES = [digest(b"\x00", bytes([number]) * 49) for number in range(100)]
ENTRIES = b"".join(bytes([number]) * 49 for number in range(100))


def test_leaves_are_hashed_by_rfc_6962():
    """A leaf's hash is over a zero byte and its 49 bytes."""
    assert leaf_hashes(ENTRIES) == LEAVES


@pytest.mark.parametrize("size", range(101))
def test_root_of_every_size(size):
    """A tree grown in steps of any length has the root of the definition, and goes on from its edge."""
    for step in (1, 3, 8, 100):
        frontier = Frontier()
        for first in range(0, size, step):
            frontier = Frontier(frontier.size, frontier.edge)
            frontier.extend(LEAVES[first : min(first + step, size)])
        assert (frontier.size, frontier.root()) == (size, root_of(LEAVES[:size]))


def test_empty_root():
    """The empty tree's root is the hash of nothing."""
    assert Frontier().root() == EMPTY_ROOT == root_of([])


@pytest.mark.parametrize("size", range(1, 70))
def test_every_path_leads_to_the_root(size):
    """Every leaf's path in every tree up to 69 leaves leads to its root, and no other place does."""
    for index in range(size):
        path = path_of(index, LEAVES[:size])
        root = root_of(LEAVES[:size])
        assert root_by_proof(LEAVES[index], index, size, path) == root
        for other in {0, index ^ 1, size - 1, size, index + size} - {index}:
            assert root_by_proof(LEAVES[index], other, size, path) != root
        assert root_by_proof(LEAVES[index], index, size, [*path, LEAVES[0]]) != root
        assert not path or root_by_proof(LEAVES[index], index, size, path[:-1]) != root


def test_every_bit_of_a_path_counts():
    """A path with any one bit flipped leads elsewhere."""
    path, root = path_of(37, LEAVES[:61]), root_of(LEAVES[:61])
    for step, node in enumerate(path):
        for bit in range(256):
            flipped = (int.from_bytes(node) ^ 1 << bit).to_bytes(32)
            assert root_by_proof(LEAVES[37], 37, 61, [*path[:step], flipped, *path[step + 1 :]]) != root


@pytest.fixture
def log():
    log = FakeLog()
    log.write(5)
    return log


def test_every_bit_of_a_checkpoint_counts(log):
    """A checkpoint with any one bit flipped is refused, with one of our errors."""
    raw, key = log.checkpoint().encode(), read_key(log.vkey)
    for at in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[at // 8] ^= 1 << at % 8
        try:
            text = flipped.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises(Fault):
            read_checkpoint(text, [key])


def test_checkpoint_needs_one_trusted_signature(log):
    """Lines of strangers are let be and do not help; a false signature in a trusted name spoils the note."""
    key, text = read_key(log.vkey), log.checkpoint()
    stranger = Ed25519PrivateKey.generate()
    assert read_checkpoint(cosign(text, "witness.example", stranger), [key]).size == 5
    foreign = note(read_note(text).text, log.origin, stranger)
    with pytest.raises(BadSignature, match="none of the keys"):
        read_checkpoint(foreign, [key])
    witness = read_key(vkey("witness.example", stranger, kind=4))
    assert signed_by(read_note(cosign(text, "witness.example", stranger)), [witness]) == ["witness.example"]
    with pytest.raises(BadSignature):
        signed_by(read_note(cosign(text, "witness.example", stranger).replace("\n5\n", "\n6\n")), [witness])


@pytest.mark.parametrize(
    "text",
    ["", "x", "a\n\n", "a\n\n— b c\n",
     "a\nb\nc\n\n— n AAAAAA==\nx\n", "a\n\n- b AAAAAAA=\n", "a\n\n—  AAAAAAA=\n",
     "a\tb\n\n— b AAAAAAA=\n", "a\n\n— b AAAAAAA="],
)  # fmt: skip
def test_what_is_no_note(text):
    """Anything that is not a signed note is malformed."""
    with pytest.raises(Malformed):
        read_note(text)


@pytest.mark.parametrize(
    "head",
    ["a\n05\n{root}\n", "a\n-1\n{root}\n", "a\n5\nAAAA\n", "a\n5\n", "a b\n5\n{root}\n", "a\n5\n{root}\n\n"],
)
def test_what_is_no_checkpoint(log, head):
    """A checkpoint is an origin, a size in one spelling, and a root of 32 bytes; signed or not."""
    text = head.format(root="Moeh3pKeK+K+tDUfk7elnQtpfB70XeM4y1sOEtVCxUE=")
    with pytest.raises((Malformed, BadSignature)):
        read_checkpoint(note(text, "a", log.log_key), [read_key(vkey("a", log.log_key))])


@pytest.mark.parametrize("change", ["+", "++", "a+b", "{0}x", "x{0}", "{0}+"])
def test_what_is_no_key(log, change):
    """A mistyped key is malformed: its id covers its name and its bytes."""
    with pytest.raises(Malformed):
        read_key(change.format(log.vkey))


@pytest.mark.parametrize(
    "text", ["", "c2sp.org/tlog-proof@v1\n\n", "c2sp.org/tlog-proof@v1\nindex x\n\nn",
             "c2sp.org/tlog-proof@v1\nindex 1\nAA\n\nn",
             "c2sp.org/tlog-proof@v2\nindex 1\n\nn", "c2sp.org/tlog-proof@v1\nindex 01\n\nn"],
)  # fmt: skip
def test_what_is_no_proof(text):
    """A proof names its index once, in one spelling, and its hashes are 32 bytes each."""
    with pytest.raises(Malformed):
        read_proof(text)


def test_proof_with_extra_data(log):
    """Extra data, which the standard allows, is handed on."""
    text = log.proof(2).replace("index", "extra AAEC\nindex", 1)
    assert (read_proof(text).extra, read_proof(text).index) == (b"\x00\x01\x02", 2)


def test_vectors_of_lists():
    """The signed messages are byte for byte those of the published vectors."""
    for case in vectors("signed_lists.json"):
        entries = [bytes.fromhex(entry) for entry in case["entries"]]
        heading = Heading(
            *(bytes.fromhex(case[name]) for name in ("list_id", "worker_id", "chain")),
            case["seq"],
            bytes.fromhex(case["previous"]),
            len(entries),
            bytes.fromhex(case["signature"]),
        )
        message = list_message(case["tenant"], heading, len(entries), digest(*entries))
        assert message.hex() == case["message"]
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["seed"])).public_key()
        key.verify(heading.signature, message)


def test_vectors_of_endorsements():
    """So are the messages that endorse workers."""
    for case in vectors("endorsements.json"):
        worker = Worker(
            bytes.fromhex(case["worker_id"]),
            case["plane"],
            bytes.fromhex(case["public_key"]),
            case["started_at"],
            1,
            b"",
        )
        assert endorsement_message(worker).hex() == case["message"]


def test_vectors_of_events():
    """Bodies of the vectors are canonical, and their identifiers read as they are shown."""
    for case in vectors("events.json"):
        body = bytes.fromhex(case["bytes"])
        batch, event_id, tenant, verb, worker = Shapes().identity(body)
        assert (tenant.decode(), batch.decode(), verb.decode(), worker.decode()) == tuple(
            case["body"][n] for n in ("tenant", "batch", "verb", "worker")
        )
        assert same_id(event_id, bytes.fromhex(case["event_id"]))
        assert digest(bytes.fromhex(case["salt"]), body).hex() == case["commitment"]


def test_vectors_of_canonical_json():
    """Canonical JSON is read, and every other spelling of it refused."""
    for case in vectors("canonical_json.json"):
        raw = bytes.fromhex(case["bytes"]) if "bytes" in case else case["canonical"].encode()
        if raw.startswith(b"{"):
            assert parse(raw)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b'{"a":1.0}', b'{"a":1e3}', b'{"a":NaN}', b'{"a": 1}', b'{"b":1,"a":1}',
     b'{"a":1,"a":1}', b'{"a":-0}',
     b'{"a":"\\u0041"}', b'{"a":"\\/"}', b'{"a":"\x1f"}', b'{"a":9007199254740992}',
     b'{"\xc3\xa9":1}', b'{"a":"\xff"}',
     b'{"a":"\\ud800"}', b'{"a":1}\n', b'{"a":01}', b"[" * 100_000, b'{"a":' * 17 + b"1" + b"}" * 17],
)  # fmt: skip
def test_other_spellings(body):
    """Whatever is not the one canonical spelling is refused, the long way and by a learnt shape."""
    with pytest.raises(ValueError):
        parse(body)
    with pytest.raises(ValueError):
        Shapes().identity(body)


def test_learnt_shapes_accept_no_more_than_the_long_way(log):
    """A shape learnt from a body refuses what the long way refuses, whatever byte stands in any place."""
    body = log.events[0].body
    shapes = Shapes()
    shapes.identity(body)
    for at in range(len(body)):
        for byte in b'\x00\n "\\,:{}019aZ\x7f\x80\xc3\xff':
            changed = body[:at] + bytes([byte]) + body[at + 1 :]
            fast, slow = outcome(shapes, changed), outcome(Shapes(), changed)
            assert fast == slow, changed


def outcome(shapes, body):
    try:
        return shapes.identity(body)
    except ValueError:
        return None


def test_identifiers():
    """Identifiers are shown and read as 26 characters, in one spelling."""
    for raw in (bytes(16), b"\xff" * 16, bytes(range(16))):
        assert show_id("evt", raw) == shown("evt", raw)
        assert read_id("evt", shown("evt", raw)) == raw
    for text in ("evt_", "lst_" + "0" * 26, "evt_" + "8" + "0" * 25, "evt_" + "i" * 26, "EVT_" + "0" * 26):
        with pytest.raises(ValueError):
            read_id("evt", text)


def test_unknown_version_of_the_worker_key(log):
    """A worker endorsed by a key that nobody pinned is a bad signature that names the version."""
    worker = log.workers[0]
    known = Worker(worker.id, worker.plane, worker.public, worker.started_at, 2, worker.endorsement)
    with pytest.raises(BadSignature, match="version 2"):
        Workers(log.worker_public()).key(known)


@pytest.mark.parametrize(("verb", "plane"), sorted(PLANES.items()))
def test_every_verb_belongs_to_the_plane_that_serves_it(verb, plane):
    """What the service says of its verbs and what the auditor holds its workers to are the same."""
    name = b"events" if verb == "events_sealed" else verb.encode()
    assert name in KNOWN
    assert [one for one in ("ingest", "reveal", "office", "control", "audit") if name in own(one)] == [plane]
