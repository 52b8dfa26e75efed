"""The bound on what is not proved yet: payments stop when the log has stood still."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from keys.errors import Unreachable
from tests.fakes.log_world import LogWorld
from tests.plugins.world import BANK
from tests.story.test_log import sequencer
from vault.log_bound import bound_of
from vault.service.backlog import Bound, LogBacklog
from vault.store import schema
from vault.store.backlog import FLOOD, STANDING, Backlog
from vault.store.engine import open_database
from vault.store.log import LogStore

LIMIT = Backlog(10, 600_000_000)


def bound(logged: LogWorld) -> Bound:
    """As the reveal plane has it, under its own role."""
    engine = open_database(logged.databases.plane_urls.get("reveal_data_url", logged.databases.data_url))
    logged.engines.append(engine)
    made = bound_of(LogStore(engine), LIMIT)
    made.clock = logged.clock
    made.alarm = lambda *told: logged.alarms.append(told)
    return made


async def later(logged: LogWorld, reveal: Bound) -> Backlog:
    """How it is once the last look has ceased to count."""
    logged.clock.ahead += 2
    return await reveal.look("acme")


async def stood(logged: LogWorld) -> None:
    """As if every event had come so much earlier that a sequencer at work would have numbered it."""
    age = schema.event.c.recorded_at
    await logged.sql(update(schema.event).values(recorded_at=age - STANDING))
    logged.clock.ahead += 2


async def test_no_events_no_backlog(logged: LogWorld):
    """A tenant without events is not behind."""
    assert await bound(logged).look("acme") == Backlog(0, 0)


async def test_events_no_sequencer_ever_saw_count(logged: LogWorld):
    """The bound holds where no sequencer ever ran."""
    reveal = bound(logged)
    await logged.commit(9)
    await reveal.assert_near("acme")
    await logged.commit(1)
    await stood(logged)
    with pytest.raises(LogBacklog, match="log_backlog"):
        await reveal.assert_near("acme")
    await logged.sequencer().step(sign=True)
    assert await later(logged, reveal) == Backlog(0, 0)
    await reveal.assert_near("acme")


async def test_a_burst_stops_nothing(logged: LogWorld):
    """More events than the bound are no backlog while the oldest is young; of the future, it is not young."""
    reveal = bound(logged)
    await logged.commit(50)
    await reveal.assert_near("acme")
    age = schema.event.c.recorded_at
    await logged.sql(update(schema.event).values(recorded_at=age + 60_000_000))
    logged.clock.ahead += 2
    with pytest.raises(LogBacklog):
        await reveal.assert_near("acme")


async def test_no_age_excuses_a_flood(logged: LogWorld):
    """Ten times the bound is too much, whatever the time at which the oldest is said to have come."""
    reveal = bound(logged)
    await logged.commit(FLOOD * LIMIT.events)
    with pytest.raises(LogBacklog):
        await reveal.assert_near("acme")


async def test_a_list_without_events_hides_no_age(logged: LogWorld):
    """Whoever puts an empty list before all others makes nothing younger, and a burst no older."""
    reveal = bound(logged)
    await logged.commit(50)
    c = schema.signed_list.c
    [real] = await logged.rows(select(schema.signed_list).order_by(c.list_id).limit(1))
    before = (int.from_bytes(real.list_id) - 1).to_bytes(16)
    await logged.sql(insert(schema.signed_list).values({**real._mapping, "list_id": before, "seq": 10**6}))
    await reveal.assert_near("acme")
    await stood(logged)
    with pytest.raises(LogBacklog):
        await reveal.assert_near("acme")


async def test_one_old_event_is_enough(logged: LogWorld):
    """One event without a checkpoint for ten minutes stops everything, and wakes someone at one minute."""
    reveal = bound(logged)
    await logged.commit(1)
    age = schema.event.c.recorded_at
    await logged.sql(update(schema.event).values(recorded_at=age - 61_000_000))
    await reveal.assert_near("acme")
    await later(logged, reveal)
    assert [(code, tenant) for code, tenant, _ in logged.alarms] == [("log_lagging", "acme")]
    await logged.sql(update(schema.event).values(recorded_at=age - 540_000_000))
    logged.clock.ahead += 2
    with pytest.raises(LogBacklog):
        await reveal.assert_near("acme")


async def test_numbered_but_unsigned_events_count(logged: LogWorld):
    """While nobody can sign, what is numbered is not proved."""
    reveal, numbering = bound(logged), logged.sequencer()
    await logged.commit(1)
    await numbering.step(sign=True)
    logged.ring.down = Unreachable("down")
    await logged.commit(12)
    assert await numbering.step() == 12
    await stood(logged)
    assert (await reveal.look("acme")).events == 12
    with pytest.raises(LogBacklog):
        await reveal.assert_near("acme")


async def test_failed_logins_never_count(logged: LogWorld):
    """However many strangers knock, waiting or numbered, payments go on."""
    reveal = bound(logged)
    await logged.commit(9)
    for _ in range(3):
        await logged.commit(20, verb="authenticate")
    await logged.sql(
        update(schema.event)
        .where(schema.event.c.verb == "authenticate")
        .values(recorded_at=schema.event.c.recorded_at - 900_000_000)
    )
    await stood(logged)
    assert (await reveal.look("acme")).events == 9
    numbering = logged.sequencer()
    await numbering.step(sign=True)
    logged.ring.down = Unreachable("down")
    await logged.commit(20, verb="authenticate")
    await numbering.step()
    await stood(logged)
    assert (await reveal.look("acme")).events == 0


async def test_a_refused_list_does_not_stop_payments_for_ever(logged: LogWorld):
    """What was refused has raised its own alarm; it is not waited for."""
    reveal = bound(logged)
    await logged.commit(20)
    await logged.sql(update(schema.event).values(commitment=bytes(32)))
    await logged.sequencer().step(sign=True)
    assert await later(logged, reveal) == Backlog(0, 0)
    assert [code for code, *_ in logged.alarms] == ["list_refused"]


async def test_a_worker_with_a_wrong_clock_stops_nothing(logged: LogWorld):
    """Age is measured by the database's clock, not by the worker's that made the list's id."""
    reveal = bound(logged)
    await logged.commit(1, at=1_000_000)
    assert (await later(logged, reveal)).microseconds < 60_000_000


async def test_other_tenants_go_on(logged: LogWorld):
    """One tenant's backlog is nobody else's."""
    reveal = bound(logged)
    await logged.commit(50)
    await logged.commit(1, tenant="bcme")
    await stood(logged)
    await reveal.assert_near("bcme")
    with pytest.raises(LogBacklog):
        await reveal.assert_near("acme")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_payments_stop_at_the_bound_and_go_on_when_the_log_has_caught_up(
    found_world, kind: str, tmp_path: Path
):
    """Over HTTP: tokenizing goes on while detokenize and search answer 503 log_backlog."""
    world = await found_world(kind, log_backlog_events=60)
    token = (await world.tokenize([("bank_account", BANK)])).json()["items"][0]["token"]
    assert (await world.detokenize([token])).status_code == 200
    assert (await world.tokenize([("bank_account", BANK)] * 60)).status_code == 200
    async with world.owner.begin() as connection:
        age = schema.event.c.recorded_at
        await connection.execute(update(schema.event).values(recorded_at=age - STANDING))
    refused = await until_status(world, token, 503)
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("log_backlog", "5")
    search = {"type": "pan", "value": "ABCPE1234F"}
    assert (await world.post("/v1/search", search, who="payments")).status_code == 503
    assert (await world.tokenize([("bank_account", BANK)])).status_code == 200
    async with sequencer(world, tmp_path / "state") as running:
        while await running.sequencer.step(sign=True):
            pass
    await until_status(world, token, 200)


async def until_status(world, token: str, status: int):
    """A look counts for a second."""
    async with asyncio.timeout(20):
        while (answer := await world.detokenize([token])).status_code != status:
            await asyncio.sleep(0.1)
    return answer
