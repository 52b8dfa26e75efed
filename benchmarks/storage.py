"""What a value and an event cost in bytes, on real PostgreSQL, and what each index costs those who write.

    python -m benchmarks.storage [--subjects 2000] [--singles 500] [--json bench-storage.json]

A vault that serves, with everything on. Five values of each subject are tokenized in lists of 1,000, one of
them of a type with a blind index; then single calls with idempotency keys; then every value is opened, in
lists of 1,000; then the sequencer numbers all. After each step: what PostgreSQL's write-ahead log and the key
server's audit log grew by. At the end: bytes of each table and index, divided by its rows. Then the rows of
the hot tables are copied into empty tables of the same shape, with all indexes and with all but one.
"""

import argparse
import asyncio
import json
import signal
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from benchmarks.hot.wire import accounts, pans
from benchmarks.stage import vault
from tests.plugins.process import Served
from tests.plugins.world import World
from vault.policy.load import DEFAULT
from vault.sequencer import build_sequencer
from vault.store.engine import open_database

SERVING = "ingest,reveal,control,audit"
AT_ONCE = 1000
COPIES = 3
COPIED = ("record", "event", "blind_index", "leaf", "dek")
_SIZES = text("""
WITH RECURSIVE part AS (
    SELECT c.oid, c.relname::text AS name, c.oid AS root FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    UNION ALL SELECT i.inhrelid, p.name, p.root FROM part p JOIN pg_inherits i ON i.inhparent = p.oid)
SELECT p.name, 'rows' AS piece, sum(pg_relation_size(p.oid))::bigint AS bytes FROM part p GROUP BY 1
UNION ALL
SELECT p.name, 'toast', sum(pg_total_relation_size(c.reltoastrelid))::bigint
FROM part p JOIN pg_class c ON c.oid = p.oid WHERE c.reltoastrelid <> 0 GROUP BY 1
UNION ALL
SELECT p.name, coalesce(whole.relname, x.relname)::text, sum(pg_relation_size(x.oid))::bigint
FROM part p JOIN pg_index i ON i.indrelid = p.oid JOIN pg_class x ON x.oid = i.indexrelid
LEFT JOIN pg_inherits h ON h.inhrelid = x.oid LEFT JOIN pg_class whole ON whole.oid = h.inhparent
GROUP BY 1, 2 ORDER BY 1, 3 DESC""")


@dataclass(frozen=True, slots=True)
class Grown:
    """What a step added, for each of its values."""

    step: str
    values: int
    wal_bytes: float
    audit_bytes: float


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows, the toast or one index of a table."""

    table: str
    piece: str
    rows: int
    bytes_a_row: float


@dataclass(frozen=True, slots=True)
class Index:
    """What inserting a row costs with all indexes, and how much less without one of them."""

    table: str
    without: str
    rows: int
    microseconds_a_row: float
    wal_bytes_a_row: float


@dataclass(slots=True)
class Meter:
    """The two logs that grow, before and after a step."""

    world: World
    owner: AsyncEngine

    async def step(self, name: str, values: int, work: Any) -> Grown:
        """Do some work on so many values."""
        before = await self._read()
        await work
        grown = [b - a for a, b in zip(before, await self._read(), strict=True)]
        return Grown(name, values, grown[0] / values, grown[1] / values)

    async def _read(self) -> tuple[int, int]:
        async with self.owner.connect() as connection:
            wal = await connection.scalar(text("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))
        return int(wal or 0), self.world.bao.audit_log.stat().st_size


def items(subjects: int) -> list[dict[str, Any]]:
    """Five values of each subject."""
    banks, taxes = accounts(subjects), pans(subjects)
    return [
        {"subject": f"cust-{n:08}", "type": field_type, "value": value}
        for n in range(subjects)
        for field_type, value in (
            ("bank_account", banks[n]),
            ("pan", taxes[n]),
            ("person_name", f"Asha Rao {n}"),
            ("email", f"asha.rao.{n}@example.com"),
            ("phone", f"+9198{n % 10**8:08}"),
        )
    ]


async def tokenize(world: World, some: Sequence[dict[str, Any]], tokens: list[str]) -> None:
    for start in range(0, len(some), AT_ONCE):
        done = await world.post("/v1/tokenize", {"items": some[start : start + AT_ONCE]}, who="signup")
        done.raise_for_status()
        tokens += [item["token"] for item in done.json()["items"]]


async def singles(world: World, some: Sequence[dict[str, Any]]) -> None:
    for number, item in enumerate(some):
        done = await world.post("/v1/tokenize", {"items": [item]}, who="signup", key=f"sign-up-{number}")
        done.raise_for_status()


async def detokenize(world: World, tokens: Sequence[str]) -> None:
    for start in range(0, len(tokens), AT_ONCE):
        (await world.detokenize(tokens[start : start + AT_ONCE])).raise_for_status()


async def sequence(world: World) -> None:
    running = build_sequencer(world.settings)
    await running.prepare()
    while await running.sequencer.step():
        pass
    await running.sequencer.step(sign=True)
    await running.stop()


async def sizes(owner: AsyncEngine) -> list[Piece]:
    """Every piece of every table that has rows enough to say something."""
    found: list[Piece] = []
    async with owner.connect() as connection:
        for table, piece, size in (await connection.execute(_SIZES)).all():
            count = int(await connection.scalar(text(f'SELECT count(*) FROM "{table}"')) or 0)
            if count >= 100 and size:
                found.append(Piece(table, piece, count, size / count))
    return found


async def indexes(owner: AsyncEngine, table: str) -> list[Index]:
    """Rows of a table into an empty one of its shape: with all indexes, then without each in turn."""
    async with owner.connect() as connection:
        if not await connection.scalar(text("SELECT to_regclass(:name)"), {"name": table}):
            return []
        await connection.execute(text(f'CREATE TABLE copied (LIKE "{table}" INCLUDING ALL)'))
        names = [
            (str(row[0]), str(row[1]))
            for row in await connection.execute(
                text(
                    "SELECT x.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class x"
                    " ON x.oid = i.indexrelid WHERE i.indrelid = 'copied'::regclass AND NOT i.indisprimary"
                )
            )
        ]
        await connection.commit()
        await _copied(connection, table, "", "")  # the first reads from the disk: not counted
        found = [await _copied(connection, table, "", "")]
        for name, definition in names:
            columns, _, some = definition.partition(" USING btree ")[2].partition(" WHERE ")
            found.append(await _copied(connection, table, name, f"{columns}{' of some' if some else ''}"))
        await connection.execute(text("DROP TABLE copied"))
        await connection.commit()
    return found


async def _copied(connection: AsyncConnection, table: str, without: str, said: str) -> Index:
    took, wal, rows = [], 0.0, 1
    for _ in range(COPIES):
        if without:
            await connection.execute(text(f'DROP INDEX "{without}"'))
        explained = await connection.scalar(
            text(f'EXPLAIN (ANALYZE, WAL, FORMAT JSON) INSERT INTO copied SELECT * FROM "{table}"')
        )
        await connection.rollback()
        plan = explained[0] if isinstance(explained, list) else json.loads(str(explained))[0]
        rows = max(1, round(plan["Plan"]["Plans"][0]["Actual Rows"]))
        took.append(plan["Execution Time"] * 1e3 / rows)
        wal = plan["Plan"]["WAL Bytes"] / rows
    return Index(table, said, rows, statistics.median(took), wal)


def show(console: Console, grown: Sequence[Grown], pieces: Sequence[Piece], cost: Sequence[Index]) -> None:
    """As tables."""
    one = _table("step", "values", "WAL bytes each", "audit log bytes each", title="Logs, a value")
    for step in grown:
        one.add_row(step.step, f"{step.values:,}", f"{step.wal_bytes:,.0f}", f"{step.audit_bytes:,.0f}")
    two = _table("table", "piece", "rows", "bytes a row", title="Bytes a row, by table and index")
    for piece in pieces:
        two.add_row(piece.table, piece.piece, f"{piece.rows:,}", f"{piece.bytes_a_row:,.1f}")
    three = _table("table", "without the index on", "rows", "µs a row", "WAL bytes a row", title="Inserting")
    for index in cost:
        figures = f"{index.microseconds_a_row:.1f}", f"{index.wal_bytes_a_row:,.0f}"
        three.add_row(index.table, index.without or "(all there)", f"{index.rows:,}", *figures)
    for table in (one, two, three):
        console.print(table, "")


def _table(*heads: str, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number < 2 else "right", no_wrap=True)
    return table


async def measure(subjects: int, single: int) -> tuple[list[Grown], list[Piece], list[Index]]:
    """Fill a vault, open everything, number everything; what that took."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-bench-")))
        world = await stack.enter_async_context(vault())
        told = world.environment() | {"STRONGROOM_LOG_BACKLOG_EVENTS": "10000000"}  # numbered at the end
        served = Served(told, folder / "served", planes=SERVING)
        await served.start()
        stack.callback(served.end, signal.SIGTERM)
        world.client = await stack.enter_async_context(httpx.AsyncClient(base_url=served.url, timeout=60))
        opened = DEFAULT.read_text().replace("searchable = []", 'searchable = ["pan"]')
        (await world.ordered("/v1/policy/apply", {"toml": opened})).raise_for_status()
        await asyncio.sleep(1)
        urls = (world.databases.data_url, world.databases.keystore_url)
        owners = [open_database(url, statement_seconds=None) for url in urls]
        some, tokens = items(subjects), list[str]()
        meter = Meter(world, owners[0])
        grown = [
            await meter.step("tokenize, lists of 1,000", len(some), tokenize(world, some, tokens)),
            await meter.step("tokenize, single, with a key", single, singles(world, some[:single])),
            await meter.step("detokenize, lists of 1,000", len(tokens), detokenize(world, tokens)),
            await meter.step("sequence", 2 * len(some) + single, sequence(world)),
        ]
        pieces = [piece for owner in owners for piece in await sizes(owner)]
        cost = [index for table in COPIED for owner in owners for index in await indexes(owner, table)]
        for owner in owners:
            await owner.dispose()
        return grown, pieces, cost


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--subjects", type=int, default=2000)
    arguments.add_argument("--singles", type=int, default=500)
    arguments.add_argument("--json", type=Path, default=Path("bench-storage.json"))
    given = arguments.parse_args()
    grown, pieces, cost = asyncio.run(measure(given.subjects, given.singles))
    show(Console(width=140), grown, pieces, cost)
    written = {
        "steps": [asdict(one) for one in grown],
        "pieces": [asdict(one) for one in pieces],
        "indexes": [asdict(one) for one in cost],
    }
    given.json.write_text(json.dumps(written, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
