"""A burst on a database so young that PostgreSQL has no statistics of it: nothing waits for them."""

import pytest_asyncio
from sqlalchemy import text

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
