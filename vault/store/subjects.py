"""Facts about subjects: account closed or reopened, invoices, signs of life. And which records they have."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, and_, case, exists, func, or_, select, union
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.acts import subject_fact
from vault.store.rows import among, rows
from vault.store.schema import record, tombstone
from vault.store.standing import Standing, standing_of
from vault.store.unit import Unit

CLOSED, REOPENED, INVOICED, ACTIVE = "closed", "reopened", "invoiced", "active"
ACCOUNT = (CLOSED, REOPENED)


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact about one subject, true of a civil day."""

    subject: str
    number: int
    kind: str
    on: date
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What holds about a subject now."""

    number: int = 0
    """Of its latest fact; 0 when there is none."""
    account: str | None = None
    """The latest of closed and reopened; None when the account was never closed."""
    since: date | None = None
    """The day of that."""
    invoices: tuple[date, ...] = ()
    """The latest day, when there is an invoice at all: no clock counts from an earlier one."""
    active: date | None = None
    """The latest sign of life."""

    @property
    def closed(self) -> bool:
        """Whether the account is closed."""
        return self.account == CLOSED

    @property
    def ended(self) -> date | None:
        """The last day of the relationship; None while it lasts."""
        return self.since if self.closed else None


@dataclass(frozen=True, slots=True)
class Held:
    """One live record, without its value."""

    subject: str
    token: str
    field_type: str
    state: str
    created_at: int


class Subjects:
    """The subjects of a tenant."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, unit: Unit, tenant: str, new: Sequence[tuple[Fact, bytes]]) -> None:
        """Write facts, each with its event. Raises: Clash when another took the same number meanwhile."""
        ordered = sorted(new, key=lambda pair: (pair[0].subject, pair[0].number))
        await unit.add_rows(
            subject_fact,
            [
                {
                    "tenant": tenant,
                    "subject": fact.subject,
                    "number": fact.number,
                    "kind": fact.kind,
                    "on_day": fact.on.isoformat(),
                    "reference": fact.reference,
                    "event_id": event_id,
                }
                for fact, event_id in ordered
            ],
        )

    async def facts(self, tenant: str, subjects: Iterable[str]) -> dict[str, Facts]:
        """What holds about each subject now, in one statement; a subject without facts is left out."""
        wanted = _facts(self._engine, tenant, sorted(set(subjects)))
        return {row[0]: _read(row[1:]) for row in await rows(self._engine, wanted)}

    async def records(
        self, tenant: str, subjects: Iterable[str], *, after: tuple[str, str] | None, limit: int
    ) -> list[Held]:
        """At most `limit` live records of these subjects, by subject and token, beginning beyond `after`."""
        newer = record.alias("newer")
        outdated = exists().where(
            newer.c.tenant == record.c.tenant,
            newer.c.token == record.c.token,
            newer.c.version > record.c.version,
        )
        buried = exists().where(tombstone.c.tenant == record.c.tenant, tombstone.c.token == record.c.token)
        c = record.c
        subject, token = after or ("", "")
        wanted = (
            select(c.subject, c.token, c.field_type, c.created_at, *standing_of(tenant))
            .where(c.tenant == tenant, c.subject.in_(sorted(set(subjects))), ~outdated, ~buried)
            .where(or_(c.subject > subject, and_(c.subject == subject, c.token > token)))
            .order_by(c.subject, c.token)
            .limit(limit)
        )
        return [
            Held(row[0], row[1], row[2], Standing.read(*row[4:]).state, row[3])
            for row in await rows(self._engine, wanted)
        ]

    async def tokens(self, tenant: str, subject: str, *, limit: int) -> list[str]:
        """At most `limit` tokens of a subject, living and erased, in their order."""
        both = union(
            *(
                select(table.c.token).where(table.c.tenant == tenant, table.c.subject == subject)
                for table in (record, tombstone)
            )
        )
        return [row[0] for row in await rows(self._engine, both.order_by("token").limit(limit))]


def _facts(engine: AsyncEngine, tenant: str, subjects: Sequence[str]) -> Select[Any]:
    """Subject, latest number, the account's latest fact and its day, latest invoice, latest sign of life."""
    c = subject_fact.c
    latest = (
        select(
            c.subject,
            func.max(c.number).label("number"),
            func.max(case((c.kind.in_(ACCOUNT), c.number))).label("account"),
            func.max(case((c.kind == INVOICED, c.on_day))).label("invoiced"),
            func.max(case((c.kind == ACTIVE, c.on_day))).label("active"),
        )
        .where(c.tenant == tenant, among(engine, c.subject, subjects))
        .group_by(c.subject)
        .subquery()
    )
    account = and_(c.tenant == tenant, c.subject == latest.c.subject, c.number == latest.c.account)
    return select(
        latest.c.subject, latest.c.number, c.kind, c.on_day, latest.c.invoiced, latest.c.active
    ).select_from(latest.outerjoin(subject_fact, account))


def _read(row: Sequence[Any]) -> Facts:
    number, account, since, invoiced, active = row
    return Facts(
        number,
        account,
        _day(since),
        (date.fromisoformat(invoiced),) if invoiced else (),
        _day(active),
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
