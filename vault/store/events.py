"""Reads of the event log for those who may read it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.rows import among, rows
from vault.store.schema import event

_FIRST = bytes(16)
_LAST = b"\xff" * 16


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events: each member narrows, None does not. `since` ≤ time < `until`, µs."""

    token: str | None = None
    subject: str | None = None
    actor: str | None = None
    purpose: str | None = None
    decision: str | None = None
    verb: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of the log: after this event (exclusive), in this order, inside these times."""

    limit: int
    order: Literal["newest", "oldest"] = "newest"
    after: bytes | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as the database has it."""

    event_id: bytes
    commitment: bytes
    salt: bytes
    body: bytes
    list_id: bytes = b""


async def read_events(
    engine: AsyncEngine, tenant: str, wanted: Filter, page: Page, *, sealed: bool
) -> Sequence[StoredEvent]:
    """At most `page.limit` events, those that are sealed only if `sealed`. Raises: Unavailable."""
    c = event.c
    first = page.since.to_bytes(7) + bytes(9) if page.since is not None else _FIRST
    last = page.until.to_bytes(7) + bytes(9) if page.until is not None else _LAST
    query = select(c.event_id, c.commitment, c.salt, c.body, c.list_id).where(
        c.tenant == tenant, c.event_id >= first, c.event_id < last
    )
    if not sealed:
        query = query.where(c.sealed.is_(False))
    for name in (one.name for one in fields(wanted)):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(c[name] == value)
    newest = page.order == "newest"
    if page.after is not None:
        query = query.where(c.event_id < page.after if newest else c.event_id > page.after)
    query = query.order_by(c.event_id.desc() if newest else c.event_id).limit(page.limit)
    return [StoredEvent(*row) for row in await rows(engine, query)]


class EventReader:
    """Reads whole lists of events, for whoever holds another log against ours."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def events(self, tenant: str, list_ids: Collection[bytes]) -> Sequence[StoredEvent]:
        """Every allowed event of these lists. Raises: Unavailable."""
        c = event.c
        query = select(c.event_id, c.commitment, c.salt, c.body, c.list_id).where(
            c.tenant == tenant, among(self._engine, c.list_id, list_ids), c.decision == "allow"
        )
        return [StoredEvent(*row) for row in await rows(self._engine, query)]
