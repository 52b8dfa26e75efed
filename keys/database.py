"""A database as those who ask it with every request hold it: SQLAlchemy's engine, and lines to its driver.

A line is a connection that is spoken to straight: one statement, which is its own transaction, in one round
trip. PostgreSQL only: SQLite has no round trips to save.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any, Protocol, cast

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

WAIT_SECONDS = 2.0
"""For so long a statement waits until one of the lines is free."""
PLANNED_SECONDS = 30.0
"""For so long a line's statements keep their plans."""
FAILURES = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection whose server said good-bye before anything was asked
    OSError,
    TimeoutError,
)
"""Whatever a database, or the way to it, can fail with."""


class Driver(Protocol):
    """What is used of the driver's own connection."""

    async def fetch(self, query: str, *arguments: object) -> Sequence[Sequence[Any]]:
        """Run one statement, in a transaction of its own."""

    async def execute(self, query: str) -> str:
        """Run a command without parameters."""

    def is_closed(self) -> bool:
        """Whether it is known to be lost."""

    def terminate(self) -> None:
        """Close it at once, whatever it is doing."""


class Database(AsyncEngine):
    """An engine, and beside it lines to the same database."""

    def __init__(self, engine: AsyncEngine, *, lines: AsyncEngine | None = None, most: int = 0) -> None:
        """`lines` makes a connection for each line and keeps none itself; `most` of them at once."""
        super().__init__(engine.sync_engine)
        self._made_by = lines or engine
        self._places = asyncio.Semaphore(most)
        self._idle: list[Line] = []
        self.open = True
        """Until it is let go; lines that are in use then are ended after their statement."""

    async def line(self) -> "Line":
        """A line for one statement. Raises: FAILURES, and then nothing was run."""
        if self._places.locked():
            async with asyncio.timeout(WAIT_SECONDS):
                await self._places.acquire()
        else:
            await self._places.acquire()  # at once
        line: Line | None = None
        try:
            line = await self._idle_line() or await self._new_line()
        finally:
            if line is None:
                self._places.release()
        return line

    def give_back(self, line: "Line") -> None:
        """The next statement may have it."""
        self._idle.append(line)
        self._places.release()

    async def throw_away(self, line: "Line") -> None:
        """Nobody may have it: another is made when one is needed."""
        self._places.release()
        await line.end()

    async def dispose(self, close: bool = True) -> None:  # noqa: FBT001, FBT002  # the engine's own signature
        """Let every connection go that is not in use."""
        self.open = False
        idle, self._idle = self._idle, []
        for line in idle:
            await line.connection.close()
        await self._made_by.dispose(close)
        await super().dispose(close)

    async def _idle_line(self) -> "Line | None":
        while self._idle:
            line = self._idle.pop()
            if line.driver.is_closed():
                await line.end()
            else:
                await line.plan_anew()
                return line
        return None

    async def _new_line(self) -> "Line":
        connection = await self._made_by.connect()
        raw = await connection.get_raw_connection()
        return Line(connection, cast("Driver", raw.driver_connection), self)


class Line:
    """One connection, for one statement after the other. Nobody gets it anew after silence or doubt."""

    def __init__(self, connection: AsyncConnection, driver: Driver, database: Database) -> None:
        self.connection = connection
        self.driver = driver
        self._database = database
        self._planned = monotonic()

    async def plan_anew(self) -> None:
        """Now and then: its plans may be from before the tables grew. Raises: FAILURES; then it is gone."""
        if monotonic() - self._planned < PLANNED_SECONDS:
            return
        done = False
        try:
            await self.driver.execute("DISCARD PLANS")
            done = True
        finally:
            if not done:
                await self.end()
        self._planned = monotonic()

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
            if sound and self._database.open:
                self._database.give_back(self)
            else:
                await self._database.throw_away(self)
        return found

    async def end(self) -> None:
        """End the connection at once."""
        self.driver.terminate()
        await self.connection.invalidate()
        await self.connection.close()


def refused(error: BaseException) -> bool:
    """Whether the server itself said that it did not do what it was asked, and goes on listening.

    An error that the driver made up has no severity; one that ends the connection may follow a commit.
    """
    return isinstance(error, asyncpg.PostgresError) and getattr(error, "severity_en", None) == "ERROR"
