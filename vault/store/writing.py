"""Rows on their way into several tables, written by one statement that is its own transaction.

PostgreSQL only, where each table's rows are an INSERT of their own beneath one WITH: all of them are written
or none, in one round trip. Tables and columns make the statement, and never how many rows there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Insert, Table, bindparam, insert, select

from keys.database import Database
from keys.prepared import Prepared, unnested, wide
from vault.store import failures

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table, given as columns; `same` holds what is equal in all of them. No columns: one row."""

    table: Table
    same: Mapping[str, object]
    columns: Mapping[str, Sequence[object]]


async def write_together(database: Database, waiting: Sequence[Rows]) -> None:
    """Write all of it or nothing. Raises: Clash, Unavailable, OutcomeUnknown."""
    statement = _together(tuple((one.table, tuple(one.same), tuple(one.columns)) for one in waiting))
    given = {
        _name(i, name): value
        for i, one in enumerate(waiting)
        for name, value in (*one.same.items(), *one.columns.items())
    }
    query, arguments = statement.compiled(database, given)
    with failures.statements():
        line = await database.line()
    with failures.whole():
        await line.run(query, arguments)


@cache
def _together(shapes: tuple[tuple[Table, Names, Names], ...]) -> Prepared:
    def build(_: str) -> Insert:
        *others, last = (_insert(i, *shape) for i, shape in enumerate(shapes))
        return last.add_cte(*(one.cte(f"written_{i}") for i, one in enumerate(others)))

    return Prepared(build)


def _insert(number: int, table: Table, same: Names, columns: Names) -> Insert:
    fixed = [bindparam(_name(number, name), None, wide(table.c[name].type)) for name in same]
    if not columns:
        return insert(table).from_select([*same], select(*fixed))
    given = unnested({_name(number, name): table.c[name] for name in columns}, f"given_{number}")
    return insert(table).from_select([*same, *columns], select(*fixed, *given.c))


def _name(number: int, column: str) -> str:
    return f"{column}_{number}"
