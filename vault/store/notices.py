"""Versions of the privacy notice: what was shown to whom is told by the name a tokenization gives."""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.acts import notice
from vault.store.rows import rows
from vault.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Notice:
    """One version in one language. `sha256` is of the text as it was published; times in µs since 1970."""

    version: str
    language: str
    title: str
    effective_at: int
    sha256: str
    purposes: tuple[str, ...]
    event_id: bytes = b""
    recorded_at: int = 0

    @property
    def name(self) -> str:
        """How a tokenization or a consent names it."""
        return f"{self.version}/{self.language}"


class Notices:
    """The notices of a tenant."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: set[tuple[str, str]] = set()

    async def add(self, unit: Unit, tenant: str, new: Notice, event_id: bytes) -> None:
        """Write one. Raises: Clash when this version exists in this language: a notice is never changed."""
        row = {
            "tenant": tenant,
            "version": new.version,
            "language": new.language,
            "title": new.title,
            "effective_at": new.effective_at,
            "sha256": new.sha256,
            "purposes": orjson.dumps(new.purposes).decode(),
            "event_id": event_id,
        }
        await unit.add_rows(notice, [row])

    async def listing(self, tenant: str) -> list[Notice]:
        """Every notice, the newest first."""
        wanted = select(
            notice.c.version, notice.c.language, notice.c.title, notice.c.effective_at, notice.c.sha256,
            notice.c.purposes, notice.c.event_id, notice.c.recorded_at,
        ).where(notice.c.tenant == tenant)  # fmt: skip
        found = await rows(self._engine, wanted.order_by(notice.c.effective_at.desc(), notice.c.language))
        return [Notice(*(*row[:5], tuple(orjson.loads(row[5])), *row[6:])) for row in found]

    async def unknown(self, tenant: str, names: Iterable[str]) -> set[str]:
        """Which of `names` (version/language) are no notice. A known one is asked about once."""
        new = {name for name in names if (tenant, name) not in self._known}
        if new:
            versions = {name.partition("/")[0] for name in new}
            wanted = select(notice.c.version, notice.c.language).where(
                notice.c.tenant == tenant, notice.c.version.in_(sorted(versions))
            )
            self._known |= {(tenant, f"{row[0]}/{row[1]}") for row in await rows(self._engine, wanted)}
        return {name for name in new if (tenant, name) not in self._known}
