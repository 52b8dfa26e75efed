"""Copies of a PostgreSQL database: cloned once, then put back to what they were, which takes no new files."""

import itertools

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.plugins.postgres import Postgres
from vault.store.acts import METADATA

_INDEXES = (
    "CREATE UNIQUE INDEX IF NOT EXISTS leaf_event ON leaf (tenant, event_id)",
    "CREATE UNIQUE INDEX IF NOT EXISTS leaf_list ON leaf (tenant, list_id) WHERE position = 0",
)
"""Those that a test may have dropped."""
_numbers = itertools.count(1)


async def keep(url: str) -> None:
    """Keep what is in every table, in the same database; clones have it too."""
    kept = [f"CREATE TABLE kept.{name} AS TABLE public.{name}" for name in METADATA.tables]
    await _run(url, ["CREATE SCHEMA kept", *kept])


async def clone(postgres: Postgres, source: URL, spare: list[str]) -> str:
    """The name of a database as `source` was kept; nobody else may be connected to that."""
    if spare:
        name = spare.pop()
        back = [f"DELETE FROM public.{name}" for name in METADATA.tables]
        back += [f"INSERT INTO public.{name} SELECT * FROM kept.{name}" for name in METADATA.tables]
        await _run(postgres.url(name), [*back, *_INDEXES])
        return name
    name = f"scene_{next(_numbers)}"
    engine = create_async_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{source.database}"'))
    await engine.dispose()
    return name


async def _run(url: URL | str, statements: list[str]) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()
