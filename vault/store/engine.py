"""Opens a database: SQLite for one machine, PostgreSQL for production. A commit is on disk when answered."""

from collections.abc import Mapping

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from keys.database import Database

STATEMENT_SECONDS = 2.0
"""Half a deadline is too long to wait for one statement."""
# A plan kept for any list looks through a list of 1,000 row by row on a young table: 200 ms.
_PLANNED_EACH_TIME = {"plan_cache_mode": "force_custom_plan"}
# The few statements of the lines find every row by its own key, whatever the size of table and list, but for
# the looks at what is small and read whole. Planning them each time took longer than running them.
_PLANNED_ONCE = {"plan_cache_mode": "force_generic_plan"}
# Rows are found by keys even where statistics say that it would not pay. They can be wrong: beside lists of
# 1,000 events PostgreSQL takes all lists for long, and read four million rows to find 20,000.
_BY_KEYS = {"enable_seqscan": "off"}


def open_database(
    url: str, *, pool_size: int = 6, statement_seconds: float | None = STATEMENT_SECONDS
) -> Database:
    """An engine for `sqlite+aiosqlite:///path` or `postgresql+asyncpg://…`. Raises: ValueError for others.

    `statement_seconds` None: a statement of PostgreSQL may take as long as it takes, and read whole tables.
    """
    try:
        driver = make_url(url).drivername
    except ArgumentError:
        driver = ""
    if driver == "sqlite+aiosqlite":
        return _sqlite(url)
    if driver == "postgresql+asyncpg":
        return _postgresql(url, pool_size, statement_seconds)
    raise ValueError("the database URL must begin with sqlite+aiosqlite:// or postgresql+asyncpg://")


def _postgresql(url: str, pool_size: int, statement_seconds: float | None) -> Database:
    lines, unhurried = max(1, pool_size // 2), statement_seconds is None
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_size=max(1, pool_size - lines),
        max_overflow=0,
        pool_timeout=STATEMENT_SECONDS,
        pool_pre_ping=False,
        connect_args=_connecting(statement_seconds, _PLANNED_EACH_TIME | ({} if unhurried else _BY_KEYS)),
    )
    straight = create_async_engine(
        url,
        hide_parameters=True,
        poolclass=NullPool,
        connect_args=_connecting(statement_seconds, _PLANNED_ONCE | _BY_KEYS),
    )
    return Database(engine, lines=straight, most=lines)


def _connecting(statement_seconds: float | None, planning: Mapping[str, str]) -> dict[str, object]:
    return {
        "timeout": STATEMENT_SECONDS,
        "command_timeout": statement_seconds,
        "max_cached_statement_lifetime": 0,  # those that are used stay prepared
        "server_settings": {
            "synchronous_commit": "on",
            "application_name": "strongroom",
            "jit": "off",
            "idle_in_transaction_session_timeout": "10000",
            **planning,
        },
    }


def _sqlite(url: str) -> Database:
    engine = create_async_engine(
        url, hide_parameters=True, pool_timeout=STATEMENT_SECONDS, connect_args={"timeout": STATEMENT_SECONDS}
    )

    def on_connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # a commit is on disk before it is answered
            "secure_delete=ON",  # erased bytes are overwritten in the file
            "foreign_keys=ON",
            "trusted_schema=OFF",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine.sync_engine, "connect", on_connect)
    return Database(engine)
