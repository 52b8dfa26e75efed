"""The keystore as an operator sees it: counts by KEK version, pages to rewrap, compare-and-swap, the fence.

Never a DEK in the clear: the key server alone can turn a wrapped one into that, and not for this identity.
"""

import asyncio
from collections.abc import Sequence

import msgspec
from sqlalchemy import (
    ColumnElement,
    String,
    cast,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from keys.errors import KeystoreUnavailable
from keys.keystore import dek, translated
from keys.ring import WrappedDek

Swap = tuple[WrappedDek, WrappedDek]
"""One DEK as it was read, and as it is to be."""

_LOCK_NOT_AVAILABLE = "55P03"
_FENCE_TRIES = 100
_FENCE_PAUSE = 0.1
_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '200ms'")
_MAKE_FENCE = text("INSERT INTO kek_fence (tenant) VALUES (:tenant) ON CONFLICT DO NOTHING")
_RAISE_FENCE = text(
    "UPDATE kek_fence SET min_version = :version WHERE tenant = :tenant AND min_version < :version"
)
_SWAP = text(
    "UPDATE dek SET wrapped = new.wrapped,"
    " kek_version = substr(split_part(new.wrapped, ':', 2), 2)::integer"
    " FROM ROWS FROM (json_array_elements_text(CAST(:ids AS json)),"
    " json_array_elements_text(CAST(:old AS json)),"
    " json_array_elements_text(CAST(:new AS json))) AS new (dek_id, old, wrapped)"
    " WHERE dek.tenant = :tenant AND dek.dek_id = decode(new.dek_id, 'hex') AND dek.wrapped = new.old"
    # A page of the index, looked up once; else a young table is looked through from end to end.
    " AND dek.dek_id BETWEEN :first AND :last"
)
"""Lists travel as text: as arrays they cost the client three times as much."""

_SWAP_EACH = text(
    "UPDATE dek SET wrapped = :new, kek_version = :version"
    " WHERE tenant = :tenant AND dek_id = :id AND wrapped = :old"
)


class Holdings:
    """Every method may raise KeystoreUnavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def versions(self, tenant: str) -> dict[int, int]:
        """{KEK version: how many DEKs it wraps}, the canary among them."""
        counted = select(dek.c.kek_version, func.count()).where(dek.c.tenant == tenant)
        with translated():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(counted.group_by(dek.c.kek_version))).all()
        return {int(row[0]): int(row[1]) for row in sorted(rows)}

    async def behind(self, tenant: str, version: int) -> int:
        """How many DEKs are not under `version` or a newer one, by what their wrapped form says itself."""
        counted = select(func.count()).select_from(dek).where(dek.c.tenant == tenant, _behind(version))
        with translated():
            async with self._engine.connect() as connection:
                return int(await connection.scalar(counted) or 0)

    async def present(self, tenant: str, dek_ids: Sequence[bytes]) -> int:
        """How many of these DEKs there are."""
        mine = dek.c.tenant == tenant, dek.c.dek_id.in_(dek_ids)
        counted = select(func.count()).select_from(dek).where(*mine)
        with translated():
            async with self._engine.connect() as connection:
                return int(await connection.scalar(counted) or 0)

    async def page(self, tenant: str, *, below: int, after: bytes, limit: int) -> list[WrappedDek]:
        """DEKs that are not under `below` or newer, by id, from the one behind `after`."""
        due = select(dek.c.dek_id, dek.c.wrapped).where(
            dek.c.tenant == tenant, dek.c.dek_id > after, _behind(below)
        )
        with translated():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(due.order_by(dek.c.dek_id).limit(limit))).all()
        return [WrappedDek(row[0], row[1]) for row in rows]

    async def swap(self, tenant: str, swaps: Sequence[Swap]) -> int:
        """Put new wrapped forms where the old ones still stand; answers how many that were.

        A row that somebody else rewrapped, or deleted, meanwhile is let be.
        """
        if not swaps:
            return 0
        with translated():
            async with self._engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    return (await connection.execute(_SWAP, _columns(tenant, swaps))).rowcount
                return (await connection.execute(_SWAP_EACH, _rows(tenant, swaps))).rowcount

    async def raise_fence(self, tenant: str, version: int) -> None:
        """From now on no DEK under an older version is added; who had passed the fence has committed.

        It waits for those who hold the row, a moment at a time, so that nobody queues behind it for long.
        """
        for _ in range(_FENCE_TRIES):
            with translated():
                if await self._try_fence(tenant, version):
                    return
            await asyncio.sleep(_FENCE_PAUSE)
        raise KeystoreUnavailable("inserts are under way that do not end")

    async def _try_fence(self, tenant: str, version: int) -> bool:
        try:
            async with self._engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    await connection.execute(_LOCK_TIMEOUT)
                await connection.execute(_MAKE_FENCE, {"tenant": tenant})
                await connection.execute(_RAISE_FENCE, {"tenant": tenant, "version": version})
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            return False
        return True


def _behind(version: int) -> ColumnElement[bool]:
    """The column says so, or the wrapped form itself says another version than the column."""
    own = literal("vault:v") + cast(dek.c.kek_version, String) + ":%"
    return or_(dek.c.kek_version < version, dek.c.wrapped.not_like(own))


def _columns(tenant: str, swaps: Sequence[Swap]) -> dict[str, object]:
    ids = [old.dek_id for old, _ in swaps]
    return {
        "tenant": tenant,
        "ids": _as_json([one.hex() for one in ids]),
        "old": _as_json([old.wrapped for old, _ in swaps]),
        "new": _as_json([new.wrapped for _, new in swaps]),
        "first": min(ids),
        "last": max(ids),
    }


def _as_json(texts: list[str]) -> str:
    return msgspec.json.encode(texts).decode()


def _rows(tenant: str, swaps: Sequence[Swap]) -> list[dict[str, object]]:
    return [
        {
            "tenant": tenant,
            "id": old.dek_id,
            "old": old.wrapped,
            "new": new.wrapped,
            "version": new.kek_version,
        }
        for old, new in swaps
    ]
