"""What a database role may do, as PostgreSQL itself says, beside what vault/store/roles.py gives it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store import failures

_GRANT = re.compile(r"([A-Z]+)(?: \(([^)]*)\))? ON (FUNCTION )?([a-z_0-9]+)(\(.*\))?")
_ATTRIBUTES = ("rolsuper", "rolcreatedb", "rolcreaterole", "rolreplication", "rolbypassrls")
_COLUMNS = """SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped"""
_BY_COLUMN = """SELECT privilege_type, table_name, column_name FROM information_schema.column_privileges
    WHERE table_schema = 'public' AND grantee IN (current_user, 'PUBLIC')"""
_BY_TABLE = """SELECT privilege_type, table_name FROM information_schema.table_privileges
    WHERE table_schema = 'public' AND grantee IN (current_user, 'PUBLIC')"""

Right = tuple[str, str, str]
"""(what, table, column), the column empty where a right is the table's."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A role beside the table of rights."""

    role: str
    more: Sequence[Right]
    """What it may and should not."""
    less: Sequence[Right]
    """What it should and may not."""
    attributes: Sequence[str]
    """Attributes that no role of ours has, such as SUPERUSER."""


async def compare_rights(engine: AsyncEngine, wanted: Sequence[str], *, readable: str) -> Compared | None:
    """Compare what this connection's role may do with `wanted`; None on SQLite. Raises: Unavailable.

    `readable` is the one table that everybody may read besides.
    """
    if engine.dialect.name != "postgresql":
        return None
    with failures.statements():
        async with engine.connect() as connection:
            columns = (await connection.execute(text(_COLUMNS))).all()
            held = {(r[0], r[1], r[2]) for r in (await connection.execute(text(_BY_COLUMN))).all()}
            whole = {(r[0], r[1], "") for r in (await connection.execute(text(_BY_TABLE))).all()}
            role = (
                await connection.execute(text("SELECT * FROM pg_roles WHERE rolname = current_user"))
            ).mappings().one()  # fmt: skip
    held |= {one for one in whole if one[0] in ("DELETE", "TRUNCATE", "TRIGGER")}
    due = {right for grant in (*wanted, f"SELECT ON {readable}") for right in _expanded(grant, columns)}
    return Compared(
        str(role["rolname"]),
        sorted(held - due),
        sorted(due - held),
        [name.removeprefix("rol").upper() for name in _ATTRIBUTES if role[name]],
    )


def _expanded(grant: str, columns: Sequence[Sequence[str]]) -> set[Right]:
    """One GRANT as rights on columns, or on the table where rights on columns do not exist."""
    match = _GRANT.fullmatch(grant)
    if match is None or match[3]:
        return set()
    what, named, _, table, _ = match.groups()
    if what in ("DELETE", "TRUNCATE", "TRIGGER"):
        return {(what, table, "")}
    names = [one.strip() for one in named.split(",")] if named else [c for t, c in columns if t == table]
    return {(what, table, name) for name in names}
