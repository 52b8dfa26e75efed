"""Which tables a copy has, and how a row of each is spelt: one line of JSON, bytes in base64."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from sqlalchemy import LargeBinary, Table

from keys.keystore import metadata as keystore_tables
from vault.store.acts import METADATA

CopiedTable: TypeAlias = Table
"""What those who hold a table without looking into it call it."""
LEFT_OUT = frozenset({"standing", "sequencer_lease", "restoration"})
"""Not brought back: who leads, what control vouched for last, and what was restored before."""

DATA_TABLES: Mapping[str, Table] = {
    table.name: table for table in METADATA.sorted_tables if table.name not in LEFT_OUT
}
KEYSTORE_TABLES: Mapping[str, Table] = {table.name: table for table in keystore_tables.sorted_tables}
ERASURES = ("replaced", "tombstone")
"""The tables that say whose keys were destroyed."""
MOVES = ("replaced", "resealed")
"""The tables that say which tokens moved to another key, and lost the old one. Rows are only added."""


class NotACopy(Exception):
    """A line is not a row of its table. Never carries the line."""


def heading(table: Table) -> bytes:
    """The first line of a table's file: its columns."""
    return orjson.dumps([column.name for column in table.columns]) + b"\n"


def spell(table: Table, rows: Sequence[Sequence[Any]]) -> bytes:
    """Rows as lines."""
    binary = _binary(table)
    return b"".join(
        orjson.dumps([_text(one) if i in binary else one for i, one in enumerate(row)]) + b"\n"
        for row in rows
    )


def read(table: Table, lines: Sequence[bytes]) -> dict[str, list[Any]]:
    """Lines as columns. Raises: NotACopy."""
    binary, width = _binary(table), len(table.columns)
    columns: list[list[Any]] = [[] for _ in range(width)]
    for line in lines:
        try:
            row = orjson.loads(line)
            if not isinstance(row, list) or len(row) != width:
                raise NotACopy
            for i, one in enumerate(row):
                columns[i].append(_raw(one) if i in binary else _plain(one))
        except (orjson.JSONDecodeError, binascii.Error, TypeError, ValueError):
            raise NotACopy from None
    return dict(zip((column.name for column in table.columns), columns, strict=True))


def _binary(table: Table) -> frozenset[int]:
    return frozenset(i for i, one in enumerate(table.columns) if isinstance(one.type, LargeBinary))


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()


def _raw(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)


def _plain(value: object) -> object:
    if isinstance(value, list | dict | float):
        raise NotACopy
    return value
