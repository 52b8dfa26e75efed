"""Many rows in one statement of one shape, whatever their number. PostgreSQL takes columns as arrays."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Executable,
    ScalarSelect,
    Table,
    any_,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from keys.prepared import wide
from vault.store import failures
from vault.store.writing import given_rows, parameters

T = TypeVar("T")


async def rows(engine: AsyncEngine, statement: Executable) -> Sequence[Any]:
    """Everything a SELECT finds. Raises: Unavailable."""
    with failures.statements():
        async with engine.connect() as connection:
            return (await connection.execute(statement)).all()


def among(
    engine: AsyncEngine | AsyncConnection, member: ColumnElement[T], values: Collection[T]
) -> ColumnElement[bool]:
    """`member` is one of `values`. A list of parameters would be another statement for each length."""
    if engine.dialect.name == "postgresql":
        return member == any_(literal(list(values), ARRAY(wide(member.type))))
    return member.in_(list(values))


def looked_up(
    found: ColumnElement[Any], *where: ColumnElement[bool], newest: ColumnElement[Any] | None = None
) -> ScalarSelect[Any]:
    """A column of a row that matches, NULL when none does: one look into an index for each outer row.

    EXISTS becomes a join, and while PostgreSQL has no statistics of a young table, one that reads all of a
    tenant's rows for each. `newest` names the last column of the index to use: one without it needs a sort.
    """
    query = select(found).where(*where)
    return (query if newest is None else query.order_by(newest.desc())).limit(1).scalar_subquery()


async def insert_rows(
    connection: AsyncConnection,
    table: Table,
    same: Mapping[str, object],
    columns: Mapping[str, Sequence[object]],
) -> None:
    """Insert rows given as columns; `same` holds what is equal in all of them. No columns: one row."""
    names = list(columns)
    if connection.dialect.name == "postgresql" and columns:
        new = insert(table).from_select([*same, *names], given_rows(table, tuple(same), tuple(names)))
        await connection.execute(new, parameters(same, columns))
        return
    every = zip(*columns.values(), strict=True) if columns else [()]
    rows = [{**same, **dict(zip(names, row, strict=True))} for row in every]
    # Inline: else one row alone is given the database's own default, read first and then named.
    await connection.execute(insert(table).inline(), rows)


async def put_rows(
    connection: AsyncConnection,
    table: Table,
    same: Mapping[str, object],
    columns: Mapping[str, Sequence[object]],
) -> None:
    """Insert rows given as columns; where a row of their key is there, set its other columns to theirs."""
    names = [*same, *columns]
    kept = {column.name for column in table.primary_key}
    if connection.dialect.name == "postgresql":
        into = postgresql.insert(table).from_select(names, given_rows(table, tuple(same), tuple(columns)))
        await connection.execute(
            into.on_conflict_do_update(
                index_elements=list(table.primary_key),
                set_={name: into.excluded[name] for name in names if name not in kept},
            ),
            parameters(same, columns),
        )
        return
    one = sqlite.insert(table)
    put = one.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: one.excluded[name] for name in names if name not in kept},
    )
    rows_of = [
        {**same, **dict(zip(columns, row, strict=True))} for row in zip(*columns.values(), strict=True)
    ]
    await connection.execute(put, rows_of)
