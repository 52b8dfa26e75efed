"""A database as those who ask it with every request hold it: SQLAlchemy's engine, and lines to its driver.

A line is a connection of the engine's own pool that is spoken to straight: one statement, which is its own
transaction, in one round trip. Some lines stay taken, so that the next statement finds one without the pool.
PostgreSQL only: SQLite has no round trips to save.
"""

from collections.abc import Sequence
from typing import Any, Protocol, cast

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

FAILURES = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""Whatever a database, or the way to it, can fail with."""


class Driver(Protocol):
    """What is used of the driver's own connection."""

    async def fetch(self, query: str, *arguments: object) -> Sequence[Sequence[Any]]:
        """Run one statement, in a transaction of its own."""

    def is_closed(self) -> bool:
        """Whether it is known to be lost."""

    def terminate(self) -> None:
        """Close it at once, whatever it is doing."""


class Database(AsyncEngine):
    """An engine whose connections can also be spoken to straight."""

    def __init__(self, engine: AsyncEngine, *, lines_kept: int = 0) -> None:
        """`lines_kept`: so many connections of the pool stay taken once they were used. Fewer than it has."""
        super().__init__(engine.sync_engine)
        self._lines_kept = lines_kept
        self._lines: list[Line] = []

    async def line(self) -> "Line":
        """A line for one statement. Raises: FAILURES, and then nothing was run."""
        while self._lines:
            line = self._lines.pop()
            if not line.driver.is_closed():
                return line
            await line.throw_away()
        connection = await self.connect()
        raw = await connection.get_raw_connection()
        return Line(connection, cast("Driver", raw.driver_connection), self)

    async def give_back(self, line: "Line") -> None:
        """Keep a line for the next statement, or leave its connection to the pool."""
        if len(self._lines) < self._lines_kept:
            self._lines.append(line)
        else:
            await line.connection.close()

    async def dispose(self, close: bool = True) -> None:  # noqa: FBT001, FBT002  # the engine's own signature
        """Let every connection go that is not in use."""
        lines, self._lines = self._lines, []
        for line in lines:
            await line.connection.close()
        await super().dispose(close)


class Line:
    """One connection, for one statement after the other. Nobody gets it anew after silence or doubt."""

    def __init__(self, connection: AsyncConnection, driver: Driver, database: Database) -> None:
        self.connection = connection
        self.driver = driver
        self._database = database

    async def run(self, query: str, arguments: Sequence[object]) -> Sequence[Sequence[Any]]:
        """Run one statement and give the line back. Raises: FAILURES; then `refused` tells whether it ran."""
        sound = False
        try:
            found = await self.driver.fetch(query, *arguments)
            sound = True
        except asyncpg.PostgresError as error:
            sound = refused(error)
            raise
        finally:
            await (self._database.give_back(self) if sound else self.throw_away())
        return found

    async def throw_away(self) -> None:
        """End the connection; the pool makes another when one is needed."""
        self.driver.terminate()
        await self.connection.invalidate()
        await self.connection.close()


def refused(error: BaseException) -> bool:
    """Whether the server itself said that it did not do what it was asked, and goes on listening.

    An error that the driver made up has no severity; one that ends the connection may follow a commit.
    """
    return isinstance(error, asyncpg.PostgresError) and getattr(error, "severity_en", None) == "ERROR"
