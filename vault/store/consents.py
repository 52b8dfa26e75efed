"""What people said about purposes: grant, withdraw, object. History is never overwritten."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, exists, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.acts import consent
from vault.store.rows import rows
from vault.store.unit import Unit

_LATER = consent.alias("later")
_LATEST = ~exists().where(
    _LATER.c.tenant == consent.c.tenant,
    _LATER.c.subject == consent.c.subject,
    _LATER.c.purpose == consent.c.purpose,
    _LATER.c.number > consent.c.number,
)


@dataclass(frozen=True, slots=True)
class Said:
    """One act of one person on one purpose. Times are µs since 1970."""

    subject: str
    purpose: str
    number: int
    act: str
    source: str
    notice: str | None
    given_at: int
    event_id: bytes = b""
    recorded_at: int = 0


_COLUMNS = [consent.c[name] for name in Said.__dataclass_fields__]


class Consents:
    """The acts of a tenant's subjects."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def numbers(self, tenant: str, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """{(subject, purpose): the number of its latest act}, for those that have one."""
        wanted = select(consent.c.subject, consent.c.purpose, consent.c.number).where(
            consent.c.tenant == tenant,
            tuple_(consent.c.subject, consent.c.purpose).in_(sorted(set(pairs))),
            _LATEST,
        )
        return {(row[0], row[1]): row[2] for row in await rows(self._engine, wanted)}

    async def add(self, unit: Unit, tenant: str, acts: Sequence[Said]) -> None:
        """Write acts. Raises: Clash when another act took the same number meanwhile."""
        names = [name for name in Said.__dataclass_fields__ if name != "recorded_at"]
        ordered = sorted(acts, key=lambda act: (act.subject, act.purpose, act.number))
        await unit.add_rows(
            consent, [{"tenant": tenant, **{name: getattr(act, name) for name in names}} for act in ordered]
        )

    async def history(self, tenant: str, subject: str) -> list[Said]:
        """Everything a subject ever said, the oldest first."""
        wanted = select(*_COLUMNS).where(consent.c.tenant == tenant, consent.c.subject == subject)
        found = await rows(self._engine, wanted.order_by(consent.c.recorded_at, consent.c.number))
        return [Said(*row) for row in found]

    async def predating(
        self,
        tenant: str,
        purposes: Iterable[str],
        *,
        before: int,
        after: tuple[str, str] | None,
        limit: int,
    ) -> list[Said]:
        """Consents in force for `purposes`, given before a time (µs), by purpose and subject."""
        c = consent.c
        purpose, subject = after or ("", "")
        beyond = or_(c.purpose > purpose, and_(c.purpose == purpose, c.subject > subject))
        wanted = (
            select(*_COLUMNS)
            .where(c.tenant == tenant, c.purpose.in_(sorted(set(purposes))), c.act == "grant", _LATEST)
            .where(c.given_at < before, beyond)
            .order_by(c.purpose, c.subject)
            .limit(limit)
        )
        return [Said(*row) for row in await rows(self._engine, wanted)]
