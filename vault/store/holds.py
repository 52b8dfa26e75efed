"""Legal holds: put on a token or on everything about a subject, and lifted, each by a named person."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.acts import hold, hold_lifted
from vault.store.rows import among, rows
from vault.store.schema import record, tombstone
from vault.store.unit import Unit

_MICROSECONDS = 7
"""How an identifier begins: with its time."""


@dataclass(frozen=True, slots=True)
class Lift:
    """How a hold ended. Times are µs since 1970."""

    reason: str
    credential: str
    person: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold. Without a token, everything about the subject is held."""

    hold_id: bytes
    subject: str
    token: str | None
    reason: str
    reference: str
    credential: str
    person: str
    lifted: Lift | None = None

    @property
    def placed_at(self) -> int:
        """When it was put on, in µs since 1970."""
        return int.from_bytes(self.hold_id[:_MICROSECONDS])

    def covers(self, subject: str, token: str) -> bool:
        """Whether it holds this token of this subject."""
        return self.subject == subject and self.token in (None, token)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which holds, the newest first: each member narrows. By token: those that cover it."""

    subject: str | None = None
    token: str | None = None
    open_only: bool = True


_WRITTEN = [name for name in Hold.__dataclass_fields__ if name != "lifted"]
_COLUMNS = [hold.c[name] for name in _WRITTEN]
_LIFTED = and_(hold_lifted.c.tenant == hold.c.tenant, hold_lifted.c.hold_id == hold.c.hold_id)
_END = hold_lifted.alias("ended")
_OPEN = ~exists().where(_END.c.tenant == hold.c.tenant, _END.c.hold_id == hold.c.hold_id)


class Holds:
    """The holds of a tenant."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, unit: Unit, tenant: str, placed: Sequence[tuple[Hold, bytes]]) -> None:
        """Put holds on, each with the id of its event."""
        await unit.add_rows(
            hold,
            [
                {"tenant": tenant, "event_id": event_id, **{name: getattr(one, name) for name in _WRITTEN}}
                for one, event_id in placed
            ],
        )

    async def lift(self, unit: Unit, tenant: str, hold_id: bytes, lift: Lift, event_id: bytes) -> None:
        """End a hold. Raises: Clash when it was lifted already."""
        row = {
            "tenant": tenant,
            "hold_id": hold_id,
            "reason": lift.reason,
            "credential": lift.credential,
            "person": lift.person,
            "event_id": event_id,
        }
        await unit.add_rows(hold_lifted, [row])

    async def find(self, tenant: str, hold_id: bytes) -> Hold | None:
        """One hold, open or lifted."""
        found = await rows(self._engine, _with_lift(tenant).where(hold.c.hold_id == hold_id))
        return _read(found[0]) if found else None

    async def open(self, tenant: str, pairs: Sequence[tuple[str, str]]) -> dict[str, list[Hold]]:
        """{token: the holds that cover it now}, for (subject, token) pairs; up to 1,000 in one statement."""
        subjects = sorted({subject for subject, _ in pairs})
        wanted = select(*_COLUMNS).where(
            hold.c.tenant == tenant, among(self._engine, hold.c.subject, subjects), _OPEN
        )
        about: dict[str, list[Hold]] = {}
        for row in await rows(self._engine, wanted.order_by(hold.c.hold_id)):
            one = Hold(*row)
            about.setdefault(one.subject, []).append(one)
        covering = {
            token: [one for one in about.get(subject, ()) if one.covers(subject, token)]
            for subject, token in pairs
        }
        return {token: found for token, found in covering.items() if found}

    async def counts(self, tenant: str, subjects: Iterable[str]) -> dict[str, int]:
        """{subject: how many holds are open}, for those that have one."""
        wanted = (
            select(hold.c.subject, func.count())
            .where(hold.c.tenant == tenant, hold.c.subject.in_(sorted(set(subjects))), _OPEN)
            .group_by(hold.c.subject)
        )
        return {row[0]: row[1] for row in await rows(self._engine, wanted)}

    async def listing(self, tenant: str, wanted: Wanted, *, after: bytes | None, limit: int) -> list[Hold]:
        """At most `limit` holds, the newest first, beginning beyond `after`."""
        found = _with_lift(tenant)
        if wanted.subject is not None:
            found = found.where(hold.c.subject == wanted.subject)
        if wanted.token is not None:
            found = found.where(_covers(tenant, wanted.token))
        if wanted.open_only:
            found = found.where(_OPEN)
        if after is not None:
            found = found.where(hold.c.hold_id < after)
        return [
            _read(row) for row in await rows(self._engine, found.order_by(hold.c.hold_id.desc()).limit(limit))
        ]


def _covers(tenant: str, token: str) -> ColumnElement[bool]:
    """The hold is on the token, or on the whole of its subject."""
    owners = (
        hold.c.subject.in_(select(table.c.subject).where(table.c.tenant == tenant, table.c.token == token))
        for table in (record, tombstone)
    )
    return or_(hold.c.token == token, and_(hold.c.token.is_(None), or_(*owners)))


def _with_lift(tenant: str) -> Select[Any]:
    ended = (hold_lifted.c.reason, hold_lifted.c.credential, hold_lifted.c.person, hold_lifted.c.recorded_at)
    both = hold.outerjoin(hold_lifted, _LIFTED)
    return select(*_COLUMNS, *ended).select_from(both).where(hold.c.tenant == tenant)


def _read(row: Sequence[Any]) -> Hold:
    placed, ended = dict(zip(_WRITTEN, row, strict=False)), row[len(_WRITTEN) :]
    return Hold(**placed, lifted=Lift(*ended) if ended[0] is not None else None)
