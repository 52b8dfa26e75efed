"""The sequencer against what may happen to it: late commits, rivals, kills, failures of unknown outcome."""

import asyncio
import contextlib
import time

import pytest
from sqlalchemy import event, select, update

from keys.errors import Unreachable
from tests.fakes.log_world import LogWorld
from vault.log.lists import GENESIS
from vault.store import schema
from vault.store.sequencing import LeaseLost

HOUR = 3_600_000_000


class Killed(BaseException):
    """The process is gone: no handler runs."""


async def test_every_event_gets_one_number_in_order(logged: LogWorld):
    """Lists are numbered whole, in order, without gap, and the signed root is that of the leaves."""
    lists = [await logged.commit(size) for size in (1, 3, 300, 1, 600)]
    sequencer = logged.sequencer()
    assert await sequencer.step(sign=True) == 905
    assert [one.event_id for one in await logged.leaves()] == [e.event_id for s in lists for e in s.events]
    assert await sequencer.step(sign=True) == 0
    await logged.verify(events=905)
    assert (await logged.signed_sizes(), logged.alarms) == ([905], [])


async def test_a_late_commit_is_not_skipped(logged: LogWorld):
    """A list whose commit came after later lists were numbered gets its number, however late it is."""
    sequencer, now = logged.sequencer(), time.time_ns() // 1000
    await logged.commit()
    await sequencer.step()
    for late in (10_000_000, HOUR // 2, 3 * HOUR, 10_000 * HOUR):
        await logged.commit(2, at=now - late)
        logged.clock.ahead += 61
        await sequencer.step()
    assert await sequencer.step(sign=True) == 0
    await logged.verify(events=9)
    assert logged.alarms == []


async def test_a_worker_with_a_wrong_clock_hides_nothing(logged: LogWorld):
    """A list from the future does not push the ones of now out of sight."""
    sequencer, now = logged.sequencer(), time.time_ns() // 1000
    await logged.commit(at=now + 1000 * HOUR)
    await sequencer.step()
    await logged.commit()
    assert await sequencer.step(sign=True) == 1
    await logged.verify(events=2)


async def test_a_checkpoint_comes_after_ten_seconds_or_a_batch(logged: LogWorld):
    """Nothing new, nothing signed; something new, within ten seconds; many, at once."""
    sequencer = logged.sequencer()
    await logged.commit()
    await sequencer.step()
    assert await logged.signed_sizes() == [1]  # the first at once
    await logged.commit()
    await sequencer.step()
    assert await logged.signed_sizes() == [1]
    logged.clock.ahead += 10
    await sequencer.step()
    assert await logged.signed_sizes() == [1, 2]
    for _ in range(5):
        await logged.commit(1000)
    await sequencer.step()
    await sequencer.step()
    assert (await logged.signed_sizes())[2:] != []
    logged.clock.ahead += 100
    await sequencer.step()
    before = await logged.signed_sizes()
    logged.clock.ahead += 100
    await sequencer.step()
    assert await logged.signed_sizes() == before


async def test_of_two_sequencers_exactly_one_advances(logged: LogWorld):
    """While both run, only the leader writes; when it stops the other goes on at once."""
    one, two = logged.sequencer("one"), logged.sequencer("two")
    stops = asyncio.Event(), asyncio.Event()
    runs = [asyncio.create_task(s.run(stop)) for s, stop in zip((one, two), stops, strict=True)]
    for _ in range(20):
        await logged.commit(7)
    await until(lambda: numbered(logged, 140))
    leader, other = (0, 1) if one.lease else (1, 0)
    assert (one, two)[other].lease is None
    stops[leader].set()
    await runs[leader]
    began = time.monotonic()
    await logged.commit(7)
    await until(lambda: numbered(logged, 147))
    assert time.monotonic() - began < 3
    stops[other].set()
    await runs[other]
    await logged.verify(events=147)


async def numbered(logged: LogWorld, count: int) -> bool:
    return len(await logged.leaves()) == count


async def until(holds) -> None:
    async with asyncio.timeout(20):
        while not await holds():
            await asyncio.sleep(0.05)


async def test_a_leader_that_lost_its_lease_writes_nothing(logged: LogWorld):
    """A leader that slept through its lease is fenced by the term, even in the middle of its work."""
    old, new = logged.sequencer("old"), logged.sequencer("new")
    await logged.commit(2)
    await old.step(sign=True)
    await logged.lease_ends()
    await logged.commit(3)
    assert await new.step() == 3
    await logged.commit(4)
    assert await old.step(sign=True) == 0
    assert old.lease is None
    assert await new.step(sign=True) == 4
    with pytest.raises(LeaseLost):
        await old.store.append("acme", [], [], lease=type(new.lease)("old", 1), microseconds=1)
    await logged.verify(events=9)


async def test_a_lease_that_runs_is_not_taken(logged: LogWorld):
    """Nobody leads beside a living leader; after its lease somebody does."""
    one, two = logged.sequencer("one"), logged.sequencer("two")
    await one.step()
    assert await two.step() == 0
    assert two.lease is None
    await logged.sql(update(schema.sequencer_lease).values(until=schema.sequencer_lease.c.until - 6_000_000))
    await two.step()
    assert two.lease is not None


async def test_numbering_goes_on_while_nobody_can_sign(logged: LogWorld):
    """With the signer down events get numbers and no checkpoint; an alarm comes; later all is signed."""
    sequencer = logged.sequencer()
    await logged.commit(5)
    await sequencer.step(sign=True)
    logged.ring.down = Unreachable("down")
    await logged.commit(5)
    assert await sequencer.step(sign=True) == 5
    logged.clock.ahead += 61
    await sequencer.step()
    assert [code for code, _, _ in logged.alarms] == ["log_lagging"]
    logged.ring.down = None
    await sequencer.step(sign=True)
    assert await logged.signed_sizes() == [5, 10]
    await logged.verify(events=10)


async def test_killed_between_any_two_statements(logged: LogWorld):
    """At every statement and every commit of a round the process dies; whoever follows finishes the log."""
    total, at, died = 0, 0, True
    while died:
        total += await committed(logged)
        died = await attempt(logged, at, how="kill")
        await logged.lease_ends()
        heir = logged.sequencer("heir")
        await heir.step(sign=True)
        await heir.close()
        await logged.verify(events=total)
        at += 1
    assert at > 15
    assert logged.alarms == []


# Each on one database in every run, on the other with `make faults`.
HOW = [
    ("sqlite", "fail"),
    ("postgresql", "fail but persist"),
    pytest.param("sqlite", "fail but persist", marks=pytest.mark.campaign),
    pytest.param("postgresql", "fail", marks=pytest.mark.campaign),
]


@pytest.mark.parametrize(("logged", "how"), HOW, indirect=["logged"])
async def test_every_write_may_fail_or_fail_and_have_happened(logged: LogWorld, how: str):
    """At every statement and commit an error, having happened or not: the same sequencer recovers."""
    total, at, failed = 0, 0, True
    while failed:
        total += await committed(logged)
        failed = await attempt(logged, at, how=how)
        await logged.lease_ends()
        await logged.verify(events=total)
        at += 1
    assert at > 15
    assert logged.alarms == []


async def committed(logged: LogWorld) -> int:
    """A few lists, so that a round crosses a tile's edge now and then."""
    return sum([len((await logged.commit(size)).events) for size in (2, 60, 1)])


async def attempt(logged: LogWorld, at: int, *, how: str) -> bool:
    """One round of a fresh sequencer whose `at`-th statement or commit fails. False when there were fewer."""
    trap = Trap(at, how)
    sequencer = logged.sequencer(f"at {at}", watch=trap.watch)
    trap.armed = True
    with contextlib.suppress(Killed, Exception):
        await sequencer.step(sign=True)
    trap.armed = False
    if how != "kill":
        # It is the same process: what it believes must have survived the failure.
        for _ in range(3):
            await sequencer.step(sign=True)
    return trap.sprung


class Trap:
    """Counts what is sent to a database and strikes once."""

    def __init__(self, at: int, how: str) -> None:
        self.left, self.how, self.armed, self.sprung = at, how, False, False

    def watch(self, engine) -> None:
        event.listen(engine.sync_engine, "before_cursor_execute", self._statement)
        event.listen(engine.sync_engine, "commit", self._commit)

    def _statement(self, *_) -> None:
        self._strike()

    def _commit(self, connection) -> None:
        if self.armed and self.left == 0 and self.how != "fail":
            connection.connection.dbapi_connection.commit()
        self._strike()

    def _strike(self) -> None:
        if not self.armed:
            return
        self.left -= 1
        if self.left == -1:
            self.sprung = True
            raise Killed if self.how == "kill" else OSError


async def test_state_that_cannot_be_written_signs_nothing(logged: LogWorld):
    """A checkpoint that could not be remembered is not published; when it can be, the log goes on."""
    sequencer = logged.sequencer()
    await logged.commit(3)
    file = logged.folder / "state" / ".acme.checkpoint.new"
    file.mkdir()
    await sequencer.step(sign=True)
    assert (await logged.signed_sizes(), [code for code, *_ in logged.alarms]) == (
        [],
        ["sequencer_state_damaged"],
    )
    file.rmdir()
    logged.clock.ahead += 11
    await sequencer.step(sign=True)
    assert await logged.signed_sizes() == [3]


async def test_one_tenant_in_trouble_leaves_the_others_alone(logged: LogWorld):
    """A tenant whose log is damaged is left out; a name that is none cannot reach a file."""
    sequencer = logged.sequencer()
    await logged.commit(3)
    await sequencer.step(sign=True)
    await logged.drop_tail(1)
    await logged.commit(2, tenant="bcme")
    await logged.commit(1, tenant="../etc")
    fresh = logged.sequencer("two")
    await logged.lease_ends()
    await fresh.step(sign=True)
    await logged.verify(events=2, tenant="bcme")
    assert {(code, tenant) for code, tenant, _ in logged.alarms} == {
        ("log_rolled_back", "acme"),
        ("tenant_malformed", "../etc"),
    }


async def test_a_dropped_lane_is_no_gap(logged: LogWorld):
    """A chain that ends at an uncertain commit is ordinary; a list missing inside one is an alarm."""
    log, sequencer = await logged.worker(), logged.sequencer()
    await logged.commit(log=log)
    log.lane("acme")  # never kept
    await logged.commit(log=log)
    await sequencer.step()
    assert logged.alarms == []
    first = await logged.commit(log=log)
    await logged.sql(schema.event.delete().where(schema.event.c.list_id == first.heading.list_id))
    await logged.sql(schema.signed_list.delete().where(schema.signed_list.c.list_id == first.heading.list_id))
    await logged.commit(log=log)
    await sequencer.step(sign=True)
    assert [(code, tenant) for code, tenant, _ in logged.alarms] == [("chain_gap", "acme")]
    assert f"list 1 of chain {first.heading.chain.hex()}" in logged.alarms[0][2]
    assert first.heading.previous != GENESIS
    await logged.verify(events=3)


async def test_a_new_leader_knows_where_every_chain_was(logged: LogWorld):
    """Chains that go on across a change of leader raise no alarm."""
    for name in ("one", "two", "three"):
        for _ in range(3):
            await logged.commit(2)
        sequencer = logged.sequencer(name)
        assert await sequencer.step(sign=True) == 6
        await sequencer.close()
    assert logged.alarms == []
    rows = await logged.rows(select(schema.sequencer_lease.c.term))
    assert rows[0][0] == 3
