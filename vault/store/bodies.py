"""Numbered events with everything that proves them, for those who may read what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable, and_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.log.bundle import BundledEvent, BundledList, BundledWorker
from vault.store import failures
from vault.store.retention import dropped_before, id_at
from vault.store.rows import among
from vault.store.schema import event, leaf, signed_list, worker


@dataclass(frozen=True, slots=True)
class Bodies:
    """Numbered events with their lists and their workers, and how many bodies are gone that must be there."""

    workers: list[BundledWorker]
    lists: list[BundledList]
    events: list[BundledEvent]
    missing: int


async def read_bodies(engine: AsyncEngine, tenant: str, *, first: int, count: int, sealed: bool) -> Bodies:
    """Up to `count` numbered events from `first` on; sealed ones with body only if `sealed`.

    Raises: Unavailable.
    """
    kept = and_(event.c.tenant == leaf.c.tenant, event.c.event_id == leaf.c.event_id)
    columns = (leaf.c.idx, leaf.c.event_id, leaf.c.list_id, leaf.c.position)
    shown = (event.c.salt, event.c.body, event.c.sealed)
    numbered = (
        select(*columns, *shown)
        .select_from(leaf.outerjoin(event, kept))
        .where(leaf.c.tenant == tenant, leaf.c.idx >= first, leaf.c.idx < first + count)
        .order_by(leaf.c.idx)
    )
    rows = await _rows(engine, numbered)
    floor = id_at(await dropped_before(engine))
    missing = sum(row.sealed is None and row.event_id >= floor for row in rows)
    events = [_shown(row, sealed=sealed) for row in rows]
    c, list_ids = signed_list.c, list(dict.fromkeys(one.list_id for one in events))
    those = select(c.list_id, c.worker_id, c.chain, c.seq, c.previous, c.size, c.signature).where(
        c.tenant == tenant, among(engine, c.list_id, list_ids)
    )
    lists = [BundledList(*row) for row in await _rows(engine, those)]
    w, worker_ids = worker.c, list(dict.fromkeys(one.worker_id for one in lists))
    signers = select(w.worker_id, w.plane, w.public_key, w.started_at, w.key_version, w.endorsement).where(
        among(engine, w.worker_id, worker_ids)
    )
    workers = [BundledWorker(*row) for row in await _rows(engine, signers)]
    return Bodies(workers, lists, events, missing)


def _shown(row: Any, *, sealed: bool) -> BundledEvent:
    salt, body = (None, None) if row.sealed and not sealed else (row.salt, row.body)
    gone = row.sealed is None  # the row is not there
    return BundledEvent(row.idx, row.event_id, row.list_id, row.position, salt, body, gone)


async def _rows(engine: AsyncEngine, statement: Executable) -> Sequence[Any]:
    with failures.statements():
        async with engine.connect() as connection:
            return (await connection.execute(statement)).all()
