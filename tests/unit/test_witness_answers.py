"""What a witness answers to add-checkpoint, and what it must never sign."""

import base64
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from cryptography.exceptions import InvalidSignature
from strongroom_audit.verifier.notes import read_key, read_note, signed_by
from strongroom_witness.consistency import roots_by_proof
from strongroom_witness.folder import Folder
from strongroom_witness.submission import LARGEST

from tests.fakes.witnessed_log import WitnessedLog, cosigned_at, encode, hash_of

NOW = 1_800_000_000


class Desk:
    """A witness in a folder, and what it said."""

    def __init__(self, path, *logs):
        self.path, self.said = path, []
        Folder(path).create("witness.example/w1")
        for log in logs:
            Folder(path).state.trust(read_key(log.vkey))
        self.witness = Folder(path).witness(lambda: NOW, self.said.append)

    @property
    def vkey(self):
        return self.witness.cosigner.vkey

    def ask(self, body):
        return self.witness.add_checkpoint(body)

    def last(self, log):
        return self.witness.state.logs()[log.origin]

    def evidence(self, name):
        path = self.path / name
        return path.read_bytes() if path.exists() else b""


@pytest.fixture
def log():
    return WitnessedLog(size=40)


@pytest.fixture
def desk(tmp_path, log):
    return Desk(tmp_path / "w", log)


def test_cosignature_verifies_by_the_page(desk, log):
    """The cosignature covers the checkpoint's text and the time, and verifies from the page alone."""
    answer = desk.ask(log.submission(0, 12))
    assert answer.status == 200
    assert answer.body.endswith("\n")
    assert cosigned_at(desk.vkey, log.text(12), answer.body) == NOW
    with pytest.raises(InvalidSignature):
        cosigned_at(desk.vkey, log.text(13), answer.body)


def test_auditors_verify_it_with_the_checkpoint(desk, log):
    """The line put under the checkpoint makes a note that the auditor's verifier takes for signed by both."""
    whole = log.note(12) + desk.ask(log.submission(0, 12)).body
    keys = [read_key(log.vkey), read_key(desk.vkey)]
    assert signed_by(read_note(whole), keys) == [log.origin, "witness.example/w1"]


def test_growth_is_followed(desk, log):
    """Each larger checkpoint with its proof is cosigned, by powers of two, their neighbours and jumps."""
    sizes = [0, 1, 2, 3, 4, 7, 8, 9, 16, 31, 32, 33, 40]
    for old, new in pairwise(sizes):
        assert desk.ask(log.submission(old, new)).status == 200
    assert desk.last(log).root == hash_of(log.leaves)


def test_every_proof_up_to_40_leaves():
    """For all sizes a true proof leads to both roots, and from a wrong old root never to a right answer."""
    log = WitnessedLog(size=40)
    for new in range(2, 41):
        for old in range(1, new):
            roots = hash_of(log.leaves[:old]), hash_of(log.leaves[:new])
            path = log.path(old, new)
            assert roots_by_proof(old, new, old_root=roots[0], path=path) == roots
            assert roots_by_proof(old, new, old_root=bytes(32), path=path) != (bytes(32), roots[1])
            assert roots_by_proof(old, new, old_root=roots[0], path=[*path, bytes(32)]) is None


def test_replay_is_answered_again(desk, log):
    """The same checkpoint twice is cosigned twice, from its own size, and nothing moves."""
    desk.ask(log.submission(0, 12))
    assert desk.ask(log.submission(12, 12)).status == 200
    assert desk.last(log).size == 12


def test_other_size_is_told(desk, log):
    """Who continues from another size than the last one is told the last one, as C2SP says it."""
    desk.ask(log.submission(0, 12))
    for body in (log.submission(0, 20), log.submission(7, 20), log.submission(13, 20)):
        answer = desk.ask(body)
        assert (answer.status, answer.body, answer.kind) == (409, "12\n", "text/x.tlog.size")


def test_rollback_is_refused(desk, log):
    """A smaller checkpoint is never cosigned after a larger one, whatever old size is claimed."""
    desk.ask(log.submission(0, 20))
    for old in range(13):
        assert desk.ask(log.submission(old, 12)).status == 409
    assert desk.ask(log.submission(20, 20)).status == 200
    larger = log.submission(0, 12).replace(b"old 0", b"old 20")
    assert desk.ask(larger).status == 400
    assert desk.last(log).size == 20


def test_unknown_log(desk):
    """A log that nobody told the witness to watch gets 404, and no row."""
    stranger = WitnessedLog("other.example/x", 3)
    assert desk.ask(stranger.submission(0, 3)).status == 404
    assert stranger.origin not in desk.witness.state.logs()


def test_stranger_in_a_known_name(desk, log):
    """Who signs in a known log's name with another key gets 403."""
    assert desk.ask(WitnessedLog(log.origin, 3).submission(0, 3)).status == 403


def test_distrusted_key(desk, log):
    """A key that is no longer trusted is an unknown log's; its history stays remembered."""
    desk.ask(log.submission(0, 12))
    desk.witness.state.distrust(read_key(log.vkey))
    assert desk.ask(log.submission(12, 20)).status == 404
    assert desk.last(log).size == 12


def test_new_key_of_a_log(desk, log):
    """A log that changed its key goes on where it was, once the new key is trusted too."""
    desk.ask(log.submission(0, 12))
    renewed = WitnessedLog(log.origin, 40)
    assert desk.ask(renewed.submission(12, 20)).status == 403
    desk.witness.state.trust(read_key(renewed.vkey))
    assert desk.ask(renewed.submission(12, 20)).status == 200


def test_every_bit_of_a_checkpoint_counts(desk, log):
    """No checkpoint with one bit changed, anywhere, is cosigned."""
    body = log.submission(0, 3)
    start = body.index(b"\n\n") + 2
    for bit in range(start * 8, len(body) * 8):
        changed = bytearray(body)
        changed[bit // 8] ^= 1 << bit % 8
        assert desk.ask(bytes(changed)).status in {400, 403, 404}
    assert desk.last(log).size == 0


def test_every_bit_of_a_proof_counts(desk, log):
    """No proof with one bit changed is believed."""
    desk.ask(log.submission(0, 11))
    path = log.path(11, 20)
    for bit in range(len(path) * 256):
        changed = bytearray(b"".join(path))
        changed[bit // 8] ^= 1 << bit % 8
        hashes = "".join(encode(changed[at : at + 32]) + "\n" for at in range(0, len(changed), 32))
        assert desk.ask(f"old 11\n{hashes}\n{log.note(20)}".encode()).status == 422
    assert desk.last(log).size == 11


def test_proof_where_none_belongs(desk, log):
    """From nothing, and to the same size, a proof has no lines."""
    line = encode(bytes(32)).encode() + b"\n"
    assert desk.ask(log.submission(0, 3).replace(b"old 0\n", b"old 0\n" + line)).status == 422
    desk.ask(log.submission(0, 3))
    assert desk.ask(log.submission(3, 3).replace(b"old 3\n", b"old 3\n" + line)).status == 422


def test_cut_or_stretched_proof(desk, log):
    """A proof with a hash missing or one too many is refused."""
    desk.ask(log.submission(0, 11))
    head, _, rest = log.submission(11, 20).partition(b"\n\n")
    lines = head.split(b"\n")
    for other in (lines[:-1], [*lines, lines[-1]], lines[:1]):
        assert desk.ask(b"\n".join(other) + b"\n\n" + rest).status == 422


@pytest.mark.parametrize(
    "body",
    [
        b"", b"old 0\n", b"\n\n", b"old 0\n\n", b"old 0\n\n\n\n", b"old 00\n\nx", b"old -1\n\nx",
        b"old 1e3\n\nx", b"old 0\r\n\r\n",
        b"Old 0\n\nx", b"old 0 \n\nx", b"old \xd9\xa1\n\nx", b"old 9223372036854775808\n\nx", b"\xff",
        b"old 0\nAAAA\n\nx", b"old 0\n" + b"A" * 43 + b"\n\nx", b"old 0\n!\n\nx",
    ],
)  # fmt: skip
def test_what_is_no_submission(desk, body):
    """Whatever is not written as the format says gets 400."""
    assert desk.ask(body).status == 400


def test_too_many_hashes(desk, log):
    """63 hashes are a proof that does not hold; 64 are no proof."""
    desk.ask(log.submission(0, 2))
    for count, status in ((63, 422), (64, 400)):
        hashes = encode(bytes(32)).encode() + b"\n"
        assert desk.ask(b"old 2\n" + hashes * count + b"\n" + log.note(3).encode()).status == status


def test_too_long(desk, log):
    """A body above the bound is refused before it is read."""
    assert desk.ask(log.submission(0, 3) + b"x" * LARGEST).status == 400


def test_size_beyond_every_tree(desk, log):
    """A signed size that no database holds is refused, not an accident."""
    for size in (2**63, 9_999_999_999_999_999_999):
        note = log.sign(f"{log.origin}\n{size}\n{encode(bytes(32))}\n")
        assert desk.ask(f"old 0\n\n{note}".encode()).status == 400


def test_extension_lines_are_cosigned(desk, log):
    """Lines a log adds to its checkpoint are part of what is cosigned."""
    text = log.text(3) + "an extension\n"
    answer = desk.ask(f"old 0\n\n{log.sign(text)}".encode())
    assert answer.status == 200
    assert cosigned_at(desk.vkey, text, answer.body) == NOW


def test_empty_tree(desk, log):
    """The empty tree is cosigned under its one root, and another root is a lie that rings."""
    assert desk.ask(log.submission(0, 0)).status == 200
    note = log.sign(f"{log.origin}\n0\n{encode(bytes(32))}\n")
    assert desk.ask(f"old 0\n\n{note}".encode()).status == 409
    assert b"two roots at size 0" in desk.evidence("ALARM")


@pytest.mark.parametrize("old", [0, 7, 12])
def test_two_roots_at_one_size(desk, log, old):
    """Another root at the size cosigned last is refused loudly, and both checkpoints are kept."""
    desk.ask(log.submission(0, 12))
    answer = desk.ask(log.forked(5).submission(old, 12))
    assert (answer.status, answer.body) == (409, "12\n")
    kept = desk.evidence("ALARM")
    assert log.note(12).encode() in kept
    assert log.forked(5).note(12).encode() in kept
    assert desk.said[-1].startswith("ALARM: HISTORY CHANGED: log.example/acme: two roots at size 12")
    assert desk.last(log).root == hash_of(log.leaves[:12])


def test_fork_that_grew(desk, log):
    """A log that rewrote what was cosigned convicts itself by the proof it computes."""
    desk.ask(log.submission(0, 12))
    fork = log.forked(5)
    assert desk.ask(fork.submission(12, 20)).status == 422
    kept = desk.evidence("ALARM")
    assert log.note(12).encode() in kept
    assert fork.submission(12, 20) in kept
    assert desk.last(log).size == 12


def test_fork_at_a_power_of_two(desk, log):
    """Where the proof cannot convict, the checkpoint is refused all the same and kept as a doubt."""
    desk.ask(log.submission(0, 16))
    assert desk.ask(log.forked(5).submission(16, 20)).status == 422
    assert desk.evidence("ALARM") == b""
    assert log.forked(5).note(20).encode() in desk.evidence("REFUSED")
    assert desk.said[-1].startswith("refused: log.example/acme: nothing shows that 20 continues 16")


def test_stranger_cannot_ring(desk, log):
    """A true checkpoint sent with a false proof, which anybody can do, rings no alarm."""
    desk.ask(log.submission(0, 11))
    for path in ([bytes(32)] * 3, [bytes(32)] * 5, log.path(11, 21), log.path(10, 20)):
        hashes = "".join(encode(one) + "\n" for one in path)
        assert desk.ask(f"old 11\n{hashes}\n{log.note(20)}".encode()).status == 422
    assert desk.evidence("ALARM") == b""


def test_evidence_is_bounded(desk, log):
    """A log that forks without end does not fill the disk."""
    desk.ask(log.submission(0, 12))
    fork = log.forked(5)
    extensions = "".join(f"{'x' * 1000}\n" for _ in range(50))
    body = f"old 12\n\n{fork.sign(fork.text(12) + extensions)}".encode()
    for _ in range(30):
        assert desk.ask(body).status == 409
    assert len(desk.evidence("ALARM")) < 1_200_000


def test_honest_history_goes_on_after_an_alarm(desk, log):
    """A fork does not stop the witness from cosigning the history it knows."""
    desk.ask(log.submission(0, 12))
    desk.ask(log.forked(5).submission(12, 20))
    assert desk.ask(log.submission(12, 20)).status == 200


def test_logs_do_not_meet(tmp_path):
    """Two logs under one witness have histories of their own."""
    first, second = WitnessedLog("a.example/x", 9), WitnessedLog("a.example/y", 5)
    desk = Desk(tmp_path / "w", first, second)
    assert desk.ask(first.submission(0, 9)).status == 200
    assert desk.ask(second.submission(0, 5)).status == 200
    assert (desk.last(first).size, desk.last(second).size) == (9, 5)


def test_concurrent_submissions_make_one_history(desk, log):
    """Of many checkpoints and forks sent at once, those that were cosigned lie on one history."""
    bodies = [
        one.submission(old, new) for old, new in ((0, 9), (9, 17), (0, 17)) for one in (log, log.forked(3))
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(desk.ask, bodies * 8))
    cosigned = {body for body, answer in zip(bodies * 8, answers, strict=True) if answer.status == 200}
    notes = {body.partition(b"\n\n")[2] for body in cosigned}
    histories = [one for one in (log, log.forked(3)) if notes & {one.note(n).encode() for n in (9, 17)}]
    assert len(histories) == 1
    assert {answer.status for answer in answers} <= {200, 409, 422}
    assert desk.last(log).root in {hash_of(histories[0].leaves[:n]) for n in (9, 17)}


def test_signature_line_has_one_spelling(desk, log):
    """The payload is key id, time and signature: 76 bytes after the name, in padded base64."""
    body = desk.ask(log.submission(0, 1)).body
    dash, name, encoded = body.removesuffix("\n").split(" ")
    assert (dash, name) == ("\u2014", "witness.example/w1")
    assert len(base64.b64decode(encoded, validate=True)) == 76
