"""Statistics that PostgreSQL does not have yet, or that are wrong: no statement depends on them."""

import pytest_asyncio
from sqlalchemy import event, text

from vault.store.backlog import Backlog, read_backlog
from vault.store.engine import open_database
from vault.store.sequencing import SequencerStore, Window

LISTS, NUMBERED = 12_500, 8_000
_ID = "decode(lpad(to_hex(g), 32, '0'), 'hex')"


@pytest_asyncio.fixture
async def engine(databank):
    """As many lists, the first of them numbered, and no ANALYZE since."""
    made = open_database((await databank("postgresql")).data_url)
    async with made.begin() as connection:
        for table in ("signed_list", "leaf"):
            await connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
        lists = f"SELECT 'acme', {_ID}, 'w', 'c', g, 'p', 1, 's' FROM generate_series(1, {LISTS}) g"
        await connection.execute(text(f"INSERT INTO signed_list {lists}"))
        leaves = f"SELECT 'acme', g - 1, {_ID}, 'c', {_ID}, 0 FROM generate_series(1, {NUMBERED}) g"
        columns = "tenant, idx, event_id, commitment, list_id, position"
        await connection.execute(text(f"INSERT INTO leaf ({columns}) {leaves}"))
    yield made
    await made.dispose()


@pytest_asyncio.fixture
async def mistaken(databank):
    """Lists of one event beside lists of 1,000: ANALYZE takes them for few, and each for long."""
    made = open_database((await databank("postgresql")).data_url)
    columns = "tenant, event_id, list_id, position, commitment, salt, body, actor, verb, decision"
    list_id = _ID.replace("g)", "CASE WHEN g <= 4000 THEN g % 4 ELSE g END)")
    rows = f"SELECT 'acme', {_ID}, {list_id}, 0, 'c', 's', 'b', 'a', 'v', 'allow'"
    async with made.begin() as connection:
        await connection.execute(
            text(f"INSERT INTO event ({columns}) {rows} FROM generate_series(1, 12000) g")
        )
        await connection.execute(text("ALTER TABLE event_default ALTER list_id SET (n_distinct = 4)"))
        await connection.execute(text("ANALYZE event_default"))
    yield made
    await made.dispose()


async def test_wrong_statistics_let_nobody_read_a_whole_table(mistaken):
    """The events of many lists are found by their lists, although PostgreSQL believes they are nearly all."""
    asked = []
    event.listen(mistaken.sync_engine, "before_cursor_execute", lambda *sent: asked.append(sent[2:4]))
    ids = [number.to_bytes(16) for number in range(4001, 8001)]
    found = await SequencerStore(mistaken).entries("acme", ids)
    assert all(len(members) == 1 for members in found.values())
    (statement, parameters), *_ = asked
    async with mistaken.connect() as connection:
        plan = (await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)).scalars().all()
    assert any("Index Cond" in line and "list_id" in line for line in plan)
    assert not any("Seq Scan" in line for line in plan)


async def test_sequencer_finds_what_waits(engine):
    """The lists without a number are found before a statement's time is over, refused ones or not."""
    store = SequencerStore(engine)
    for window in (Window(bytes(16)), Window(bytes(16), b"\xff" * 16, refused_too=True)):
        found = await store.waiting("acme", window, most=4096)
        assert [int.from_bytes(one.list_id) for one in found] == [*range(NUMBERED + 1, NUMBERED + 4097)]


async def test_backlog_is_counted(engine):
    """The bound of the log is known, too: a plane that could not tell would refuse to open anything."""
    found = await read_backlog(engine, "acme", Backlog(100_000, 2**62))
    assert found.events == LISTS
