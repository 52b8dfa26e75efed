"""Credentials that were frozen, and how each was freed. Rows are only ever added; time lifts nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncEngine

from keys.database import Database
from keys.prepared import Prepared, Statement
from vault.store import failures
from vault.store.acts import credential_freeze, credential_thaw
from vault.store.rows import looked_up, rows
from vault.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Freeze:
    """One freeze. Times are µs since 1970."""

    freeze_id: bytes
    credential: str
    cause: str
    event_id: bytes
    recorded_at: int = 0


_COLUMNS = [credential_freeze.c[name] for name in Freeze.__dataclass_fields__]
_OPEN = ~exists().where(
    credential_thaw.c.tenant == credential_freeze.c.tenant,
    credential_thaw.c.freeze_id == credential_freeze.c.freeze_id,
)


def _frozen(_: str) -> Statement:
    c = credential_freeze.c
    thaw = credential_thaw.c
    thawed = looked_up(thaw.freeze_id, thaw.tenant == c.tenant, thaw.freeze_id == c.freeze_id)
    return select(c.tenant, c.credential).where(thawed.is_(None))


_FROZEN = Prepared(_frozen)


async def frozen_credentials(database: Database) -> Mapping[str, frozenset[str]]:
    """{tenant: the credentials that are frozen now}. Raises: Unavailable."""
    found: dict[str, set[str]] = {}
    with failures.statements():
        answer = await _FROZEN.run(database)
    for row in answer:
        found.setdefault(row[0], set()).add(row[1])
    return {tenant: frozenset(names) for tenant, names in found.items()}


class Freezes:
    """The freezes of a tenant. Every method may raise Unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, unit: Unit, tenant: str, new: Sequence[Freeze]) -> None:
        """Freeze credentials, each with the id of its event."""
        columns = ("freeze_id", "credential", "cause", "event_id")
        written = [{"tenant": tenant, **{name: getattr(one, name) for name in columns}} for one in new]
        await unit.add_rows(credential_freeze, written)

    async def open(self, tenant: str) -> list[Freeze]:
        """Those that nobody has lifted, the oldest first."""
        wanted = (
            select(*_COLUMNS)
            .where(credential_freeze.c.tenant == tenant, _OPEN)
            .order_by(credential_freeze.c.freeze_id)
        )
        return [Freeze(*row) for row in await rows(self._engine, wanted)]
