"""Credentials that were frozen, and how each was freed. Rows are only ever added; time lifts nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.acts import credential_freeze, credential_thaw
from vault.store.rows import rows
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


async def frozen_credentials(engine: AsyncEngine) -> Mapping[str, frozenset[str]]:
    """{tenant: the credentials that are frozen now}. Raises: Unavailable."""
    found: dict[str, set[str]] = {}
    for row in await rows(
        engine, select(credential_freeze.c.tenant, credential_freeze.c.credential).where(_OPEN)
    ):
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
