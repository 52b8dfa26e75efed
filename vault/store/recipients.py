"""Who may receive personal data, and who has received what about whom. Rows are only ever added."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.acts import disclosure, recipient
from vault.store.rows import rows
from vault.store.schema import record, tombstone
from vault.store.unit import Unit

_LATER = recipient.alias("later")
_LATEST = ~exists().where(
    _LATER.c.tenant == recipient.c.tenant,
    _LATER.c.name == recipient.c.name,
    _LATER.c.number > recipient.c.number,
)


@dataclass(frozen=True, slots=True)
class StoredRecipient:
    """One version of a recipient; the highest number counts. `document` is canonical JSON."""

    name: str
    number: int
    document: bytes
    event_id: bytes
    recorded_at: int = 0


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One field of one subject that was given to a recipient. Times are µs since 1970."""

    subject: str
    event_id: bytes
    token: str
    field_type: str
    recipient: str
    country: str
    reference: str
    sealed: bool
    recorded_at: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which disclosures: each member narrows."""

    subject: str | None = None
    token: str | None = None
    recipient: str | None = None


_RECIPIENT = [recipient.c[name] for name in StoredRecipient.__dataclass_fields__]
_DISCLOSURE = [disclosure.c[name] for name in Disclosure.__dataclass_fields__]


class Recipients:
    """The register of a tenant."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, unit: Unit, tenant: str, new: Sequence[StoredRecipient]) -> None:
        """Write versions. Raises: Clash when another took a number meanwhile."""
        names = [name for name in StoredRecipient.__dataclass_fields__ if name != "recorded_at"]
        ordered = sorted(new, key=lambda one: one.name)
        await unit.add_rows(
            recipient, [{"tenant": tenant, **{name: getattr(one, name) for name in names}} for one in ordered]
        )

    async def latest(self, tenant: str, names: Iterable[str] | None = None) -> list[StoredRecipient]:
        """The latest version of each recipient, or of those among `names`, by name."""
        wanted = select(*_RECIPIENT).where(recipient.c.tenant == tenant, _LATEST)
        if names is not None:
            wanted = wanted.where(recipient.c.name.in_(sorted(set(names))))
        return [StoredRecipient(*row) for row in await rows(self._engine, wanted.order_by(recipient.c.name))]


class Disclosures:
    """What a tenant gave to recipients."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, unit: Unit, tenant: str, given: Sequence[Disclosure]) -> None:
        """Write what is about to be given, in the transaction of its events."""
        names = [name for name in Disclosure.__dataclass_fields__ if name != "recorded_at"]
        await unit.add_rows(
            disclosure, [{"tenant": tenant, **{name: getattr(one, name) for name in names}} for one in given]
        )

    async def listing(
        self, tenant: str, wanted: Wanted, *, sealed: bool, after: bytes | None, limit: int
    ) -> list[Disclosure]:
        """At most `limit`, the newest first, beyond the event `after`; sealed ones only if `sealed`."""
        c = disclosure.c
        found = select(*_DISCLOSURE).where(c.tenant == tenant, *_narrowed(tenant, wanted))
        if not sealed:
            found = found.where(c.sealed.is_(False))
        if after is not None:
            found = found.where(c.event_id < after)
        newest = found.order_by(c.event_id.desc()).limit(limit)
        return [Disclosure(*row) for row in await rows(self._engine, newest)]

    async def tell(self, tenant: str, of: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
        """{token: who was given it, by name} for (subject, token) pairs; of what is sealed nobody tells."""
        c, pairs = disclosure.c, set(of)
        wanted = select(c.token, c.recipient).distinct()
        wanted = wanted.where(
            c.tenant == tenant,
            c.subject.in_(sorted({subject for subject, _ in pairs})),
            c.token.in_(sorted({token for _, token in pairs})),
            c.sealed.is_(False),
        )
        found: dict[str, tuple[str, ...]] = {}
        for token, name in await rows(self._engine, wanted.order_by(c.token, c.recipient)):
            found[token] = (*found.get(token, ()), name)
        return found


def _narrowed(tenant: str, wanted: Wanted) -> list[ColumnElement[bool]]:
    """A token is looked for among the disclosures of its subject: they are indexed by that."""
    named = {name: getattr(wanted, name) for name in Wanted.__dataclass_fields__}
    narrowed = [disclosure.c[name] == value for name, value in named.items() if value is not None]
    if wanted.token is None:
        return narrowed
    owners = [
        disclosure.c.subject.in_(
            select(table.c.subject).where(table.c.tenant == tenant, table.c.token == wanted.token)
        )
        for table in (record, tombstone)
    ]
    return [*narrowed, or_(*owners)]
