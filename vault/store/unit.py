"""One transaction of the data database. Leaving it without `commit` rolls back."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self, cast

from sqlalchemy import ColumnElement, CursorResult, Executable, Table, delete, exists, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from vault.log.event import Event
from vault.log.lists import SignedList
from vault.store import acts, failures, schema
from vault.store.proposals import ProposalEnd, StoredProposal
from vault.store.rows import among, insert_rows


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A sealed value on its way into the database."""

    tenant: str
    token: str
    version: int
    subject: str
    field_type: str
    dek_id: bytes
    sealed: bytes
    dek_lease: int
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class NewIndexRow:
    """A blind-index row on its way: which token a digest stands for, and under which version of the key."""

    field_type: str
    digest: bytes
    token: str
    key_version: int


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """What a request with an idempotency key was answered: tokens and receipts, never values or masks."""

    tenant: str
    slot: bytes
    fingerprint: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Thaw:
    """How a freeze ended."""

    freeze_id: bytes
    reason: str
    credential: str
    person: str
    event_id: bytes


class Unit:
    """A transaction. Every method may raise Clash or Unavailable; `commit` also OutcomeUnknown."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None

    async def __aenter__(self) -> Self:
        with failures.statements():
            self._connection = await self._engine.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What was committed stays committed, and what failed has said so: a lost connection adds nothing.
        with contextlib.suppress(SQLAlchemyError, OSError, TimeoutError):
            await self._open.close()

    @property
    def _open(self) -> AsyncConnection:
        if self._connection is None:
            raise RuntimeError("the unit was not entered")
        return self._connection

    async def commit(self) -> None:
        """Make it durable. After OutcomeUnknown nothing may be run again."""
        with failures.commit():
            await self._open.commit()

    async def add_list(self, signed: SignedList) -> None:
        """Write a signed list and its events."""
        heading = signed.heading
        with failures.statements():
            await insert_rows(
                self._open,
                schema.event,
                {"tenant": heading.tenant, "list_id": heading.list_id},
                _columns_of(signed.events),
            )
            await self._open.execute(
                insert(schema.signed_list),
                {
                    "tenant": heading.tenant,
                    "list_id": heading.list_id,
                    "worker_id": heading.worker_id,
                    "chain": heading.chain,
                    "seq": heading.seq,
                    "previous": heading.previous,
                    "size": len(signed.events),
                    "signature": signed.signature,
                },
            )

    async def add_records(self, records: Sequence[NewRecord]) -> None:
        """Write sealed records as first versions. Raises: StaleLease when a DEK's lease has run out."""
        await self._insert(schema.record, records)

    async def add_answers(self, answers: Sequence[NewAnswer]) -> None:
        """Remember answers under their idempotency slots. Raises: Clash when a slot is taken."""
        # Sorted, because two lists that take the same two slots in crossing order would deadlock.
        await self._insert(schema.idempotency, sorted(answers, key=lambda answer: answer.slot))

    async def add_index(self, tenant: str, rows: Sequence[NewIndexRow]) -> None:
        """Write blind-index rows."""
        if not rows:
            return
        with failures.statements():
            filled = [{"tenant": tenant, **asdict(row)} for row in rows]
            await self._open.execute(insert(schema.blind_index), filled)

    async def bury(self, tenant: str, tokens: Sequence[str], *, reason: str) -> None:
        """Replace the records of `tokens` by tombstones, and drop their index rows.

        Raises: Clash when one is gone already, or when a legal hold has come meanwhile.
        """
        if not tokens:
            return
        mine = schema.record.c.tenant == tenant, among(self._open, schema.record.c.token, tokens)
        kept = ["token", "version", "subject", "field_type", "dek_id", "created_at"]
        # What the DELETE itself found: until that moment a record may be sealed under another DEK.
        ended = delete(schema.record).where(*mine, ~_held())
        ended_rows = ended.returning(*(schema.record.c[name] for name in kept))
        index = schema.blind_index
        with failures.statements():
            gone = (await self._open.execute(ended_rows)).all()
            if len({row.token for row in gone}) < len(set(tokens)):
                raise failures.Clash
            columns = {name: [getattr(row, name) for row in gone] for name in kept}
            await insert_rows(self._open, schema.tombstone, {"tenant": tenant, "reason": reason}, columns)
            await self._open.execute(
                delete(index).where(index.c.tenant == tenant, among(self._open, index.c.token, tokens))
            )

    async def replace_records(self, tenant: str, changes: Sequence[tuple[bytes, NewRecord]]) -> None:
        """Put next versions in the place of records, each given with the DEK id of the one before it.

        Raises: Clash when another was put there meanwhile, or it was sealed under another DEK.
        """
        record, index = schema.record, schema.blind_index
        for dek_id, new in sorted(changes, key=lambda change: change[1].token):
            before = {"tenant": tenant, "token": new.token, "version": new.version - 1, "dek_id": dek_id}
            with failures.statements():
                done = await self._open.execute(
                    delete(record).where(*(record.c[name] == value for name, value in before.items()))
                )
                if done.rowcount != 1:
                    raise failures.Clash
                stale = index.c.tenant == tenant, index.c.token == new.token
                await self._open.execute(delete(index).where(*stale))
                await self._open.execute(insert(schema.replaced).inline(), before)
                row = {name: getattr(new, name) for name in NewRecord.__dataclass_fields__}
                await self._open.execute(insert(record).inline(), row)

    async def append_register(
        self, tenant: str, version: int, *, document: bytes, signature: bytes, key_version: int
    ) -> None:
        """Write the next register. Raises: Clash when that version exists."""
        with failures.statements():
            await self._open.execute(
                insert(schema.register),
                {
                    "tenant": tenant,
                    "version": version,
                    "document": document,
                    "signature": signature,
                    "key_version": key_version,
                },
            )

    async def put_secret(self, tenant: str, credential: str, *, sha256: str, secret_hash: str) -> None:
        """Keep the Argon2id string of a credential's secret; the signed register holds its SHA-256."""
        with failures.statements():
            await self._open.execute(
                insert(schema.credential_secret),
                {"tenant": tenant, "credential": credential, "sha256": sha256, "hash": secret_hash},
            )

    async def add_proposal(self, tenant: str, new: StoredProposal) -> None:
        """Write what waits for a second person."""
        await self.add_rows(acts.proposal, [{"tenant": tenant, **asdict(new)}])

    async def end_proposal(self, tenant: str, end: ProposalEnd, *, event_id: bytes) -> None:
        """Write how it ended. Raises: Clash when it had ended already."""
        await self.add_rows(acts.proposal_end, [{"tenant": tenant, "event_id": event_id, **asdict(end)}])

    async def lift_freezes(self, tenant: str, thaws: Sequence[Thaw]) -> None:
        """Write how freezes ended. Raises: Clash when one was lifted already."""
        await self.add_rows(acts.credential_thaw, [{"tenant": tenant, **asdict(one)} for one in thaws])

    async def add_rows(self, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Write rows as they are. For the files of this folder. Raises: Clash when a key is taken."""
        if rows:
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            with failures.statements():
                await insert_rows(self._open, table, {}, columns)

    async def run(self, statement: Executable) -> CursorResult[Any]:
        """Run a statement. For the files of this folder."""
        with failures.statements():
            return cast("CursorResult[Any]", await self._open.execute(statement))

    @property
    def connection(self) -> AsyncConnection:
        """For the files of this folder."""
        return self._open

    async def _insert(self, table: Table, rows: Sequence[NewRecord] | Sequence[NewAnswer]) -> None:
        if not rows:
            return
        given = (column.name for column in table.columns if column.server_default is None)
        names = [name for name in given if hasattr(rows[0], name)]
        with failures.statements():
            # Inline: else one row alone is given the database's own default, read first and then named.
            filled = [{n: getattr(row, n) for n in names} for row in rows]
            await self._open.execute(insert(table).inline(), filled)


def _columns_of(events: Sequence[Event]) -> dict[str, Sequence[object]]:
    """Events of a list as columns, in their order."""
    drafts = [event.draft for event in events]
    return {
        "event_id": [event.event_id for event in events],
        "position": list(range(len(events))),
        "commitment": [event.commitment for event in events],
        "salt": [event.salt for event in events],
        "body": [event.body for event in events],
        "sealed": [draft.sealed for draft in drafts],
        "token": [draft.token for draft in drafts],
        "subject": [draft.subject for draft in drafts],
        "actor": [draft.caller.credential for draft in drafts],
        "verb": [draft.verb for draft in drafts],
        "decision": [draft.decision for draft in drafts],
        "purpose": [draft.purpose for draft in drafts],
    }


def _held() -> ColumnElement[bool]:
    """A legal hold is on the record or on its whole subject: asked in the statement that ends it."""
    record, hold, lifted = schema.record.c, acts.hold.c, acts.hold_lifted.c
    open_one = ~exists().where(lifted.tenant == hold.tenant, lifted.hold_id == hold.hold_id)
    about = hold.token.is_(None) | (hold.token == record.token)
    return exists().where(hold.tenant == record.tenant, hold.subject == record.subject, about, open_one)
