"""What whoever seals records anew reads and writes: which are due, the swap, index rows of old versions.

A row is changed only while it is as it was opened and nobody else holds it; what is skipped stays due.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.failures import Clash
from vault.store.records import Stored
from vault.store.rows import among, rows
from vault.store.schema import blind_index, db_clock, record, resealed, tombstone
from vault.store.unit import NewIndexRow, NewRecord, Unit


@dataclass(frozen=True, slots=True)
class OldRow:
    """A blind-index row that an older version of its key made."""

    digest: bytes
    token: str


class Resealing:
    """Every method may raise Unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def due(
        self, tenant: str, *, before: int, field_type: str | None, after: str, limit: int
    ) -> list[str]:
        """Tokens of living records last sealed before a time (µs), in their order, from behind `after` on."""
        wanted = select(record.c.token).where(record.c.token > after, *_due(tenant, before, field_type))
        page = wanted.order_by(record.c.token).limit(limit)
        return [row[0] for row in await rows(self._engine, page)]

    async def count_due(self, tenant: str, *, before: int, field_type: str | None) -> int:
        """How many such records there are."""
        counted = select(func.count()).select_from(record).where(*_due(tenant, before, field_type))
        return int((await rows(self._engine, counted))[0][0])

    async def waiting(self, tenant: str) -> int:
        """DEKs that records were sealed under before, and that the office has not destroyed yet."""
        left = resealed.c.tenant == tenant, resealed.c.key_destroyed_at.is_(None)
        return int((await rows(self._engine, select(func.count()).select_from(resealed).where(*left)))[0][0])

    async def held(self, unit: Unit, tenant: str, opened: Sequence[Stored]) -> list[Stored]:
        """Those of `opened` that are as they were, until the unit ends. What others hold is left out."""
        if self._engine.dialect.name == "sqlite":
            await unit.run(text("BEGIN IMMEDIATE"))  # its driver would begin with the first change, too late
        wanted = {(one.token, one.version, one.dek_id): one for one in opened}
        found = await unit.run(
            select(record.c.token, record.c.version, record.c.dek_id)
            .where(record.c.tenant == tenant, among(self._engine, record.c.token, [s.token for s in opened]))
            .order_by(record.c.token)
            .with_for_update(skip_locked=True)
        )
        return [wanted[key] for row in found.all() if (key := tuple(row)) in wanted]

    async def swap(self, unit: Unit, tenant: str, swaps: Sequence[tuple[Stored, NewRecord]]) -> None:
        """Put records sealed anew in their own places, and remember the DEKs they had.

        Raises: Clash when one has changed, or its new DEK's lease has run out.
        """
        for old, new in swaps:
            same = {"tenant": tenant, "token": old.token, "version": old.version, "dek_id": old.dek_id}
            done = await unit.run(
                update(record)
                # The sweeper trusts that a record is only ever written while its DEK's lease runs.
                .where(*(record.c[name] == value for name, value in same.items()), new.dek_lease > db_clock())
                .values(dek_id=new.dek_id, sealed=new.sealed, dek_lease=new.dek_lease, resealed_at=db_clock())
            )
            if done.rowcount != 1:
                raise Clash
            await unit.run(insert(resealed).values(same).inline())

    async def index_versions(self, tenant: str) -> dict[str, dict[int, int]]:
        """{field type: {version of its index key: rows}}."""
        c = blind_index.c
        kinds = c.field_type, c.key_version
        counted = select(*kinds, func.count()).where(c.tenant == tenant).group_by(*kinds)
        found: dict[str, dict[int, int]] = {}
        for row in await rows(self._engine, counted):
            found.setdefault(row[0], {})[int(row[1])] = int(row[2])
        return found

    async def old_rows(
        self, tenant: str, field_type: str, *, below: int, after: OldRow | None, limit: int
    ) -> list[OldRow]:
        """Index rows made before version `below`, in the order of their digests, from behind `after` on."""
        c = blind_index.c
        wanted = select(c.digest, c.token).where(*_old(tenant, field_type, below))
        if after is not None:
            wanted = wanted.where(tuple_(c.digest, c.token) > (after.digest, after.token))
        page = wanted.order_by(c.digest, c.token).limit(limit)
        return [OldRow(row[0], row[1]) for row in await rows(self._engine, page)]

    async def reindex(self, unit: Unit, tenant: str, new: Mapping[str, NewIndexRow]) -> None:
        """Give each token its one row anew, {token: row}."""
        for token, row in new.items():
            await unit.run(
                delete(blind_index).where(
                    blind_index.c.tenant == tenant,
                    blind_index.c.token == token,
                    blind_index.c.field_type == row.field_type,
                )
            )
        await unit.add_index(tenant, list(new.values()))

    async def drop_stray(self, unit: Unit, tenant: str, field_type: str, *, below: int) -> int:
        """Remove old index rows beside which no living record of their type stands: nobody finds those."""
        stray = ~exists().where(
            record.c.tenant == tenant,
            record.c.token == blind_index.c.token,
            record.c.field_type == blind_index.c.field_type,
        ) | exists().where(tombstone.c.tenant == tenant, tombstone.c.token == blind_index.c.token)
        gone = await unit.run(delete(blind_index).where(*_old(tenant, field_type, below), stray))
        return gone.rowcount


def _old(tenant: str, field_type: str, below: int) -> tuple[ColumnElement[bool], ...]:
    c = blind_index.c
    return c.tenant == tenant, c.field_type == field_type, c.key_version < below


def _due(tenant: str, before: int, field_type: str | None) -> tuple[ColumnElement[bool], ...]:
    c, newer = record.c, record.alias("newer")
    outdated = exists().where(
        newer.c.tenant == c.tenant, newer.c.token == c.token, newer.c.version > c.version
    )
    buried = exists().where(tombstone.c.tenant == c.tenant, tombstone.c.token == c.token)
    sealed_before = or_(c.resealed_at < before, and_(c.resealed_at.is_(None), c.created_at < before))
    of_type = () if field_type is None else (c.field_type == field_type,)
    return c.tenant == tenant, sealed_before, ~outdated, ~buried, *of_type
