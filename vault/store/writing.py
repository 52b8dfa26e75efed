"""Rows on their way into several tables, written by one statement that is its own transaction.

PostgreSQL only, where each table's rows are an INSERT of their own beneath one WITH: all of them are written
or none, in one round trip. Tables and columns make the statement, and never how many rows there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Insert, Select, Table, bindparam, insert, select

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
    given: dict[str, object] = {}
    for i, one in enumerate(waiting):
        given |= parameters(one.same, one.columns, number=i)
    query, arguments = statement.compiled(database, given)
    with failures.statements():
        line = await database.line()
    with failures.whole():
        await line.run(query, arguments)


@cache
def _together(shapes: tuple[tuple[Table, Names, Names], ...]) -> Prepared:
    def build(_: str) -> Insert:
        *others, last = (
            insert(table).from_select([*same, *columns], given_rows(table, same, columns, number=i))
            for i, (table, same, columns) in enumerate(shapes)
        )
        return last.add_cte(*(one.cte(f"written_{i}") for i, one in enumerate(others)))

    return Prepared(build)


def given_rows(table: Table, same: Names, columns: Names, *, number: int = 0) -> Select[Any]:
    """Rows for a table, as the `parameters` of the same number: each of `columns` is an array."""
    fixed = [bindparam(_name(number, name), None, wide(table.c[name].type)) for name in same]
    if not columns:
        return select(*fixed)
    given = unnested({_name(number, name): table.c[name] for name in columns}, f"given_{number}")
    return select(*fixed, *given.c)


def parameters(
    same: Mapping[str, object], columns: Mapping[str, Sequence[object]], *, number: int = 0
) -> dict[str, object]:
    """What `given_rows` of this number is run with."""
    return {_name(number, name): value for name, value in (*same.items(), *columns.items())}


def _name(number: int, column: str) -> str:
    return f"{column}_{number}"
