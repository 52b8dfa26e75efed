"""Fills a vault's databases as years of use would: rows made by the database itself, real ones among them.

What is there already stays what it is and is spread evenly over the new tables, so that opening real tokens
meets pages and branches of indexes all over. Filled rows have the size and the shape of real ones, every key
by chance over the whole key space and every id by its time; nothing opens them. Their events have their
numbers, and the head over them is signed by the key server, so that the sequencer goes on behind them.
Node hashes of level 8 are by chance, so proofs about filled events prove nothing. All events are of one
month, which is the worst case: a year's lie in twelve tables.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Table, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.schema import CreateIndex, DropIndex

from keys.keystore import dek
from tests.plugins.world import World
from vault.log.merkle import TILE_HEIGHT, Frontier
from vault.sequencer import build_sequencer
from vault.store.engine import open_database
from vault.store.schema import checkpoint, event, leaf, node, record, signed_list

TENANT = "acme"
LIST = 32
"""Events of a list, as gathering makes them under load."""
_WIDTH = 1 << TILE_HEIGHT
_STEP = 500_000
"""Rows of one statement."""
_MICROSECONDS = 1_000_000
_AGO = 600 * _MICROSECONDS
"""µs between the last filled event and the first that comes after it."""


@dataclass(frozen=True, slots=True)
class Filling:
    """What is wanted: records, real ones among them, and twice as many events."""

    records: int

    @property
    def events(self) -> int:
        """Rounded up, so that they end with a whole tile."""
        return math.ceil(2 * self.records / _WIDTH) * _WIDTH

    def times(self) -> tuple[int, int]:
        """µs at which the first event was, and between two: within this month, or within 25 days."""
        end = time.time_ns() // 1000 - _AGO
        month = datetime.fromtimestamp(end / 1e6, UTC).replace(day=1, hour=0, minute=0, second=0)
        begin = max(int(month.timestamp()) * _MICROSECONDS, end - 25 * 86_400 * _MICROSECONDS)
        return begin, max(1, (end - begin) // self.events)


async def fill(world: World, filling: Filling) -> None:
    """Fill both databases of a vault that nothing serves meanwhile, and leave them as VACUUM does."""
    data = open_database(world.databases.data_url, statement_seconds=None)
    keystore = open_database(world.databases.keystore_url, statement_seconds=None)
    begin, every = filling.times()
    given: dict[str, Any] = {"begin": begin, "every": every}
    async with data.connect() as connection:
        given |= dict((await connection.execute(text(_SAMPLE), {"tenant": TENANT})).mappings().one())
    async with keystore.connect() as connection:
        given["wrapped"] = await connection.scalar(text("SELECT wrapped FROM dek LIMIT 1"))
    await _fill(data, record, _RECORD, filling.records, given, among=True)
    await _fill(keystore, dek, _DEK, filling.records, given, among=True)
    await _fill(data, event, _EVENT, filling.events, given)
    await _fill(data, leaf, _LEAF, filling.events, given)
    await _fill(data, signed_list, _LISTS, filling.events // LIST, given)
    await _sign(world, data, filling.events)
    for engine in (data, keystore):
        await _settle(engine)
        await engine.dispose()


def _chance(what: str, number: str) -> str:
    """SQL: 32 bytes by chance, the same ones in every run."""
    return f"sha256('{what}'::bytea || int8send({number}))"


def _id(what: str, number: str, at: str) -> str:
    """SQL: an id that begins with its time."""
    return f"substring(int8send({at}) FROM 2) || substring({_chance(what, number)} FROM 1 FOR 9)"


def _token(number: str) -> str:
    """SQL: a token's name, by chance from the letters of tokens, its check characters too."""
    letters = f"lower(encode(substring({_chance('token', number)} FROM 1 FOR 21), 'base64'))"
    return f"'tok_bank_account_' || translate({letters}, 'ilou+/', 'acegkt')"


_SAMPLE = """
    SELECT r.sealed, r.dek_lease, e.body, e.actor, w.worker_id
    FROM record r JOIN event e ON e.tenant = r.tenant AND e.token = r.token, worker w
    WHERE r.tenant = :tenant AND w.plane = 'ingest' LIMIT 1"""
_DEK_ID = f"substring({_chance('dek', 'n')} FROM 1 FOR 16)"
_AT = "(CAST(:begin AS bigint) + n * CAST(:every AS bigint))"
_LIST_AT = f"(CAST(:begin AS bigint) + (n / {LIST}) * {LIST} * CAST(:every AS bigint))"
_OF_LIST = _id("list", f"n / {LIST}", _LIST_AT)
_EVENT_ID = _id("event", "n", _AT)
_COMMITMENT = _chance("commitment", "n")

_RECORD = f"""
    INSERT INTO record (tenant, token, version, subject, field_type, dek_id, sealed, dek_lease, created_at)
    SELECT '{TENANT}', coalesce(k.token, {_token("n")}), 1, coalesce(k.subject, 'filled-' || n / 2),
        'bank_account', coalesce(k.dek_id, {_DEK_ID}), coalesce(k.sealed, CAST(:sealed AS bytea)),
        coalesce(k.dek_lease, CAST(:dek_lease AS bigint)), coalesce(k.created_at, CAST(:begin AS bigint))
    FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint)) n LEFT JOIN kept k ON k.at = n"""
_DEK = f"""
    INSERT INTO dek (tenant, dek_id, wrapped, kek_version, lease_until)
    SELECT coalesce(k.tenant, '{TENANT}'), coalesce(k.dek_id, {_DEK_ID}),
        coalesce(k.wrapped, CAST(:wrapped AS text)), 1, coalesce(k.lease_until, CAST(:begin AS bigint))
    FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint)) n LEFT JOIN kept k ON k.at = n"""
_EVENT = f"""
    INSERT INTO event (tenant, event_id, list_id, position, commitment, salt, body, token, subject, actor,
        verb, decision, purpose, recorded_at)
    SELECT '{TENANT}', {_EVENT_ID}, {_OF_LIST}, n % {LIST}, {_COMMITMENT}, {_chance("salt", "n")},
        CAST(:body AS bytea), {_token("n / 2")}, 'filled-' || n / 4, CAST(:actor AS text),
        CASE WHEN n % 2 = 0 THEN 'tokenize' ELSE 'detokenize' END, 'allow',
        CASE WHEN n % 2 = 0 THEN NULL ELSE 'payment' END, {_AT}
    FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint)) n"""
_LEAF = f"""
    INSERT INTO leaf (tenant, idx, event_id, commitment, list_id, position)
    SELECT '{TENANT}', n, {_EVENT_ID}, {_COMMITMENT}, {_OF_LIST}, n % {LIST}
    FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint)) n"""
_LISTS = f"""
    INSERT INTO signed_list (tenant, list_id, worker_id, chain, seq, previous, size, signature)
    SELECT '{TENANT}', {_id("list", "n", f"(CAST(:begin AS bigint) + n * {LIST} * CAST(:every AS bigint))")},
        CAST(:worker_id AS bytea), substring({_chance("chain", "n / 1000")} FROM 1 FOR 16), n % 1000,
        {_chance("previous", "n")}, {LIST}, {_chance("signature", "n")} || {_chance("signed", "n")}
    FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint)) n"""


async def _fill(
    engine: AsyncEngine, table: Table, sql: str, count: int, given: Mapping[str, Any], *, among: bool = False
) -> None:
    """So many rows, and their indexes, each sorted at once. `among`: what is there is spread over them."""
    begun = time.perf_counter()
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for one in ("synchronous_commit = off", "maintenance_work_mem = '1GB'"):
            await connection.execute(text(f"SET {one}"))
        count = await _keep(connection, table, count) if among else count
        await _drop_indexes(connection, table)
        used = {name: value for name, value in given.items() if f":{name} " in sql}
        for low in range(0, count, _STEP):
            high = min(low + _STEP, count)
            await connection.execute(text(sql), {**used, "low": low, "high": high - 1})
            _say(table, high, count, begun)
        await _make_indexes(connection, table)
    _say(table, count, count, begun, "with its indexes")


async def _keep(connection: AsyncConnection, table: Table, count: int) -> int:
    """Put aside what is there, each row with the place it will have among `count`, or as many as it takes."""
    await connection.execute(
        text(f"CREATE TEMP TABLE kept AS SELECT *, row_number() OVER () - 1 AS at FROM {table.name}")
    )
    kept = int(await connection.scalar(text("SELECT count(*) FROM kept")) or 0)
    count = max(count, kept)
    await connection.execute(text(f"UPDATE kept SET at = at * {count} / {max(1, kept)}"))
    await connection.execute(text("ANALYZE kept"))
    await connection.execute(text(f"TRUNCATE {table.name}"))
    return count


async def _drop_indexes(connection: AsyncConnection, table: Table) -> None:
    for index in table.indexes:
        await connection.execute(DropIndex(index))
    await connection.execute(text(f"ALTER TABLE {table.name} DROP CONSTRAINT {table.name}_pkey"))


async def _make_indexes(connection: AsyncConnection, table: Table) -> None:
    named = ", ".join(column.name for column in table.primary_key)
    await connection.execute(text(f"ALTER TABLE {table.name} ADD PRIMARY KEY ({named})"))
    for index in table.indexes:
        await connection.execute(CreateIndex(index))


async def _sign(world: World, data: AsyncEngine, events: int) -> None:
    """The upper tree over the filled leaves, and its head signed as the sequencer signs it."""
    tree, rows = Frontier(0, []), []
    for tile in range(events // _WIDTH):
        grown = tree.append(sha256(b"tile" + tile.to_bytes(8)).digest())
        rows += [
            (level + TILE_HEIGHT, number, value) for level, number, value in grown if not level % TILE_HEIGHT
        ]
    state = Path(world.environment()["STRONGROOM_SEQUENCER_STATE"])
    running = build_sequencer(replace(world.settings, sequencer_state=state))
    await running.prepare()
    async with data.begin() as connection:
        for some in _parts(rows):
            named = [{"tenant": TENANT, "level": v, "number": n, "hash": h} for v, n, h in some]
            await connection.execute(insert(node), named)
    signed = await running.sequencer.signing.sign(TENANT, events, tree.root(), last=None)
    head = {"size": signed.size, "root": signed.root, "note": signed.note, "key_version": signed.key_version}
    async with data.begin() as connection:
        await connection.execute(insert(checkpoint), {"tenant": TENANT, **head})
    await running.stop()


def _parts(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[start : start + 10_000] for start in range(0, len(rows), 10_000))


async def _settle(engine: AsyncEngine) -> None:
    """As a database that has been running: statistics, hint bits, everything written."""
    begun = time.perf_counter()
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("VACUUM (ANALYZE)"))
        await connection.execute(text("CHECKPOINT"))
    print(f"  vacuumed and written in {time.perf_counter() - begun:.0f} s", flush=True)


def _say(table: Table, done: int, count: int, begun: float, more: str = "") -> None:
    print(f"  {table.name}: {done:,} of {count:,} {more}, {time.perf_counter() - begun:.0f} s", flush=True)
