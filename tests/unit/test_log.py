"""Events and the chains of signed lists: what a database writer or a failed commit can do to them."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import count

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from vault.log import event
from vault.log.event import Draft, Stamp, commit_to, timestamp
from vault.log.lists import GENESIS, WorkerKey, endorsement_message, list_message, signed_by
from vault.log.writer import LogWriter
from vault.model.ask import Caller
from vault.model.names import show_id

AT = 1_800_000_000_000_000
CALLER = Caller("acme", "acme.pay", "Ravi", (), "client_secret_basic", "203.0.113.7", "req_1")
DRAFT = Draft(CALLER, "detokenize", "allow", "payment: open", token="tok_x", dek_id=b"\1" * 16)


def unlike() -> Callable[[int], bytes]:
    """Randomness that never repeats and is the same in every run."""
    seeds = count()

    def random(size: int) -> bytes:
        blocks = (sha256(next(seeds).to_bytes(8)).digest() for _ in range(size // 32 + 1))
        return b"".join(blocks)[:size]

    return random


@pytest.fixture
def log() -> LogWriter:
    return LogWriter(WorkerKey("reveal", b"w" * 16, AT), now=lambda: AT, random=unlike())


def write(log, lane, *drafts):
    return log.write(lane, drafts or (DRAFT,), list_id=log.new_list_id())


def test_body_is_canonical_and_says_no_more_than_it_knows(log):
    """A body is RFC 8785, has no null, and nothing in it but strings and integers."""
    body = write(log, log.lane("acme")).events[0].body
    members = json.loads(body)
    assert rfc8785.dumps(members) == body
    assert {type(value) for value in members.values()} == {str, int}
    assert {"purpose", "reference", "subject", "field_type", "policy"} & set(members) == set()


def test_place_in_the_list_cannot_be_overwritten(log):
    """A detail named like the list or the worker does not replace them."""
    drafted = structs.replace(DRAFT, detail={"batch": "lst_mine", "worker": "me"})
    signed = write(log, log.lane("acme"), drafted)
    body = json.loads(signed.events[0].body)
    assert body["batch"] == show_id("lst", signed.heading.list_id)
    assert body["worker"] == (b"w" * 16).hex()


def test_events_of_a_list_differ_and_sort(log):
    """Equal drafts get ids in their order, own salts and own commitments."""
    events = write(log, log.lane("acme"), *[DRAFT] * 50).events
    ids = [one.event_id for one in events]
    assert ids == sorted(set(ids))
    assert len({one.salt for one in events}) == len({one.commitment for one in events}) == 50
    assert all(len(one.salt) == 32 and len(one.entry) == 49 for one in events)


@pytest.mark.parametrize("spoil", ["body", "salt"])
def test_commitment_holds_body_and_salt(log, spoil):
    """A changed body or salt no longer matches its commitment."""
    one = write(log, log.lane("acme")).events[0]
    assert commit_to(one.body, one.salt) == one.commitment
    changed = structs.replace(one, **{spoil: getattr(one, spoil)[:-1] + b"\0"})
    assert commit_to(changed.body, changed.salt) != one.commitment


def test_kept_lane_goes_on(log):
    """After `keep` the next list of the chain has the next number and names the one before."""
    lane = log.lane("acme")
    first = write(log, lane)
    log.keep(lane, first)
    again = log.lane("acme")
    second = write(log, again)
    assert (first.heading.seq, first.heading.previous) == (0, GENESIS)
    assert (second.heading.chain, second.heading.seq) == (first.heading.chain, 1)
    assert second.heading.previous == sha256(first.message).digest()


def test_lane_that_was_not_kept_is_never_used_again(log):
    """After a rollback or an uncertain commit a new chain begins: no number can stand twice."""
    lost = log.lane("acme")
    write(log, lost)
    fresh = log.lane("acme")
    assert fresh.chain != lost.chain
    assert (fresh.seq, fresh.previous) == (0, GENESIS)


def test_two_commits_at_once_have_two_chains(log):
    """Lanes taken side by side never share a chain, and both go on once kept."""
    one, two = log.lane("acme"), log.lane("acme")
    assert one.chain != two.chain
    log.keep(one, write(log, one))
    log.keep(two, write(log, two))
    chains = {log.lane("acme").chain, log.lane("acme").chain}
    assert chains == {one.chain, two.chain}


def test_lanes_of_tenants_never_mix(log):
    """A lane kept for one tenant is not handed to another."""
    lane = log.lane("acme")
    log.keep(lane, write(log, lane))
    other = log.lane("bcme")
    assert (other.tenant, other.seq) == ("bcme", 0)
    assert other.chain != lane.chain


@pytest.mark.parametrize(
    "change",
    [{"tenant": "bcme"}, {"list_id": bytes(16)}, {"worker_id": bytes(16)}, {"chain": bytes(16)}, {"seq": 7},
     {"previous": b"\1" * 32}],
    ids=str,
)  # fmt: skip
def test_signature_covers_the_heading(log, change):
    """Any change of tenant, list, worker, chain, number or predecessor breaks the signature."""
    signed = write(log, log.lane("acme"))
    entries = [one.entry for one in signed.events]
    forged = list_message(replace(signed.heading, **change), entries)
    assert signed_by(log.worker.public, message=signed.message, signature=signed.signature)
    assert not signed_by(log.worker.public, message=forged, signature=signed.signature)


def test_signature_covers_every_entry_and_their_order(log):
    """An entry left out, added, changed or moved breaks the signature."""
    signed = write(log, log.lane("acme"), DRAFT, DRAFT, DRAFT)
    entries = [one.entry for one in signed.events]
    for forged in (
        entries[:-1], [*entries, entries[0]], entries[::-1], [*entries[:2], b"\1" + bytes(48)],
        [b"".join(entries)],
    ):  # fmt: skip
        message = list_message(signed.heading, forged)
        assert not signed_by(log.worker.public, message=message, signature=signed.signature)


def test_another_workers_key_does_not_verify(log):
    """A list signed by a key nobody endorsed, or by garbage, does not verify."""
    signed = write(log, log.lane("acme"))
    stranger = WorkerKey("reveal", b"w" * 16, AT)
    for key in (stranger.public, bytes(32), b""):
        assert not signed_by(key, message=signed.message, signature=signed.signature)


def test_endorsement_ties_key_plane_and_start_together():
    """A worker's endorsement says another thing for another plane, id, key or start."""
    key = WorkerKey("ingest", bytes(16), AT)
    of = [("ingest", bytes(16), AT), ("reveal", bytes(16), AT), ("ingest", b"\1" * 16, AT)]
    of.append(("ingest", bytes(16), 0))
    messages = {endorsement_message(plane, who, key.public, start) for plane, who, start in of}
    messages.add(WorkerKey("ingest", bytes(16), AT).endorsement_message)
    assert len(messages) == 5
    assert key.endorsement_message in messages


@given(st.integers(0, 253_402_300_799_999_998))
def test_time_has_one_spelling(at):
    """Times up to the year 9999 are RFC 3339 in UTC with six decimals, and sort as text."""
    text = timestamp(at)
    assert (len(text), text[10], text[-1]) == (27, "T", "Z")
    assert timestamp(at + 1) > text


NAMES = st.text(st.characters(max_codepoint=127))
EXACT = st.integers(-(2**53) + 1, 2**53 - 1)


@given(st.dictionaries(NAMES, st.text() | EXACT))
def test_canonical_is_rfc_8785(members):
    """Whatever strings and integers a body holds, its bytes are those of an implementation of the RFC."""
    assert event.canonical(members) == rfc8785.dumps(members)


def test_stamp_changes_with_everything_it_is_given():
    """Id, time, salt and place each change the commitment."""
    given_ = {"event_id": bytes(16), "at": AT, "salt": bytes(32), "batch": "lst_0"}
    others = [{"event_id": b"\1" * 16}, {"at": AT + 1}, {"salt": b"\1" * 32}, {"batch": "lst_1"}]
    assert len({commitment(**{**given_, **other}) for other in ({}, *others)}) == 5


def commitment(*, event_id: bytes, at: int, salt: bytes, batch: str) -> bytes:
    return Stamp(at=at, place={"batch": batch}).event(DRAFT, event_id=event_id, salt=salt).commitment


def test_each_event_of_a_list_names_its_own_caller():
    """Callers alike in all but one thing, in one list, are each on record as themselves."""
    callers = [replace(DRAFT.caller, address=f"203.0.113.{n % 3}", request_id=f"req_{n}") for n in range(40)]
    stamp = Stamp(at=AT, place={"batch": "lst_0"})
    for who in callers * 2:
        body = json.loads(
            stamp.event(structs.replace(DRAFT, caller=who), event_id=bytes(16), salt=bytes(32)).body
        )
        assert (body["client_ip"], body["request_id"]) == (who.address, who.request_id)
