"""A line to the driver after every kind of failure: what was heard counts, and no doubtful one is kept."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import select, text
from sqlalchemy.engine import make_url

from keys.database import FAILURES, Database
from tests.plugins.service import Databank
from tests.plugins.waiting import until
from vault.errors import OutcomeUnknown, Unavailable
from vault.store import failures
from vault.store.authority import AuthorityStore
from vault.store.engine import open_database
from vault.store.schema import record
from vault.store.unit import NewAnswer, NewRecord, Unit

WHO = "SELECT pg_backend_pid()"
SLEEP = "SELECT pg_sleep(60)"
PIECES = 2
_numbers = itertools.count()


@pytest_asyncio.fixture
async def database(databank: Databank) -> AsyncIterator[Database]:
    """One line, and a connection beside it. A statement may take as long as it takes."""
    made = open_database((await databank("postgresql")).data_url, pool_size=PIECES, statement_seconds=None)
    async with made.connect() as connection:
        await connection.execute(text("SELECT 1"))
    yield made
    await made.dispose()


async def said(database: Database, query: str) -> int:
    """The first column of the first row of one statement on a line."""
    return (await (await database.line()).run(query, []))[0][0]


async def end(database: Database, pid: int) -> None:
    """End a connection from the server's side."""
    async with database.connect() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})


async def asleep(database: Database) -> "asyncio.Task[int]":
    """A statement that is being run."""
    query = f"{SLEEP} -- {next(_numbers)}"
    asking = asyncio.create_task(said(database, query))
    running = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = :query")

    async def begun() -> bool:
        async with database.connect() as connection:
            return bool(await connection.scalar(running, {"query": query}))

    await until(begun)
    return asking


async def test_a_refusal_leaves_the_line_as_it_is(database: Database):
    """After an error that the server told, the same connection serves the next statement."""
    before = await said(database, WHO)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await said(database, "SELECT 1 / 0")
    assert await said(database, WHO) == before


async def test_a_line_that_was_silent_too_long_is_never_used_again(database: Database):
    """A statement past its time costs its connection, and every piece of the pool stays to be had."""
    url = database.url.render_as_string(hide_password=False)
    hasty = open_database(url, pool_size=PIECES, statement_seconds=0.3)
    before = await said(hasty, WHO)
    for _ in range(PIECES + 1):
        with pytest.raises(TimeoutError):
            await said(hasty, SLEEP)
    assert await said(hasty, WHO) != before
    await hasty.dispose()


async def test_a_line_whose_caller_went_away_is_never_used_again(database: Database):
    """Cancelled in the middle of a statement: the next one gets another connection, and none is lost."""
    before = await said(database, WHO)
    for _ in range(PIECES + 1):
        asking = await asleep(database)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert asking.cancelled()
    assert await said(database, WHO) != before


async def test_a_line_that_broke_while_nobody_used_it_is_passed_over(database: Database):
    """A server that ended a connection at rest costs the next statement nothing."""
    before = await said(database, WHO)
    await end(database, before)
    await until(database._idle[0].driver.is_closed)  # the driver has heard of it
    assert await said(database, WHO) != before


async def test_a_line_that_the_server_ends_is_no_clear_no(database: Database):
    """Its last words are an error, and yet not a refusal: a commit may lie before them."""
    pid = await said(database, WHO)
    asking = await asleep(database)
    await end(database, pid)
    [last] = await asyncio.gather(asking, return_exceptions=True)
    assert isinstance(last, asyncpg.ConnectionDoesNotExistError)
    with pytest.raises(OutcomeUnknown), failures.whole():
        raise last


async def test_what_the_server_refuses_was_not_done(database: Database):
    """A unit that is one statement: a name taken is a clash, an old lease stale, all else unavailable."""
    row = NewRecord("acme", "tok_1", 1, "cust-1", "pan", b"d" * 16, b"sealed", 2**62)
    old = NewRecord("acme", "tok_2", 1, "cust-1", "pan", b"d" * 16, b"sealed", 1)
    long = NewRecord("acme", "t" * 81, 1, "cust-1", "pan", b"d" * 16, b"sealed", 2**62)
    await written(database, row)
    with pytest.raises(failures.StaleLease):
        await written(database, old)
    with pytest.raises(Unavailable) as caught:
        await written(database, long)
    assert not isinstance(caught.value, OutcomeUnknown), "and a text too long is not cut off"
    with pytest.raises(failures.Clash):
        await written(database, row, slot=b"slot")
    async with database.connect() as connection:
        assert (await connection.scalars(select(record.c.token))).all() == ["tok_1"]
        assert (await connection.execute(text("SELECT count(*) FROM idempotency"))).scalar_one() == 0


async def test_a_text_too_long_is_not_cut_off_in_a_transaction(database: Database):
    """Where a unit is several statements, what a column cannot hold is refused as well."""
    long = NewRecord("acme", "t" * 81, 1, "cust-1", "pan", b"d" * 16, b"sealed", 2**62)
    async with Unit(database) as unit:
        await unit.run(select(record.c.token))
        await unit.add_records([long])
        with pytest.raises(Unavailable):
            await unit.commit()
    async with database.connect() as connection:
        assert (await connection.scalars(select(record.c.token))).all() == []


async def test_no_connection_is_no_doubt(database: Database):
    """Where none is to be had nothing was sent: unavailable, and the outcome is known."""
    nowhere = open_database(str(make_url(database.url).set(port=1).render_as_string(hide_password=False)))
    with pytest.raises(Unavailable) as caught:
        await written(nowhere, NewRecord("acme", "tok_1", 1, "s", "pan", b"d", b"s", 2**62))
    assert not isinstance(caught.value, OutcomeUnknown)


async def test_more_at_once_than_there_are_connections(database: Database):
    """They wait for each other and all are served; then a transaction still finds a connection."""
    found = await asyncio.gather(*(said(database, WHO) for _ in range(20)))
    assert 1 <= len(set(found)) <= PIECES
    async with database.begin() as connection:
        await connection.execute(text("SELECT 1"))


async def test_who_may_do_what_is_known_while_every_transaction_waits(database: Database):
    """The look at authority, which every request depends on, needs none of the transactions' connections."""
    async with database.begin() as only:
        await only.execute(text("SELECT 1"))
        store = AuthorityStore(database)
        assert (await store.standing(), await store.latest_versions(), await store.frozen()) == (None, {}, {})


async def test_a_line_in_use_when_the_database_is_let_go_is_ended(database: Database):
    """It ends after its statement: nothing keeps a connection of what is closed."""
    asking = await asleep(database)
    await database.dispose()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await said(database, WHO)
    assert database._idle == []


async def test_nothing_is_left_open_once_the_database_is_let_go(database: Database):
    """The lines kept are closed with the pool."""
    pid = await said(database, WHO)
    await database.dispose()
    async with database.connect() as connection:
        alive = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
        assert (await connection.execute(alive, {"pid": pid})).scalar_one() == 0


async def written(database: Database, row: NewRecord, slot: bytes | None = None) -> None:
    """A record, and perhaps an answer beside it, in one unit."""
    async with Unit(database) as unit:
        if slot:
            await unit.add_answers([NewAnswer("acme", slot, b"f", b"a")])
        await unit.add_records([row])
        await unit.commit()


def test_every_failure_of_the_driver_is_known_by_name():
    """What asyncpg raises of its own is among the failures that are translated."""
    kinds = asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.ConnectionDoesNotExistError
    for kind in (*kinds, asyncpg.InternalClientError, asyncpg.exceptions.ProtocolError):
        assert issubclass(kind, FAILURES)
