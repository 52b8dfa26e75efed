"""The acts of cases, as rows that are only added."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.acts import case_act
from vault.store.events import StoredEvent
from vault.store.rows import rows
from vault.store.schema import event
from vault.store.unit import Unit


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One act as the database has it. `document` is canonical JSON; `at` in µs since 1970."""

    case_id: bytes
    number: int
    subject: str
    kind: str
    act: str
    document: bytes
    credential: str
    person: str
    at: int
    event_id: bytes


_NAMES = tuple(CaseRow.__dataclass_fields__)
_COLUMNS = [case_act.c[name] for name in _NAMES]


class Cases:
    """The cases of a tenant."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, unit: Unit, tenant: str, row: CaseRow) -> None:
        """Write an act. Raises: Clash when another act of the case took its number meanwhile."""
        await unit.add_rows(case_act, [{"tenant": tenant, **{name: getattr(row, name) for name in _NAMES}}])

    async def acts(self, tenant: str, case_ids: Sequence[bytes]) -> dict[bytes, list[CaseRow]]:
        """The acts of these cases, each case's in their order."""
        wanted = select(*_COLUMNS).where(case_act.c.tenant == tenant, case_act.c.case_id.in_(case_ids))
        found: dict[bytes, list[CaseRow]] = {}
        for row in await rows(self._engine, wanted.order_by(case_act.c.case_id, case_act.c.number)):
            found.setdefault(row[0], []).append(CaseRow(*row))
        return found

    async def listing(
        self, tenant: str, *, subject: str | None, open_only: bool, after: bytes, limit: int
    ) -> list[bytes]:
        """Ids of cases in the order in which they came, from behind `after` on."""
        first, ended = case_act, case_act.alias("ended")
        wanted = select(first.c.case_id).where(
            first.c.tenant == tenant, first.c.act == "receive", first.c.case_id > after
        )
        if subject is not None:
            wanted = wanted.where(first.c.subject == subject)
        if open_only:
            answered = exists().where(
                ended.c.tenant == first.c.tenant, ended.c.case_id == first.c.case_id, ended.c.act == "answer"
            )
            wanted = wanted.where(~answered)
        return [row[0] for row in await rows(self._engine, wanted.order_by(first.c.case_id).limit(limit))]

    async def waiting(self, tenant: str, *, kind: str, act: str, limit: int) -> list[bytes]:
        """Ids of cases of a kind whose latest act is this one."""
        latest, later = case_act, case_act.alias("later")
        newer = exists().where(
            later.c.tenant == latest.c.tenant,
            later.c.case_id == latest.c.case_id,
            later.c.number > latest.c.number,
        )
        wanted = select(latest.c.case_id).where(
            latest.c.tenant == tenant, latest.c.kind == kind, latest.c.act == act, ~newer
        )
        return [row[0] for row in await rows(self._engine, wanted.limit(limit))]

    async def events(self, tenant: str, event_ids: Sequence[bytes]) -> dict[bytes, StoredEvent]:
        """The events of acts, as far as the log still has their bodies."""
        c = event.c
        wanted = select(c.event_id, c.commitment, c.salt, c.body, c.list_id).where(
            c.tenant == tenant, c.event_id.in_(event_ids)
        )
        return {row[0]: StoredEvent(*row) for row in await rows(self._engine, wanted)}

    async def events_about(
        self, tenant: str, tokens: Sequence[str], verb: str
    ) -> dict[str, list[StoredEvent]]:
        """The events of a verb about each token, the newest first."""
        c = event.c
        wanted = (
            select(c.token, c.event_id, c.commitment, c.salt, c.body, c.list_id)
            .where(c.tenant == tenant, c.token.in_(tokens), c.verb == verb)
            .order_by(c.event_id.desc())
        )
        found: dict[str, list[StoredEvent]] = {}
        for row in await rows(self._engine, wanted):
            found.setdefault(row[0], []).append(StoredEvent(*row[1:]))
        return found
