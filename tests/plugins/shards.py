"""Statements that are sent, from the server's own log, and a copy of the schema that says where each goes.

The copy has every spread table hash-partitioned by `tenant`, all alike, as a distributed engine would place
them. A statement is planned and run there with the parameters it came with; PostgreSQL locks the partitions
that it cannot rule out before it runs, and those that it writes to. Which ones these are is asked of it.
"""

import itertools
import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import URL

SHARDS = 4
_ENTRY = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \w+ \[\d+\] (\S*) ?([A-Z]+):  ", re.MULTILINE)
_SENT = re.compile(r"(?:execute [^:]+|statement): (.*)", re.DOTALL)
_PARAMETER = re.compile(r"\$\d+ = (NULL|'(?:[^']|'')*')", re.DOTALL)
_ASIDE = ("BEGIN", "COMMIT", "ROLLBACK", "SET ", "SHOW ", "RESET ", "DEALLOCATE")
"""What runs in no table. Anything else that cannot be run in the copy fails the test."""

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement as the server got it, its parameters as literals."""

    text: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Touched:
    """Where a statement went."""

    shards: Mapping[str, frozenset[int]]
    """Of each spread table."""
    whole: frozenset[str]
    """Other tables."""
    written: frozenset[str]
    """Of these, the ones that it may change."""

    @property
    def every(self) -> frozenset[int]:
        """Its shards, whatever the table."""
        return frozenset[int]().union(*self.shards.values())


def sent(log: Path, since: int, database: str) -> list[Sent]:
    """The statements of one database in a log, from an offset on, without those around transactions."""
    found = statements(logged(log, since), database)
    return [one for one in found if not one.text.upper().startswith(_ASIDE)]


def logged(log: Path, since: int) -> bytes:
    """A log from an offset on: what stands before, that of a whole session, is not read."""
    with log.open("rb") as file:
        file.seek(since)
        return file.read()


def statements(text: bytes, database: str) -> list[Sent]:
    """Those sent to one database, in a log whose prefix ends in its name."""
    parts = _ENTRY.split(text.decode(errors="replace"))[1:]
    entries = list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))
    found: list[Sent] = []
    for number, (place, kind, said) in enumerate(entries):
        statement = _SENT.match(said) if (place, kind) == (database, "LOG") else None
        if statement is None:
            continue
        after = entries[number + 1] if number + 1 < len(entries) else ("", "", "")
        detail = after[2] if after[:2] == (database, "DETAIL") else ""
        found.append(Sent(statement[1].replace("\n\t", "\n").strip(), tuple(_PARAMETER.findall(detail))))
    return found


class Shards:
    """A migrated database whose spread tables lie in shards. What is looked at in it is taken back."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def of(self, tenant: str) -> int:
        """The shard of a tenant."""
        matches = " + ".join(
            f"{n} * satisfies_hash_partition('shard_key'::regclass, {SHARDS}, {n}, $1::varchar)::int"
            for n in range(SHARDS)
        )
        return int(await self._connection.fetchval(f"SELECT {matches}", tenant))

    async def keep(self, statement: str) -> None:
        """Run it and leave its rows: what finds none of another table may touch no more."""
        await self._connection.execute(statement)

    async def touched(self, statement: Sent) -> Touched:
        """Plan it for its parameters, run it, see what it held, and roll back."""
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            name = f"asked_{next(_numbers)}"
            await self._connection.execute(f"PREPARE {name} AS {statement.text}")
            given = f"({', '.join(statement.parameters)})" if statement.parameters else ""
            await self._connection.execute(f"EXECUTE {name}{given}")
            held = await self._connection.fetch(_HELD)
        finally:
            await transaction.rollback()
        return _touched(held)


_HELD = """
SELECT c.relname, p.relname AS spread, substring(c.relname FROM '_shard_([0-9]+)$')::int AS shard, l.mode
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.relkind = 'r'
  AND c.relnamespace = 'public'::regnamespace"""


def _touched(held: Sequence[Mapping[str, Any]]) -> Touched:
    shards: dict[str, frozenset[int]] = {}
    for row in held:
        if row["spread"] is not None:
            shards[row["spread"]] = shards.get(row["spread"], frozenset()) | {row["shard"]}
    whole = [(row["relname"], row["mode"]) for row in held if row["spread"] is None]
    written = frozenset(name for name, mode in whole if mode == "RowExclusiveLock")
    return Touched(shards, frozenset(name for name, _ in whole), written)


@asynccontextmanager
async def shards(url: URL, spread: Collection[str]) -> AsyncIterator[Shards]:
    """The spread tables of a fresh database, in shards. PostgreSQL refuses a unique key without `tenant`."""
    connection = await asyncpg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        await connection.execute("SET plan_cache_mode = force_custom_plan")
        for table in (*sorted(spread), "shard_key"):
            await connection.execute("\n".join(_spread(table)))
        yield Shards(connection)
    finally:
        await connection.close()


def _spread(table: str) -> Sequence[str]:
    whole = [
        f'ALTER TABLE "{table}" RENAME TO "{table}_whole";',
        f'CREATE TABLE "{table}" (LIKE "{table}_whole" INCLUDING ALL) PARTITION BY HASH (tenant);',
        f'DROP TABLE "{table}_whole" CASCADE;',
    ]
    key = [f'CREATE TABLE "{table}" (tenant varchar) PARTITION BY HASH (tenant);']
    return [
        *(key if table == "shard_key" else whole),
        *(
            f'CREATE TABLE "{table}_shard_{n}" PARTITION OF "{table}"'
            f" FOR VALUES WITH (MODULUS {SHARDS}, REMAINDER {n});"
            for n in range(SHARDS)
        ),
    ]
