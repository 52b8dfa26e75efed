"""What becomes of records over time: their states, when they were last used, what was announced."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.acts import erasure_notice, record_state
from vault.store.rows import among, rows
from vault.store.schema import event, record, tombstone
from vault.store.unit import Unit

USES = ("detokenize", "replace", "export", "disclose")
"""Verbs that process a value once it is there. Looking at what is known about it does not."""


@dataclass(frozen=True, slots=True)
class NewState:
    """A record put in another state: why, and for archived until when (a civil day) and under which law."""

    token: str
    number: int
    state: str
    reason: str
    event_id: bytes
    until: str | None = None
    law: str | None = None


@dataclass(frozen=True, slots=True)
class KeptAs:
    """The latest state of a record, as the office put it."""

    number: int
    state: str
    until: str | None
    law: str | None
    reason: str
    recorded_at: int


class Lives:
    """The states of a tenant's records."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def states(self, tenant: str, tokens: Sequence[str]) -> dict[str, KeptAs]:
        """The latest state of each token that ever had another than active."""
        s, later = record_state, record_state.alias("later")
        newer = exists().where(
            later.c.tenant == s.c.tenant, later.c.token == s.c.token, later.c.number > s.c.number
        )
        wanted = select(
            s.c.token, s.c.number, s.c.state, s.c.until, s.c.law, s.c.reason, s.c.recorded_at
        ).where(s.c.tenant == tenant, among(self._engine, s.c.token, tokens), ~newer)
        return {row[0]: KeptAs(*row[1:]) for row in await rows(self._engine, wanted)}

    async def put(self, unit: Unit, tenant: str, states: Sequence[NewState]) -> None:
        """Write states. Raises: Clash when somebody else put the same record elsewhere meanwhile."""
        names = NewState.__dataclass_fields__
        ordered = sorted(states, key=lambda one: one.token)
        await unit.add_rows(
            record_state, [{"tenant": tenant, **{n: getattr(one, n) for n in names}} for one in ordered]
        )

    async def last_used(self, tenant: str, tokens: Sequence[str]) -> dict[str, int]:
        """{token: µs of its last use on record}, as far back as the log holds bodies."""
        wanted = (
            select(event.c.token, func.max(event.c.recorded_at))
            .where(
                event.c.tenant == tenant,
                among(self._engine, event.c.token, tokens),
                event.c.verb.in_(USES),
                event.c.decision == "allow",
            )
            .group_by(event.c.token)
        )
        return {row[0]: row[1] for row in await rows(self._engine, wanted)}

    async def announced(self, tenant: str, tokens: Sequence[str]) -> dict[str, tuple[int, int]]:
        """{token: (number, µs after which it may be erased)} of the latest announcement of each."""
        n, later = erasure_notice, erasure_notice.alias("later")
        newer = exists().where(
            later.c.tenant == n.c.tenant, later.c.token == n.c.token, later.c.number > n.c.number
        )
        wanted = select(n.c.token, n.c.number, n.c.erase_after).where(
            n.c.tenant == tenant, among(self._engine, n.c.token, tokens), ~newer
        )
        return {row[0]: (row[1], row[2]) for row in await rows(self._engine, wanted)}

    async def announce(self, unit: Unit, tenant: str, notices: Sequence[tuple[str, int, int, bytes]]) -> None:
        """Write announcements: (token, number, µs after which it is erased, event id). Raises: Clash."""
        columns = ("token", "number", "erase_after", "event_id")
        await unit.add_rows(
            erasure_notice,
            [{"tenant": tenant, **dict(zip(columns, one, strict=True))} for one in sorted(notices)],
        )

    async def page(self, tenant: str, *, after: str, limit: int) -> list[str]:
        """Tokens of living records in their order, from behind `after` on."""
        wanted = select(record.c.token).where(record.c.tenant == tenant, record.c.token > after).distinct()
        return [row[0] for row in await rows(self._engine, wanted.order_by(record.c.token).limit(limit))]

    async def count(self, tenant: str) -> int:
        """How many living records there are."""
        buried = exists().where(tombstone.c.tenant == record.c.tenant, tombstone.c.token == record.c.token)
        wanted = select(func.count()).select_from(record).where(record.c.tenant == tenant, ~buried)
        return int((await rows(self._engine, wanted))[0][0])

    async def of_subjects(self, tenant: str, subjects: Sequence[str], *, limit: int) -> list[str]:
        """Tokens of the living records of these subjects."""
        wanted = select(record.c.token).where(record.c.tenant == tenant, record.c.subject.in_(subjects))
        found = await rows(self._engine, wanted.distinct().order_by(record.c.token).limit(limit))
        return [row[0] for row in found]
