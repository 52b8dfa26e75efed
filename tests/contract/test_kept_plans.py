"""The plans that lines keep: made while tables are empty or tiny, and right when they are large."""

import re
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
import pytest_asyncio

from keys import keystore
from keys.database import Database
from keys.prepared import Prepared
from tests.plugins.service import Databank
from vault.store import records
from vault.store.engine import open_database

HOT = {
    "load": ("data", records._LOAD),
    "standing": ("data", records._STANDING),
    "find": ("data", records._FIND),
    "answered": ("data", records._ANSWERED),
    "fetch": ("keystore", keystore._FETCH),
}
GIVEN = {
    "tenant": "acme", "field_type": "pan", "tokens": ["tok"], "digests": [b"d"], "slots": [b"s"],
    "dek_ids": [b"k"],
}  # fmt: skip
_CONDITION = re.compile(r"Index Cond: (.*)")
_ID = "decode(lpad(to_hex(g), 32, '0'), 'hex')"
_RECORDS = f"""INSERT INTO record (tenant, token, version, subject, field_type, dek_id, sealed, dek_lease)
SELECT 'acme', 'tok_' || g, 1, 'cust-' || g, 'pan', {_ID}, 'sealed', 1::bigint << 62"""
_INDEXED = f"""INSERT INTO blind_index (tenant, field_type, digest, token)
SELECT 'acme', 'pan', {_ID}, 'tok_' || g"""
_DEKS = f"""INSERT INTO dek (tenant, dek_id, wrapped, kek_version, lease_until)
SELECT 'acme', {_ID}, 'vault:v1:', 1, 0"""


@pytest_asyncio.fixture
async def databases(databank: Databank) -> AsyncIterator[dict[str, Database]]:
    """Both, as a plane opens them."""
    found = await databank("postgresql")
    made = {"data": open_database(found.data_url), "keystore": open_database(found.keystore_url)}
    yield made
    for one in made.values():
        await one.dispose()


@pytest.mark.parametrize("analyzed", [False, True], ids=["no statistics", "statistics"])
@pytest.mark.parametrize("rows", [0, 1, 50, 4000])
async def test_every_row_is_found_by_its_own_key(databases: dict[str, Database], rows: int, analyzed: bool):  # noqa: FBT001
    """No hot statement's plan, made on a table of so few rows, looks through a tenant's rows or a table's."""
    for name, filled in (("data", _RECORDS), ("data", _INDEXED), ("keystore", _DEKS)):
        async with databases[name].begin() as connection:
            await connection.exec_driver_sql(f"{filled} FROM generate_series(1, {rows}) g")
            if analyzed:
                await connection.exec_driver_sql("ANALYZE")
    for name, (where, statement) in HOT.items():
        plan = await planned(databases[where], statement)
        assert "Seq Scan" not in plan, f"{name}\n{plan}"
        conditions = _CONDITION.findall(plan)
        assert conditions, f"{name}\n{plan}"
        assert all(" AND " in one for one in conditions), f"{name}: a tenant is no key\n{plan}"


async def planned(database: Database, statement: Prepared) -> str:
    """The plan that a line keeps for a statement, as PostgreSQL tells it."""
    query, arguments = statement.compiled(database, dict(GIVEN))
    line = await database.line()
    driver = line.driver
    assert isinstance(driver, asyncpg.Connection)
    await driver.execute(f"PREPARE asked AS {query}")
    rows = await driver.fetch(f"EXPLAIN EXECUTE asked ({', '.join(map(_literal, arguments))})")
    await driver.execute("DEALLOCATE asked")
    database.give_back(line)
    return "\n".join(row[0] for row in rows)


def _literal(value: object) -> str:
    if isinstance(value, bytes):
        return rf"'\x{value.hex()}'::bytea"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"ARRAY[{', '.join(map(_literal, value))}]"
    return "'" + str(value).replace("'", "''") + "'"
