"""Bringing a database up to date loses nothing that was in it."""

import os

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from keys.migrate import migrate
from tests.faults.test_retention import micros, month_ago
from tests.plugins.postgres import Postgres
from vault.store.engine import open_database
from vault.store.migrate import DATA

KINDS = ("sqlite", "postgresql")
_ROWS = text(
    "INSERT INTO event (tenant, event_id, list_id, position, commitment, salt, body, actor, verb, decision,"
    " recorded_at) VALUES ('acme', :id, :id, 0, :id, :id, :body, 'acme.pay', 'detokenize', 'allow', 7)"
)


async def made(
    kind: str, request: pytest.FixtureRequest, tmp_path, *, name: str = "before_months"
) -> AsyncEngine:
    """An empty database."""
    if kind == "sqlite":
        return open_database(f"sqlite+aiosqlite:///{tmp_path}/data.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    admin = open_database(postgres.url("postgres").render_as_string(hide_password=False))
    async with admin.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await admin.dispose()
    return open_database(postgres.url(name).render_as_string(hide_password=False))


def _to(connection: Connection, version: str) -> None:
    config = DATA.config()
    config.attributes["connection"] = connection
    command.upgrade(config, version)


@pytest.mark.parametrize("kind", KINDS)
async def test_events_written_before_they_went_by_month_are_all_there(kind: str, request, tmp_path):
    """Events of any month, and of a clock that was wrong, come through the partitioning as they were."""
    engine = await made(kind, request, tmp_path)
    times = [micros(month_ago(back)) + 5 for back in (0, 1, 14)] + [0, 2**55]
    rows = [{"id": at.to_bytes(7) + os.urandom(9), "body": os.urandom(9)} for at in times]
    async with engine.begin() as connection:
        await connection.run_sync(_to, "0003")
        await connection.execute(_ROWS, rows)
    await migrate(engine, DATA)
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT event_id, body, sealed, recorded_at FROM event"))
        assert {tuple(row) for row in found} == {(row["id"], row["body"], False, 7) for row in rows}
    await engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
async def test_the_migrations_make_what_the_code_expects(kind: str, request, tmp_path):
    """Tables, columns and indexes of a migrated database are those of the schema, none more and none less."""
    engine = await made(kind, request, tmp_path, name="whole")
    await migrate(engine, DATA)
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await engine.dispose()
    assert differences == []


def _differences(connection: Connection) -> list[object]:
    """What the schema has and the database has not, or the other way round."""

    def ours(found, name: str, kind: str, *_: object) -> bool:
        """Not Alembic's own table, nor, on PostgreSQL, a month of events."""
        table = name if kind == "table" else found.table.name
        return table != DATA.version_table and not table.startswith("event_")

    context = MigrationContext.configure(connection, opts={"include_object": ours})
    return compare_metadata(context, DATA.metadata)
