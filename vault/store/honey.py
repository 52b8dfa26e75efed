"""Planted records, as digests that do not say which they are. Rows are only ever added."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.acts import honey
from vault.store.rows import rows
from vault.store.unit import Unit


class Honey:
    """The planted records of a tenant."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def digests(self, tenant: str) -> frozenset[bytes]:
        """All of them. Raises: Unavailable."""
        found = await rows(self._engine, select(honey.c.digest).where(honey.c.tenant == tenant))
        return frozenset(row[0] for row in found)

    async def add(self, unit: Unit, tenant: str, planted: Sequence[tuple[bytes, bytes]]) -> None:
        """Add digests, each with the id of its event. Raises: Clash when one is there already."""
        new = [{"tenant": tenant, "digest": digest, "event_id": event_id} for digest, event_id in planted]
        await unit.add_rows(honey, new)
