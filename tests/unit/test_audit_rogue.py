"""What a rogue with the database, and with the signing keys too, can do to a log, and what the auditor sees.

Each test makes an honest log, changes it as a rogue would, and mirrors it.
"""

import copy

import pytest
from strongroom_audit.check import check_mirror
from strongroom_audit.store import Store

from tests.fakes.audit_log import Event, FakeLog, canonical, digest, shown
from tests.fakes.audit_source import code, mirror, words

ALTERED, GAP, SIGNATURE, HISTORY, MALFORMED = 12, 13, 14, 11, 15


@pytest.fixture
def log():
    """Twelve lists of one to four events on three chains: 30 events."""
    log = FakeLog()
    other = log.worker("ingest")
    for number in range(12):
        chain = bytes([number % 3]) * 16
        log.write(number % 4 + 1, chain=chain, by=other if number % 3 == 2 else None)
    return log


@pytest.fixture
def honest(log):
    """The checkpoint that was signed before the rogue came."""
    return log.checkpoint()


def evt(event):
    return shown("evt", event.id)


def test_honest_log_is_verified(log, tmp_path):
    """A log that nobody touched is mirrored, proven and verified again offline."""
    assert mirror(log, tmp_path).faults == []
    verdict = check_mirror(Store(tmp_path))
    assert (verdict.faults, verdict.size, verdict.checkpoints) == ([], 30, 1)


def test_empty_log_is_verified(tmp_path):
    """A log without events has the root of the empty tree."""
    log = FakeLog()
    assert mirror(log, tmp_path).faults == []
    assert check_mirror(Store(tmp_path)).faults == []
    log.write(1)
    assert mirror(log, tmp_path).size == 1


@pytest.mark.parametrize("index", range(30))
def test_edited_body_is_named(log, honest, tmp_path, index):
    """An edited body is `event altered`, and the message names the event and its place."""
    event = log.events[index]
    event.body = event.body.replace(b"Ravi", b"Xavi")
    outcome = mirror(log, tmp_path, note=honest)
    assert code(outcome) == ALTERED
    assert f"{evt(event)} (#{index})" in words(outcome)


def test_edited_salt_is_named(log, honest, tmp_path):
    """So is an edited salt."""
    log.events[4].salt = bytes(32)
    outcome = mirror(log, tmp_path, note=honest)
    assert code(outcome) == ALTERED
    assert f"{evt(log.events[4])} (#4)" in words(outcome)


def test_body_and_entry_edited_together_break_the_signature(log, tmp_path):
    """Who edits body, entry and head together, with the log's key, still lacks the worker's signature."""
    event = log.events[6]
    event.body = event.body.replace(b"Ravi", b"Xavi")
    event.recommit()
    outcome = mirror(log, tmp_path)
    assert code(outcome) == SIGNATURE
    assert shown("lst", event.listed.id) in words(outcome)


def test_deleted_event_is_a_gap(log, tmp_path):
    """An event deleted from a list, with everything renumbered and the head signed anew, is a gap."""
    gone = log.events.pop(8)
    outcome = mirror(log, tmp_path)
    assert code(outcome) == GAP
    assert shown("lst", gone.listed.id) in words(outcome)


def test_deleted_last_event_of_a_list_is_a_gap(log, tmp_path):
    """So is one cut off a list's end."""
    last = next(at for at in range(8, 30) if log.events[at].position == log.events[at].listed.size - 1 > 0)
    gone = log.events.pop(last)
    outcome = mirror(log, tmp_path)
    assert code(outcome) == GAP
    assert f"{shown('lst', gone.listed.id)}" in words(outcome)


@pytest.mark.parametrize("number", range(9))
def test_deleted_list_is_a_gap_in_its_chain(log, tmp_path, number):
    """A whole list deleted is a gap in its worker's chain, which is named with the number that is missing."""
    gone = list({event.listed.id: event.listed for event in log.events}.values())[number]
    log.events = [event for event in log.events if event.listed is not gone]
    outcome = mirror(log, tmp_path)
    assert code(outcome) == GAP
    assert f"chain {gone.chain.hex()}" in words(outcome)
    assert f"list number {gone.seq} is missing" in words(outcome)
    assert code(check_mirror(Store(tmp_path))) == GAP, "and it stays one"


def test_event_of_an_invented_worker(log, tmp_path):
    """Events of a worker that nobody endorsed are a bad signature, which names the worker."""
    invented = copy.copy(log.worker("reveal"))
    invented.endorsement = invented.key.sign(invented.message())
    log.write(2, by=invented, chain=b"i" * 16)
    outcome = mirror(log, tmp_path)
    assert code(outcome) == SIGNATURE
    assert invented.id.hex() in words(outcome)


def test_worker_that_another_plane_endorsed(log, tmp_path):
    """Ingest's key vouches for no worker of reveal: a signature that holds, under another plane's key."""
    invented = log.worker("reveal")
    invented.endorsement = log.worker_keys["ingest"].sign(invented.message())
    log.write(2, by=invented, chain=b"i" * 16)
    outcome = mirror(log, tmp_path)
    assert code(outcome) == SIGNATURE
    assert invented.id.hex() in words(outcome)


@pytest.mark.parametrize(
    ("plane", "verb"),
    [("ingest", "detokenize"), ("ingest", "policy"), ("reveal", "tokenize"), ("office", "events"),
     ("control", "erase"), ("audit", "credentials"), ("audit", "inspect"), ("reveal", "log_retention"),
     ("office", "keys"), ("rotator", "detokenize"), ("shredder", "authenticate"),
     ("ingest", "reseal"), ("rotator", "reseal"), ("resealer", "replace")],
)  # fmt: skip
def test_event_of_another_planes_verb(log, tmp_path, plane, verb):
    """A genuine worker that tells of another plane's work is named with its event, each time."""
    writer = log.worker(plane)
    log.write(2, by=writer, chain=b"v" * 16, verb=verb)
    stray = log.events[-1]
    log.write(1)
    for _ in range(2):
        outcome = mirror(log, tmp_path)
        assert code(outcome) == SIGNATURE
        assert outcome.size == 33, "what is signed is mirrored all the same: it is evidence"
        assert f"{evt(stray)} (#31)" in words(outcome)
        assert f"a worker of {plane} wrote an event of the verb {verb}" in words(outcome)
    assert code(check_mirror(Store(tmp_path))) == SIGNATURE


def test_event_in_a_real_workers_name(log, tmp_path):
    """A list in a real worker's name that it did not sign is a bad signature."""
    listed = log.write(2, chain=b"n" * 16)
    listed.signature = bytes(64)
    outcome = mirror(log, tmp_path)
    assert code(outcome) == SIGNATURE
    assert shown("lst", listed.id) in words(outcome)


def test_event_slipped_into_a_signed_list(log, tmp_path):
    """An event slipped into a list is more than was signed."""
    listed = log.events[-1].listed
    extra = log.event(listed, listed.size)
    log.events.append(extra)
    outcome = mirror(log, tmp_path)
    assert code(outcome) == ALTERED
    assert shown("lst", listed.id) in words(outcome)


def test_list_shown_twice(log, tmp_path):
    """A list that stands in the log a second time is named."""
    listed = log.events[0].listed
    log.events += [event for event in log.events if event.listed is listed]
    outcome = mirror(log, tmp_path)
    assert code(outcome) == ALTERED
    assert "twice" in words(outcome)


def test_reordered_events(log, tmp_path):
    """Two events of a list in each other's place are named."""
    at = next(n for n in range(30) if log.events[n].position == 1)
    log.events[at - 1], log.events[at] = log.events[at], log.events[at - 1]
    outcome = mirror(log, tmp_path)
    assert code(outcome) == ALTERED
    assert evt(log.events[at - 1]) in words(outcome)


def test_reordered_lists_differ_from_the_signed_root(log, honest, tmp_path):
    """Whole lists in another order, under the old head, do not give its root."""
    log.events = log.events[1:3] + log.events[:1] + log.events[3:]
    outcome = mirror(log, tmp_path, note=honest)
    assert code(outcome) == ALTERED
    assert "events #0–#29" in words(outcome)


def test_renumbered_positions(log, tmp_path):
    """An event under another position of its list is named."""
    log.events[5].position += 1
    assert code(mirror(log, tmp_path)) in {ALTERED, GAP}


def test_event_id_exchanged(log, tmp_path):
    """An event under another identifier than its entry has is named."""
    log.events[5].id = log.new_id()
    outcome = mirror(log, tmp_path)
    assert code(outcome) == ALTERED
    assert "(#5)" in words(outcome)


@pytest.mark.parametrize(
    "member",
    [
        {"tenant": "other"},
        {"worker": "00" * 16},
        {"batch": shown("lst", bytes(16))},
        {"event_id": shown("evt", bytes(16))},
    ],
)
def test_body_that_speaks_of_something_else(tmp_path, member):
    """A body of another tenant, worker, list or event does not belong under its entry, whoever signed it."""
    log = FakeLog()
    log.write(2)
    log.write(2, **member)
    outcome = mirror(log, tmp_path)
    assert code(outcome) == ALTERED
    assert "(#2)" in words(outcome)


def test_body_in_another_spelling(tmp_path):
    """A body that is not canonical JSON is named, even when the entry commits to it."""
    log = FakeLog()
    listed = log.write(2)
    log.events[1].body = log.events[1].body.replace(b",", b", ", 1)
    log.events[1].recommit()
    log.sign(listed, log.events)
    outcome = mirror(log, tmp_path)
    assert code(outcome) == ALTERED
    assert "canonical" in words(outcome)


@pytest.mark.parametrize("part", ["worker_id", "chain", "seq", "previous", "size", "signature"])
def test_edited_list(log, tmp_path, part):
    """Any part of a list's record edited is refused."""
    listed = log.events[10].listed
    if part == "worker_id":
        listed.worker = log.workers[1] if listed.worker is log.workers[0] else log.workers[0]
    elif part in {"seq", "size"}:
        setattr(listed, part, getattr(listed, part) + 1)
    else:
        value = getattr(listed, part)
        setattr(listed, part, bytes([value[0] ^ 1]) + value[1:])
    outcome = mirror(log, tmp_path)
    assert code(outcome) in {SIGNATURE, GAP, ALTERED}
    assert shown("lst", listed.id) in words(outcome)


@pytest.mark.parametrize("part", ["plane", "public", "started_at", "version", "endorsement"])
def test_edited_worker(log, tmp_path, part):
    """Any part of a worker's record edited is a bad signature."""
    worker = log.workers[0]
    if part in {"started_at", "version"}:
        setattr(worker, part, getattr(worker, part) + 1)
    elif part == "plane":
        worker.plane = "office"
    else:
        value = getattr(worker, part)
        setattr(worker, part, bytes([value[0] ^ 1]) + value[1:])
    outcome = mirror(log, tmp_path)
    assert code(outcome) == SIGNATURE
    assert worker.id.hex() in words(outcome)


def test_worker_that_changes_its_key(log, tmp_path):
    """A worker that shows a second key under its name is refused, even when that one is endorsed."""
    second = copy.copy(log.workers[0])
    second.key = log.worker("reveal").key
    second.public = second.key.public_key().public_bytes_raw()
    second.endorsement = log.worker_keys["reveal"].sign(second.message())
    log.write(1, by=second, chain=b"s" * 16)
    outcome = mirror(log, tmp_path)
    assert code(outcome) == SIGNATURE
    assert "another key" in words(outcome)


def test_checkpoint_of_another_key(log, tmp_path):
    """A checkpoint that the log's key did not sign is refused before anything is fetched."""
    forged = FakeLog(name="forged.example").checkpoint()
    with pytest.raises(Exception, match="none of the keys you trust"):
        mirror(log, tmp_path, note=forged)


def test_checkpoint_with_a_later_size(log, honest, tmp_path):
    """A rogue who drops the newest events cannot fulfil the checkpoint that covers them."""
    log.events = log.events[:20]
    outcome = mirror(log, tmp_path, note=honest)
    assert code(outcome) in {GAP, ALTERED, MALFORMED}


@pytest.mark.parametrize("index", [0, 7, 29])
def test_changed_history_is_named(log, tmp_path, index):
    """What was mirrored cannot change any more, whoever signs it again: the first changed event is named."""
    assert mirror(log, tmp_path).faults == []
    was = log.events[index]
    forged = Event(was.id, was.listed, was.position, was.salt, was.body.replace(b"Ravi", b"Xavi"), was.entry)
    forged.recommit()
    log.events[index] = forged
    log.sign(was.listed, [event for event in log.events if event.listed is was.listed])
    log.write(2, chain=b"\x01" * 16)
    outcome = mirror(log, tmp_path)
    assert code(outcome) == HISTORY
    assert f"{evt(was)} (#{index})" in words(outcome)
    assert code(check_mirror(Store(tmp_path))) == 0, "the mirror itself still tells the old history"


def test_deleted_history(log, tmp_path):
    """An event deleted from what was mirrored is changed history."""
    assert mirror(log, tmp_path).faults == []
    log.events.pop(3)
    log.write(5)
    assert code(mirror(log, tmp_path)) == HISTORY


def test_split_view(log, tmp_path):
    """Two signed checkpoints of one size and different roots are kept as evidence, which `verify` shows."""
    assert mirror(log, tmp_path).faults == []
    log.events[2].entry = b"\x01" + log.events[2].id + digest(b"other")
    outcome = mirror(log, tmp_path)
    assert code(outcome) == HISTORY
    assert "split view" in words(outcome)
    assert code(check_mirror(Store(tmp_path))) == HISTORY


def test_restored_backup(log, tmp_path):
    """A log that is shorter than it was is changed history, even if what is left is true."""
    assert mirror(log, tmp_path).faults == []
    outcome = mirror(log, tmp_path, note=log.checkpoint(20))
    assert code(outcome) == HISTORY
    assert "an older state was put back" in words(outcome)


def test_withheld_bodies_are_counted(log, tmp_path):
    """Bodies that are withheld or were dropped leave a log verified, and are counted."""
    for event in log.events[3:9]:
        event.body = None
    outcome = mirror(log, tmp_path)
    assert (outcome.faults, outcome.withheld) == ([], 6)
    assert check_mirror(Store(tmp_path)).withheld == 6


def test_deleted_event_is_no_withheld_one(log, tmp_path):
    """An event that the vault has no more within a year is a gap, in every later run and offline too."""
    log.events[4].body, log.events[4].gone = None, True
    outcome = mirror(log, tmp_path)
    assert (code(outcome), f"{evt(log.events[4])} (#4)" in words(outcome)) == (GAP, True)
    log.write(2)
    assert code(mirror(log, tmp_path)) == GAP
    assert code(check_mirror(Store(tmp_path))) == GAP


def test_events_past_their_retention_may_be_gone(log, tmp_path):
    """Events that were dropped after a year leave a log verified, as does a run that comes after that."""
    for event in log.events[:9]:
        event.body, event.gone = None, True
    log._clock += 366 * 86_400_000_000
    log.write(2)
    assert mirror(log, tmp_path).faults == []
    assert mirror(log, tmp_path).faults == []
    assert check_mirror(Store(tmp_path)).faults == []


def test_withheld_body_cannot_hide_another_entry(log, honest, tmp_path):
    """With its body withheld, an exchanged entry still breaks list and root."""
    log.events[3].body = None
    log.events[3].entry = b"\x01" + log.events[3].id + digest(b"other")
    assert code(mirror(log, tmp_path, note=honest)) == SIGNATURE


def test_lists_of_a_chain_may_come_late(log, tmp_path):
    """A list that is sequenced before its chain's previous one is no fault once both are there."""
    log.events = [*log.events[:3], *log.events[10:], *log.events[3:10]]
    assert mirror(log, tmp_path).faults == []


def test_bodies_with_members_of_any_kind(tmp_path):
    """Nested members, escapes, other scripts and large numbers are read the long way, and hold."""
    log = FakeLog()
    log.write(
        3, person='Ravi "रवि" \\ \x00\n', grants=["a", {"b": [1, -2]}], count=2**53 - 1, ok=True, none=None
    )
    log.write(3, count=-7, zero=0)
    assert canonical({"a": "\x7f"}) == b'{"a":"\x7f"}'
    assert mirror(log, tmp_path).faults == []
