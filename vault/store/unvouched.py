"""Acts that no event bears out: rows that somebody put into the database beside the service. And guards that
are gone: events of freezes and planted records whose rows somebody took away.

The row is there to be used at once, in the statement that loads a record; this is the look behind it.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, and_, exists, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.acts import (
    case_act,
    consent,
    credential_freeze,
    credential_thaw,
    erasure_notice,
    hold,
    hold_lifted,
    honey,
    notice,
    recipient,
    record_state,
    subject_fact,
)
from vault.store.rows import looked_up, rows
from vault.store.schema import GUARD_VERBS, event

_VERBS: dict[Table, tuple[str, ...]] = {
    notice: ("notices",),
    consent: ("consent",),
    subject_fact: ("subjects",),
    record_state: ("retention", "erase"),
    hold: ("holds",),
    hold_lifted: ("holds",),
    case_act: ("cases", "release"),
    recipient: ("recipients",),
    erasure_notice: ("retention",),
    credential_freeze: ("freeze",),
    credential_thaw: ("credentials",),
    honey: ("honey",),
}
"""Which verbs' events may stand behind the rows of each table."""


_GUARDS: dict[Table, str] = {credential_freeze: "freeze", honey: "honey"}
"""Tables in which the row of every allowed event of a verb must stand: without it a guard is gone."""


@dataclass(frozen=True, slots=True)
class Unvouched:
    """How many rows of a table no event bears out."""

    table: str
    count: int


async def unvouched(engine: AsyncEngine, tenant: str, *, since: int) -> list[Unvouched]:
    """Tables with rows that no event bears out, recorded since a time (µs) before which bodies were dropped.

    Raises: Unavailable.
    """
    found = []
    for table, verbs in _VERBS.items():
        wanted = (
            select(func.count())
            .select_from(table)
            .where(table.c.tenant == tenant, table.c.recorded_at >= since, ~_borne_out(table, verbs))
        )
        count = int((await rows(engine, wanted))[0][0])
        if count:
            found.append(Unvouched(table.name, count))
    return found


async def missing(engine: AsyncEngine, tenant: str, *, since: int) -> list[Unvouched]:
    """Tables that lack the row of an event, of events since an id's time (µs). Raises: Unavailable."""
    found = []
    c = event.c
    for table, verb in _GUARDS.items():
        there = looked_up(table.c.event_id, table.c.tenant == c.tenant, table.c.event_id == c.event_id)
        wanted = (
            select(func.count())
            .select_from(event)
            .where(c.tenant == tenant, text(GUARD_VERBS), c.verb == verb, c.decision == "allow")
            .where(c.recorded_at >= since, there.is_(None))
        )
        count = int((await rows(engine, wanted))[0][0])
        if count:
            found.append(Unvouched(table.name, count))
    return found


def _borne_out(table: Table, verbs: tuple[str, ...]) -> ColumnElement[bool]:
    """An allowed event of the right verb about the same subject or token."""
    same = [
        event.c[name] == table.c[name]
        for name in ("subject", "token")
        if name in table.c and not table.c[name].nullable
    ]
    mine = event.c.tenant == table.c.tenant, event.c.event_id == table.c.event_id
    return exists().where(and_(*mine, event.c.verb.in_(verbs), event.c.decision == "allow", *same))
