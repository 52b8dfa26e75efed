"""Somebody who can write the database, before events are numbered and after: refused, named, never signed."""

import os
from dataclasses import replace

import pytest
from sqlalchemy import delete, select, update

from tests.fakes.inside import caller
from tests.fakes.log_world import NAME, LogWorld, now
from vault.log.event import Draft
from vault.log.lists import GENESIS, Heading, SignedList, WorkerKey
from vault.log.writer import LogWriter
from vault.model.names import show_id
from vault.service.log_status import log_status
from vault.store import schema
from vault.store.records import Store

EVENT, LIST = schema.event, schema.signed_list


async def assert_refused(logged: LogWorld, list_id: bytes, *, reason: str, good: int) -> None:
    """A list is refused once, aloud, by its name; everything else is numbered and signed."""
    sequencer = logged.sequencer()
    await sequencer.step(sign=True)
    logged.clock.ahead += 61
    await sequencer.step(sign=True)
    assert logged.alarms == [("list_refused", "acme", f"{show_id('lst', list_id)}: {reason}")]
    await logged.verify(events=good)
    assert await logged.signed_sizes() == [good]
    status = await log_status("acme", sequencer)
    assert (status.refused, status.damage) == ([(list_id, reason)], "")
    await sequencer.close()


def forged(log: LogWriter, *, worker_id: bytes) -> SignedList:
    """A list of one event, signed by a key of the forger's own, in the name of `worker_id`."""
    forger = LogWriter(WorkerKey("reveal", worker_id, now()), now=now, random=os.urandom)
    draft = Draft(caller("acme", "pay"), "detokenize", "allow", "r")
    return forger.write(forger.lane("acme"), [draft], list_id=forger.new_list_id())


async def test_list_of_an_invented_worker(logged: LogWorld):
    """A list by a worker nobody enrolled is refused."""
    await logged.commit(2)
    bad = forged(await logged.worker(), worker_id=os.urandom(16))
    await logged.store(bad)
    await assert_refused(logged, bad.heading.list_id, reason="no endorsed worker", good=2)


async def test_list_of_a_worker_enrolled_by_hand(logged: LogWorld):
    """A worker's row without the key server's endorsement makes nobody a worker."""
    await logged.commit(2)
    key = WorkerKey("reveal", os.urandom(16), now())
    await Store(logged.owner).enrol(key, key_version=1, endorsement=os.urandom(64))
    log = LogWriter(key, now=now, random=os.urandom)
    bad = await logged.commit(log=log)
    await assert_refused(logged, bad.heading.list_id, reason="no endorsed worker", good=2)


async def test_worker_of_another_plane_than_was_endorsed(logged: LogWorld):
    """An endorsement covers plane and start: changed in the row, it does not hold."""
    log = await logged.worker()
    await logged.sql(update(schema.worker).values(plane="ingest"))
    bad = await logged.commit(log=log)
    await logged.commit(2)
    await assert_refused(logged, bad.heading.list_id, reason="no endorsed worker", good=2)


async def test_list_of_a_worker_that_another_plane_endorsed(logged: LogWorld):
    """Who holds ingest's identity vouches for no worker of reveal's: only reveal's key does."""
    await logged.commit(2)
    key = WorkerKey("reveal", os.urandom(16), now())
    version, endorsement = await logged.ring.sign("worker-ingest", key.endorsement_message)
    await Store(logged.owner).enrol(key, key_version=version, endorsement=endorsement)
    bad = await logged.commit(log=LogWriter(key, now=now, random=os.urandom))
    await assert_refused(logged, bad.heading.list_id, reason="no endorsed worker", good=2)


async def test_list_in_a_real_workers_name(logged: LogWorld):
    """A list that names a real worker but was signed by somebody else is refused."""
    log = await logged.worker()
    await logged.commit(2, log=log)
    bad = forged(log, worker_id=log.worker.worker_id)
    await logged.store(bad)
    await assert_refused(logged, bad.heading.list_id, reason="signature does not hold", good=2)


async def test_event_added_to_a_real_list(logged: LogWorld):
    """An invented event in a true list costs that list its number."""
    await logged.commit(2)
    bad = await logged.commit(3)
    extra = forged(await logged.worker(), worker_id=os.urandom(16))
    row = {"list_id": bad.heading.list_id, "position": 3}
    await logged.store(extra)
    await logged.sql(update(EVENT).where(EVENT.c.list_id == extra.heading.list_id).values(**row))
    await logged.sql(delete(LIST).where(LIST.c.list_id == extra.heading.list_id))
    await assert_refused(logged, bad.heading.list_id, reason="events missing or added", good=2)


async def test_event_edited(logged: LogWorld):
    """A changed commitment is not what the worker signed."""
    await logged.commit(2)
    bad = await logged.commit(3)
    await logged.sql(
        update(EVENT).where(EVENT.c.event_id == bad.events[1].event_id).values(commitment=bytes(32))
    )
    await assert_refused(logged, bad.heading.list_id, reason="signature does not hold", good=2)


async def test_event_dropped(logged: LogWorld):
    """A list without one of its events is not numbered as if it were whole."""
    await logged.commit(2)
    bad = await logged.commit(3)
    await logged.sql(delete(EVENT).where(EVENT.c.event_id == bad.events[2].event_id))
    await assert_refused(logged, bad.heading.list_id, reason="events missing or added", good=2)


async def test_last_event_dropped_and_size_changed(logged: LogWorld):
    """The size is under the signature too."""
    await logged.commit(2)
    bad = await logged.commit(3)
    await logged.sql(delete(EVENT).where(EVENT.c.event_id == bad.events[2].event_id))
    await logged.sql(update(LIST).where(LIST.c.list_id == bad.heading.list_id).values(size=2))
    await assert_refused(logged, bad.heading.list_id, reason="signature does not hold", good=2)


async def test_events_reordered(logged: LogWorld):
    """Positions are under the signature."""
    await logged.commit(2)
    bad = await logged.commit(2)
    for event, position in zip(bad.events, (1, 0), strict=True):
        await logged.sql(update(EVENT).where(EVENT.c.event_id == event.event_id).values(position=position))
    await assert_refused(logged, bad.heading.list_id, reason="signature does not hold", good=2)


async def test_bytes_moved_between_columns(logged: LogWorld):
    """A byte moved from commitment to event id leaves the signed bytes as they were, and is refused."""
    await logged.commit(2)
    bad = await logged.commit(1)
    one = bad.events[0]
    moved = {"event_id": one.event_id + one.commitment[:1], "commitment": one.commitment[1:]}
    await logged.sql(update(EVENT).where(EVENT.c.event_id == one.event_id).values(**moved))
    await assert_refused(logged, bad.heading.list_id, reason="malformed", good=2)


@pytest.mark.parametrize(
    "changed",
    [{"seq": -1}, {"seq": 7}, {"previous": bytes(32)}, {"chain": bytes(16)}, {"size": 0}, {"size": 2**31 - 1},
     {"signature": b""}, {"worker_id": b""}, {"chain": b""}],
    ids=str,
)  # fmt: skip
async def test_row_of_a_list_changed(logged: LogWorld, changed: dict):
    """Every column of a list is covered, and none of them can stop the sequencer."""
    log = await logged.worker()
    await logged.commit(1, log=log)
    bad = await logged.commit(1, log=log)
    await logged.sql(update(LIST).where(LIST.c.list_id == bad.heading.list_id).values(**changed))
    sequencer = logged.sequencer()
    await sequencer.step(sign=True)
    assert [code for code, _, _ in logged.alarms] == ["list_refused"]
    await logged.verify(events=1)


async def test_list_put_right_again_is_numbered(logged: LogWorld):
    """A refusal is no grave: a list that verifies again gets its number."""
    bad = await logged.commit(2)
    await logged.sql(update(EVENT).values(list_id=bytes(16)))
    await assert_refused_only(logged)
    await logged.sql(update(EVENT).values(list_id=bad.heading.list_id))
    sequencer = logged.sequencer()
    await sequencer.step(sign=True)
    await logged.verify(events=2)


async def assert_refused_only(logged: LogWorld) -> None:
    sequencer = logged.sequencer()
    assert await sequencer.step(sign=True) == 0
    await sequencer.close()
    assert await logged.signed_sizes() == []


async def test_predecessor_changed_in_a_chain(logged: LogWorld):
    """A list whose predecessor is not what it was when it followed it raises the alarm."""
    log = await logged.worker()
    first = await logged.commit(1, log=log)
    await logged.commit(1, log=log)
    await logged.sql(
        update(EVENT).where(EVENT.c.list_id == first.heading.list_id).values(commitment=bytes(32))
    )
    await logged.sequencer().step(sign=True)
    assert [code for code, _, _ in logged.alarms] == ["list_refused", "chain_gap"]
    assert "was changed" in logged.alarms[1][2]


async def test_leaf_of_his_own_at_the_end_of_the_tree(logged: LogWorld):
    """A leaf that no list stands behind is found by the next leader, and never signed."""
    await logged.commit(2)
    sequencer = logged.sequencer()
    await sequencer.step(sign=True)
    row = {"event_id": os.urandom(16), "commitment": os.urandom(32), "list_id": os.urandom(16), "position": 0}
    await logged.sql(schema.leaf.insert().values(tenant="acme", idx=2, **row))
    await logged.commit(1)
    assert await sequencer.step(sign=True) == 0  # the index is taken: it forgets, and reads again
    assert await sequencer.step(sign=True) == 0
    assert logged.alarms[0][:2] == ("log_damaged", "acme")
    assert f"leaf 2 ({show_id('evt', row['event_id'])})" in logged.alarms[0][2]
    assert await logged.signed_sizes() == [2]


async def test_unsigned_leaf_renumbered(logged: LogWorld):
    """Two leaves that changed places before they were signed stop the next leader."""
    await logged.commit(2)
    first = logged.sequencer()
    await first.step()
    await logged.commit(2)
    await first.step()
    await first.close()
    c = schema.leaf.c
    for old, new in ((2, 99), (3, 2), (99, 3)):
        await logged.sql(update(schema.leaf).where(c.idx == old).values(idx=new))
    assert await logged.sequencer("two").step(sign=True) == 0
    assert [code for code, *_ in logged.alarms] == ["log_damaged"]
    assert await logged.signed_sizes() == [2]


@pytest.mark.parametrize("index", [0, 255, 256, 299])
async def test_signed_leaf_changed(logged: LogWorld, index: int):
    """A tree that is no longer what was signed is not signed again: sooner or later, and never wrongly."""
    await logged.commit(300)
    first = logged.sequencer()
    await first.step(sign=True)
    await first.close()
    c = schema.leaf.c
    await logged.sql(update(schema.leaf).where(c.idx == index).values(commitment=bytes(32)))
    await logged.sql(update(schema.node).values(hash=os.urandom(32)))
    await logged.commit(300)
    assert await logged.sequencer("two").step(sign=True) == 0
    assert [code for code, *_ in logged.alarms] == ["log_inconsistent"]
    assert await logged.signed_sizes() == [300]


async def test_older_database_is_not_signed_over(logged: LogWorld):
    """After a restore of an earlier day the sequencer signs nothing: what it signed last is kept outside."""
    sequencer = logged.sequencer()
    for _ in range(3):
        await logged.commit(100)
        await sequencer.step(sign=True)
    await sequencer.close()
    await logged.drop_tail(200)
    await logged.commit(50)
    later = logged.sequencer("two")
    assert await later.step(sign=True) == 0
    assert logged.alarms[0] == ("log_rolled_back", "acme", "300 leaves were signed, 200 are there")
    assert await logged.signed_sizes() == [100, 200]


async def test_same_size_but_another_tree(logged: LogWorld):
    """A restored database that grew to the old size again is another history."""
    sequencer = logged.sequencer()
    await logged.commit(10)
    await sequencer.step(sign=True)
    await logged.commit(10)
    await sequencer.step(sign=True)
    await sequencer.close()
    await logged.drop_tail(10)
    stranger = logged.sequencer("elsewhere", state="another machine")
    await logged.sql(delete(LIST).where(LIST.c.list_id.in_(await unnumbered(logged))))
    await logged.commit(10)
    await stranger.step(sign=True)
    await stranger.close()
    assert await logged.signed_sizes() == [10, 20]
    await logged.sequencer("two").step(sign=True)
    assert [code for code, *_ in logged.alarms] == ["chain_gap", "log_inconsistent"]


async def unnumbered(logged: LogWorld) -> list[bytes]:
    there = {one.list_id for one in await logged.leaves()}
    return [row[0] for row in await logged.rows(select(LIST.c.list_id)) if row[0] not in there]


@pytest.mark.parametrize("spoil", ["root", "size", "note", "forge"])
async def test_checkpoint_of_his_own(logged: LogWorld, spoil: str):
    """A checkpoint's row that is not what the log key signed stops the next leader."""
    sequencer = logged.sequencer()
    await logged.commit(3)
    await sequencer.step(sign=True)
    await sequencer.close()
    note = (await logged.rows(select(schema.checkpoint.c.note)))[0][0]
    forge = note.replace(f"{NAME}/acme\n3\n", f"{NAME}/acme\n4\n")
    changed = {"root": {"root": bytes(32)}, "size": {"size": 4}, "note": {"note": "nothing"}}
    changed["forge"] = {"size": 4, "note": forge}
    await logged.sql(update(schema.checkpoint).values(**changed[spoil]))
    await logged.sequencer("two").step(sign=True)
    assert [code for code, *_ in logged.alarms] == ["checkpoint_tampered"]


async def test_checkpoint_deleted_is_published_again(logged: LogWorld):
    """A deleted checkpoint comes back from outside the database, the same note."""
    sequencer = logged.sequencer()
    await logged.commit(3)
    await sequencer.step(sign=True)
    await sequencer.close()
    before = await logged.rows(select(schema.checkpoint.c.note))
    await logged.sql(delete(schema.checkpoint))
    await logged.sequencer("two").step()
    assert await logged.rows(select(schema.checkpoint.c.note)) == before
    assert logged.alarms == []


@pytest.mark.parametrize("content", [b"", b"\xff", b"nothing"])
async def test_state_that_cannot_be_read_signs_nothing(logged: LogWorld, content: bytes):
    """A damaged state file is not taken for a first start."""
    await logged.commit(3)
    sequencer = logged.sequencer()
    (logged.folder / "state" / "acme.checkpoint").write_bytes(content)
    await sequencer.step(sign=True)
    assert [code for code, *_ in logged.alarms] == ["sequencer_state_damaged"]
    assert await logged.signed_sizes() == []


async def test_event_numbered_already_costs_one_list_its_number(logged: LogWorld):
    """A list that repeats a numbered event is refused by itself; the others of its batch are numbered."""
    log = await logged.worker()
    first = await logged.commit(1, log=log)
    sequencer = logged.sequencer()
    await sequencer.step(sign=True)
    await logged.sql(delete(EVENT).where(EVENT.c.list_id == first.heading.list_id))
    heading = Heading("acme", log.new_list_id(), log.worker.worker_id, os.urandom(16), 0, GENESIS)
    again = log.worker.sign(heading, first.events)
    assert replace(again, events=()) != replace(first, events=())
    await logged.store(again)
    await logged.commit(5)
    await logged.commit(5)
    for _ in range(4):
        await sequencer.step(sign=True)
    assert [(code, says.partition(": ")[2]) for code, _, says in logged.alarms] == [
        ("list_refused", "an event is numbered already")
    ]
    await logged.verify(events=11)
