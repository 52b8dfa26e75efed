"""One transaction of the data database. Leaving it without `commit` rolls back."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self, cast

import msgspec
from sqlalchemy import ColumnElement, CursorResult, Executable, Table, delete, exists, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from keys.database import Database
from keys.prepared import POSTGRESQL
from vault.log.event import Event
from vault.log.lists import SignedList
from vault.store import acts, failures, schema
from vault.store.proposals import ProposalEnd, StoredProposal
from vault.store.rows import among, insert_rows
from vault.store.writing import Rows, write_together


class NewRecord(msgspec.Struct, frozen=True):
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
    """A transaction. Every method may raise Clash or Unavailable; `commit` also OutcomeUnknown.

    What is added waits for the commit, which raises what is wrong with it, and which on PostgreSQL is one
    statement. Whoever has to read or change something before that begins a transaction of several statements,
    and what waits is written there first.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: AsyncConnection | None = None
        self._waiting: list[Rows] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is None:
            return
        # What was committed stays committed, and what failed has said so: a lost connection adds nothing.
        with contextlib.suppress(SQLAlchemyError, OSError, TimeoutError):
            await self._connection.close()

    async def commit(self) -> None:
        """Make it durable. After OutcomeUnknown nothing may be run again."""
        if self._connection is None and self._database.dialect.name == POSTGRESQL:
            if self._waiting:
                await write_together(self._database, self._waiting)
            return
        connection = await self.transaction()
        with failures.commit():
            await connection.commit()

    async def transaction(self) -> AsyncConnection:
        """The connection of this unit, with everything written to it. For the files of this folder."""
        with failures.statements():
            if self._connection is None:
                self._connection = await self._database.connect()
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                await insert_rows(self._connection, one.table, one.same, one.columns)
        return self._connection

    async def add_list(self, signed: SignedList) -> None:
        """Write a signed list and its events."""
        heading = signed.heading
        mine = {"tenant": heading.tenant, "list_id": heading.list_id}
        columns = _columns_of(signed.events)
        said_once = {}
        if all(len(set(columns[name])) == 1 for name in _OF_A_REQUEST):
            said_once = {name: columns.pop(name)[0] for name in _OF_A_REQUEST}
        self._waiting.append(Rows(schema.event, mine | said_once, columns))
        self._add_one(
            schema.signed_list,
            {
                **mine,
                "worker_id": heading.worker_id,
                "chain": heading.chain,
                "seq": heading.seq,
                "previous": heading.previous,
                "size": len(signed.events),
                "signature": signed.signature,
            },
        )

    async def add_records(self, records: Sequence[NewRecord]) -> None:
        """Write sealed records of one tenant as first versions.

        Raises: StaleLease when a DEK's lease has run out.
        """
        if records:
            (tenant,) = {one.tenant for one in records}
            self._add(schema.record, records, _RECORD, tenant=tenant)

    async def add_answers(self, answers: Sequence[NewAnswer]) -> None:
        """Remember answers under their idempotency slots. Raises: Clash when a slot is taken."""
        # Sorted, because two lists that take the same two slots in crossing order would deadlock.
        in_order = sorted(answers, key=lambda answer: answer.slot)
        self._add(schema.idempotency, in_order, NewAnswer.__dataclass_fields__)

    async def add_index(self, tenant: str, rows: Sequence[NewIndexRow]) -> None:
        """Write blind-index rows."""
        self._add(schema.blind_index, rows, NewIndexRow.__dataclass_fields__, tenant=tenant)

    async def bury(self, tenant: str, tokens: Sequence[str], *, reason: str) -> None:
        """Replace the records of `tokens` by tombstones, and drop their index rows.

        Raises: Clash when one is gone already, or when a legal hold has come meanwhile.
        """
        if not tokens:
            return
        connection = await self.transaction()
        mine = schema.record.c.tenant == tenant, among(connection, schema.record.c.token, tokens)
        kept = ["token", "version", "subject", "field_type", "dek_id", "created_at"]
        # What the DELETE itself found: until that moment a record may be sealed under another DEK.
        ended = delete(schema.record).where(*mine, ~_held())
        ended_rows = ended.returning(*(schema.record.c[name] for name in kept))
        index = schema.blind_index
        with failures.statements():
            gone = (await connection.execute(ended_rows)).all()
            if len({row.token for row in gone}) < len(set(tokens)):
                raise failures.Clash
            columns = {name: [getattr(row, name) for row in gone] for name in kept}
            await insert_rows(connection, schema.tombstone, {"tenant": tenant, "reason": reason}, columns)
            await connection.execute(
                delete(index).where(index.c.tenant == tenant, among(connection, index.c.token, tokens))
            )

    async def replace_records(self, tenant: str, changes: Sequence[tuple[bytes, NewRecord]]) -> None:
        """Put next versions in the place of records, each given with the DEK id of the one before it.

        Raises: Clash when another was put there meanwhile, or it was sealed under another DEK.
        """
        record, index, connection = schema.record, schema.blind_index, await self.transaction()
        for dek_id, new in sorted(changes, key=lambda change: change[1].token):
            before = {"tenant": tenant, "token": new.token, "version": new.version - 1, "dek_id": dek_id}
            with failures.statements():
                done = await connection.execute(
                    delete(record).where(*(record.c[name] == value for name, value in before.items()))
                )
                if done.rowcount != 1:
                    raise failures.Clash
                stale = index.c.tenant == tenant, index.c.token == new.token
                await connection.execute(delete(index).where(*stale))
                await connection.execute(insert(schema.replaced).inline(), before)
                row = {name: getattr(new, name) for name in NewRecord.__struct_fields__}
                await connection.execute(insert(record).inline(), row)

    async def append_register(
        self, tenant: str, version: int, *, document: bytes, signature: bytes, key_version: int
    ) -> None:
        """Write the next register. Raises: Clash when that version exists."""
        self._add_one(
            schema.register,
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
        row = {"tenant": tenant, "credential": credential, "sha256": sha256, "hash": secret_hash}
        self._add_one(schema.credential_secret, row)

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
            self._waiting.append(Rows(table, {}, {name: [row[name] for row in rows] for name in rows[0]}))

    async def run(self, statement: Executable) -> CursorResult[Any]:
        """Run a statement. For the files of this folder."""
        connection = await self.transaction()
        with failures.statements():
            return cast("CursorResult[Any]", await connection.execute(statement))

    def _add(self, table: Table, rows: Sequence[object], names: Iterable[str], **same: object) -> None:
        if rows:
            columns = {name: [getattr(row, name) for row in rows] for name in names}
            self._waiting.append(Rows(table, same, columns))

    def _add_one(self, table: Table, row: Mapping[str, object]) -> None:
        self._waiting.append(Rows(table, row, {}))


# The database numbers the first version: ingest may not name it.
_RECORD = tuple(name for name in NewRecord.__struct_fields__ if name not in ("tenant", "version"))
_OF_A_REQUEST = ("sealed", "actor", "verb", "decision", "purpose")
"""Columns that the events of one request share: no array is sent of what is equal in all of them."""


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
