"""Statements that are built and compiled once, from the tables' own definitions, and run many times.

On PostgreSQL a list is one parameter, an array, so that a statement is the same for lists of any length, and
it goes over a line. On SQLite it goes through SQLAlchemy, whose compiled form is found by the same object.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Insert,
    Select,
    String,
    TableValuedAlias,
    any_,
    bindparam,
    column,
    func,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

from keys.database import Database

T = TypeVar("T")
Statement: TypeAlias = Select[Any] | CompoundSelect[Any] | Insert
POSTGRESQL = "postgresql"


class Prepared:
    """One statement, which is given its parameters by name."""

    def __init__(self, build: Callable[[str], Statement]) -> None:
        """`build` makes it for a dialect, given by name."""
        self._build = build
        self._sqlite: Statement | None = None
        self._query = ""
        self._order: Sequence[str] = ()
        self._constants: dict[str, object] = {}

    async def run(self, database: Database, **given: object) -> Sequence[Sequence[Any]]:
        """Everything a SELECT finds. Raises: FAILURES."""
        if database.dialect.name == POSTGRESQL:
            query, arguments = self.compiled(database, given)
            return await (await database.line()).run(query, arguments)
        if self._sqlite is None:
            self._sqlite = self._build(database.dialect.name)
        async with database.connect() as connection:
            return (await connection.execute(self._sqlite, given)).all()

    def compiled(self, database: Database, given: dict[str, object]) -> tuple[str, list[object]]:
        """The text for PostgreSQL, and its parameters in their order."""
        if not self._query:
            rendered = {"render_postcompile": True}
            made = self._build(POSTGRESQL).compile(dialect=database.dialect, compile_kwargs=rendered)
            self._query, self._order = made.string, made.positiontup or ()
            self._constants = {name: value for name, value in made.params.items() if value is not None}
        values = self._constants | given
        return self._query, [values[name] for name in self._order]


def listed(dialect: str, member: ColumnElement[T], name: str) -> ColumnElement[bool]:
    """`member` is in the list that the parameter `name` holds."""
    if dialect == POSTGRESQL:
        return member == any_(bindparam(name, None, ARRAY(wide(member.type))))
    return member.in_(bindparam(name, (), expanding=True))


def looked_up_each(
    dialect: str, query: Select[Any], member: Column[T], name: str, *, newest: Column[Any] | None = None
) -> Select[Any]:
    """`query` for each value of `member` in the list that the parameter `name` holds; one row for each.

    On PostgreSQL each is looked up by itself, and by its whole key even without statistics: any other index
    would need a sort. `newest` ends a key that goes on behind `member`. On SQLite all its rows are found.
    """
    if dialect != POSTGRESQL:
        return query.where(listed(dialect, member, name))
    asked = unnested({name: member}, "asked")
    value = asked.c[member.name]
    if newest is None:
        # What is equal to one value is in order in any index; what lies between two of them is not.
        found = query.where(member.between(value, value)).order_by(member)
    else:
        found = query.where(member == value).order_by(newest.desc())
    one = found.limit(1).lateral(member.table.name)
    return select(*one.c).select_from(asked.join(one, true()))


def given(column: Column[T]) -> ColumnElement[bool]:
    """`column` is the parameter of its own name."""
    return column == bindparam(column.name, None, wide(column.type))


def unnested(columns: Mapping[str, Column[Any]], name: str) -> TableValuedAlias:
    """Rows under `name`, given as {parameter: column}: each parameter is an array. PostgreSQL only."""
    arrays = [bindparam(parameter, None, ARRAY(wide(one.type))) for parameter, one in columns.items()]
    rows = func.unnest(*arrays).table_valued(*(column(o.name, wide(o.type)) for o in columns.values()))
    return rows.render_derived(name)


def wide(kind: TypeEngine[T]) -> TypeEngine[Any]:
    """The type without its length: a cast to a shorter text would cut it off and say nothing."""
    return String() if isinstance(kind, String) else kind
