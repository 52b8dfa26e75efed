"""Bodies and salts go after their retention; what proves them stays, and nothing goes before its time."""

import calendar
import os
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from tests.fakes.inside import caller
from tests.fakes.log_world import LogWorld
from tests.plugins.service import PASSWORDS
from vault.errors import ServiceError
from vault.log.event import Draft
from vault.log.lists import SignedList, WorkerKey
from vault.log.merkle import includes, inclusion_proof, leaf_hash
from vault.log.writer import LogWriter
from vault.service.retention import expired
from vault.service.tree import Tree
from vault.store import schema
from vault.store.bodies import read_bodies
from vault.store.engine import open_database
from vault.store.log import LogStore
from vault.store.records import Store
from vault.store.retention import Months, dropped_before
from vault.store.roles import apply_roles


def month_ago(count: int) -> date:
    """The first day of the month so many months ago."""
    today = datetime.now(UTC)
    number = 12 * today.year + today.month - 1 - count
    return date(number // 12, number % 12 + 1, 1)


def micros(month: date) -> int:
    return calendar.timegm(month.timetuple()) * 1_000_000


async def writer(world: LogWorld, at: int) -> LogWriter:
    """A worker whose clock stands still at a time of long ago."""
    key = WorkerKey("reveal", os.urandom(16), at)
    version, endorsement = await world.ring.sign("worker-reveal", key.endorsement_message)
    await Store(world.owner).enrol(key, key_version=version, endorsement=endorsement)
    return LogWriter(key, now=lambda: at, random=os.urandom)


async def partition(world: LogWorld, month: date) -> None:
    """Room for a month of the past, as it was made when that month was ahead."""
    if world.databases.kind == "postgresql":
        following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
        low, high = (micros(one).to_bytes(7).hex() + "00" * 9 for one in (month, following))
        await world.sql(
            f"CREATE TABLE event_{month:%Y_%m} PARTITION OF event"
            f" FOR VALUES FROM ('\\x{low}') TO ('\\x{high}')"
        )


async def write(world: LogWorld, at: int, events: int = 3, **more: bool) -> SignedList:
    log = await writer(world, at)
    lane = log.lane("acme")
    drafts = [Draft(caller("acme", "pay"), "detokenize", "allow", "r", **more)] * events
    signed = log.write(lane, drafts, list_id=log.new_list_id())
    await world.store(signed)
    return signed


def months(world: LogWorld) -> Months:
    """As the role for retention has them."""
    url = world.databases.plane_urls.get("retention_data_url", world.databases.data_url)
    world.engines.append(open_database(url, statement_seconds=None))
    return Months(world.engines[-1])


async def sequence(world: LogWorld, name: str = "one") -> None:
    sequencer = world.sequencer(name)
    world.clock.ahead += 120  # with a sweep: these lists are late by more than a year
    while await sequencer.step(sign=True):
        pass
    await sequencer.close()


async def kept(world: LogWorld) -> int:
    return (await world.rows(select(func.count()).select_from(schema.event)))[0][0]


@pytest.mark.parametrize("room", ["a partition", "the default"])
async def test_what_was_dropped_is_proven_as_before(logged: LogWorld, room: str):
    """A month's bodies, salts and search columns go; leaves, tree, lists and a new leader do not mind."""
    month = month_ago(15)
    if room == "a partition":
        await partition(logged, month)
    old = await write(logged, micros(month) + 5)
    await logged.commit(2)
    await sequence(logged)
    before = await logged.leaves()
    found = await expired(months(logged), 13)
    assert [(one.month, one.events, one.uncovered) for one in found] == [(month, 3, 0)]
    assert await months(logged).drop(month) == 3
    assert await kept(logged) == 2
    assert await logged.leaves() == before
    assert await dropped_before(logged.owner) == micros(month_ago(14))
    assert await expired(months(logged), 13) == []

    await logged.verify(events=5)
    assert before[0].entry == old.events[0].entry
    head = await LogStore(logged.owner).checkpoint("acme")
    assert head is not None
    path = await Tree(LogStore(logged.owner)).compute("acme", 5, lambda nodes: inclusion_proof(0, 5, nodes))
    assert includes(leaf_hash(old.events[0].entry), 0, 5, proof=path, root=head.root)
    await logged.commit(1)
    await sequence(logged, "three")
    await logged.verify(events=6)
    assert logged.alarms == []
    bundle = await read_bodies(logged.owner, "acme", first=0, count=9, sealed=True)
    assert [one.body is None for one in bundle.events].count(True) == 3
    assert bundle.missing == 0


async def test_what_no_checkpoint_covers_stays(logged: LogWorld):
    """A month with an event that is not signed over cannot be dropped, by whatever way one tries."""
    month = month_ago(15)
    await partition(logged, month)
    await write(logged, micros(month))
    await sequence(logged)
    await write(logged, micros(month) + 1_000_000, 1)
    found = await expired(months(logged), 13)
    assert [(one.events, one.uncovered) for one in found] == [(4, 1)]
    with pytest.raises(ServiceError):
        await months(logged).drop(month)
    assert (await kept(logged), await dropped_before(logged.owner)) == (4, 0)


@pytest.mark.parametrize("back", [12, 1, 0, -1])
async def test_what_is_younger_than_the_law_allows_stays(logged: LogWorld, back: int):
    """The database itself keeps twelve full months, whatever a setting or a hijacked command asks for."""
    month = month_ago(back)
    await write(logged, micros(month))
    await sequence(logged)
    with pytest.raises(ServiceError):
        await months(logged).drop(month)
    assert await kept(logged) == 3
    assert await expired(months(logged), 13) == []


async def test_a_list_that_spans_two_months_still_verifies(logged: LogWorld):
    """When the first part of a list is dropped, the rest still stands in a list its worker signed."""
    month, following = month_ago(15), month_ago(14)
    signed = await write(logged, micros(following) - 2, 4)
    await sequence(logged)
    await months(logged).drop(month)
    assert await kept(logged) == 2
    sequencer = logged.sequencer("two")
    rows = await sequencer.store.lists("acme", [signed.heading.list_id])
    checked = await sequencer.verifier.check("acme", rows)
    assert [one.event_id for one in checked.good[0].entries] == [one.event_id for one in signed.events]


async def test_a_body_deleted_before_its_time_is_counted_missing(logged: LogWorld):
    """What was dropped by retention is no surprise; any other body that is gone is."""
    old = await write(logged, micros(month_ago(15)))
    fresh = await logged.commit(2)
    await sequence(logged)
    await months(logged).drop(month_ago(15))
    gone = fresh.events[0].event_id
    await logged.sql(schema.event.delete().where(schema.event.c.event_id == gone))
    bundle = await read_bodies(logged.owner, "acme", first=0, count=9, sealed=False)
    assert bundle.missing == 1
    assert {one.event_id for one in bundle.events if one.body is None} == {
        gone,
        *(one.event_id for one in old.events),
    }


async def test_months_ahead_are_made_once(logged: LogWorld):
    """There is room for a year, a second run changes nothing, and a month in the default is left alone."""
    assert await months(logged).make_ahead() == 0
    if logged.databases.kind != "postgresql":
        return
    last = month_ago(-12)
    await logged.sql(f"DROP TABLE event_{last:%Y_%m}")
    assert await months(logged).make_ahead() == 1
    await logged.sql(f"DROP TABLE event_{last:%Y_%m}")
    await write(logged, micros(last))
    assert await months(logged).make_ahead() == 0
    assert await kept(logged) == 3


_CALLS = (
    "SELECT strongroom_drop_events('2020-01-01')",
    "SELECT strongroom_make_event_months(1)",
    "SELECT * FROM strongroom_expired_events(12)",
    "DROP TABLE event_default",
)
_BY_HAND = (
    "DROP TABLE event_default",
    "ALTER TABLE event DETACH PARTITION event_default",
    "SELECT * FROM event",
    "SELECT * FROM event_default",
    "DELETE FROM event_default",
    "SELECT * FROM leaf",
    "INSERT INTO events_dropped VALUES (1)",
)


@pytest.mark.parametrize("role", sorted(set(PASSWORDS) - {"strongroom_retention"}))
async def test_only_the_role_for_retention_drops(postgres, role: str):
    """No plane, nor the sequencer, may call what drops or makes months; nor may retention drop by hand."""
    pair = await postgres.pair(f"retention_{role}")
    owner = open_database(pair.data.render_as_string(hide_password=False))
    async with owner.begin() as connection:
        await apply_roles(connection, PASSWORDS)
    for who, statements in ((role, _CALLS), ("strongroom_retention", _BY_HAND)):
        engine = open_database(
            postgres.url(str(pair.data.database), user=who, password=PASSWORDS[who]).render_as_string(
                hide_password=False
            )
        )
        for statement in statements:
            async with engine.connect() as connection:
                with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
                    await connection.execute(text(statement))
        await engine.dispose()
    await owner.dispose()
