"""Reads of the data database that the verbs need. Always the primary, never a replica."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Executable,
    LargeBinary,
    ScalarSelect,
    String,
    bindparam,
    insert,
    literal,
    null,
    select,
    union_all,
    update,
)

from keys.database import Database
from keys.prepared import Prepared, Statement, given, listed, looked_up_each
from vault.log.lists import WorkerKey
from vault.store import failures
from vault.store.rows import among, looked_up, rows
from vault.store.schema import (
    blind_index,
    db_clock,
    idempotency,
    record,
    replaced,
    resealed,
    tombstone,
    worker,
)
from vault.store.standing import NOTHING_SAID, Standing, standing_of
from vault.store.unit import Unit


class Stored(msgspec.Struct, frozen=True):
    """A record as the database has it. `sealed` is empty and `erased_at` set once it is shredded."""

    token: str
    version: int
    subject: str
    field_type: str
    dek_id: bytes
    sealed: bytes
    created_at: int
    erased_at: int | None
    key_destroyed_at: int | None = None
    notice: str | None = None
    standing: Standing = NOTHING_SAID
    """What the person, the office and the law have made of it, as of the statement that loaded it."""

    @property
    def state(self) -> str:
        """active, restricted, archived; `erasing` once nothing opens it; `shredded` once its key is gone."""
        if self.erased_at is None:
            return self.standing.state
        return "erasing" if self.key_destroyed_at is None else "shredded"


class Store:
    """The data database."""

    def __init__(self, engine: Database) -> None:
        self.engine = engine

    def begin(self) -> Unit:
        """A transaction: `async with store.begin() as unit: …; await unit.commit()`."""
        return Unit(self.engine)

    async def load(self, tenant: str, tokens: Sequence[str]) -> dict[str, Stored]:
        """The tombstone of each token that this tenant has, or its newest version while there is none.

        A tombstone outranks every record: what is written beside it afterwards brings nothing back.
        """
        found: dict[str, Stored] = {}
        for row in await self._found(_LOAD, tenant=tenant, tokens=tokens):
            stored = Stored(*(*row[:10], Standing.read(*row[10:])))
            known = found.get(stored.token)
            if known is None or _rank(known) < _rank(stored):
                found[stored.token] = stored
        return found

    async def standing(self, tenant: str, tokens: Sequence[str]) -> dict[tuple[str, int], Standing]:
        """What each live record among `tokens` may be used for at this moment, by (token, version)."""
        live = await self._found(_STANDING, tenant=tenant, tokens=tokens)
        return {(row[0], row[1]): Standing.read(*row[2:]) for row in live}

    async def find(self, tenant: str, field_type: str, digests: Sequence[bytes]) -> list[tuple[bytes, str]]:
        """(digest, token) of every record whose blind index is among `digests`.

        An index row counts only beside a live record of its type: ingest may write index rows as it likes.
        """
        hits = await self._found(_FIND, tenant=tenant, field_type=field_type, digests=digests)
        return [(row[0], row[1]) for row in hits]

    async def answered(self, tenant: str, slots: Sequence[bytes]) -> dict[bytes, tuple[bytes, bytes]]:
        """{slot: (fingerprint, answer)} for the idempotency slots that are taken."""
        taken = await self._found(_ANSWERED, tenant=tenant, slots=slots)
        return {row[0]: (row[1], row[2]) for row in taken}

    async def unfinished_erasures(self, tenant: str, *, most: int) -> list[tuple[str, bytes]]:
        """(token, dek_id) of what was erased, replaced or resealed while its key is there, `most` at once."""
        waiting = union_all(
            *(
                select(table.c.token, table.c.dek_id).where(
                    table.c.tenant == tenant, table.c.key_destroyed_at.is_(None)
                )
                for table in _KEYS_TO_DESTROY
            )
        )
        return [(row[0], row[1]) for row in await self._rows(waiting.limit(most))]

    async def key_destroyed(self, tenant: str, gone: Sequence[tuple[str, bytes]]) -> None:
        """Mark these keys, (token, dek_id), as gone."""
        tokens, dek_ids = [token for token, _ in gone], [dek_id for _, dek_id in gone]
        with failures.statements():
            async with self.engine.begin() as connection:
                for table in _KEYS_TO_DESTROY:
                    mine = (
                        table.c.tenant == tenant,
                        among(self.engine, table.c.token, tokens),
                        among(self.engine, table.c.dek_id, dek_ids),
                    )
                    unmarked = table.c.key_destroyed_at.is_(None)
                    done = update(table).where(*mine, unmarked).values(key_destroyed_at=db_clock())
                    await connection.execute(done)

    async def enrol(self, key: WorkerKey, *, key_version: int, endorsement: bytes) -> None:
        """Make a worker's endorsed public key known to whoever verifies its lists."""
        with failures.statements():
            async with self.engine.begin() as connection:
                await connection.execute(
                    insert(worker),
                    {
                        "worker_id": key.worker_id,
                        "plane": key.plane,
                        "public_key": key.public,
                        "started_at": key.started_at,
                        "key_version": key_version,
                        "endorsement": endorsement,
                    },
                )

    async def clock(self) -> int:
        """The database's clock, in microseconds."""
        return int((await self._rows(select(db_clock())))[0][0])

    async def _rows(self, statement: Executable) -> Sequence[Any]:
        return await rows(self.engine, statement)

    async def _found(self, statement: Prepared, **given: object) -> Sequence[Sequence[Any]]:
        with failures.statements():
            return await statement.run(self.engine, **given)


_HELD_NOW = standing_of(bindparam("tenant", None, String()))


def _load(dialect: str) -> Statement:
    live = select(
        record.c.token, record.c.version, record.c.subject, record.c.field_type, record.c.dek_id,
        record.c.sealed, record.c.created_at, null().cast(BigInteger).label("erased_at"),
        null().cast(BigInteger).label("key_destroyed_at"), record.c.notice, *_HELD_NOW,
    ).where(given(record.c.tenant))  # fmt: skip
    dead = select(
        tombstone.c.token, tombstone.c.version, tombstone.c.subject, tombstone.c.field_type,
        tombstone.c.dek_id, literal(b"", LargeBinary), tombstone.c.created_at, tombstone.c.erased_at,
        tombstone.c.key_destroyed_at, *(null().cast(String) for _ in range(1 + len(_HELD_NOW))),
    ).where(given(tombstone.c.tenant))  # fmt: skip
    return union_all(
        looked_up_each(dialect, live, record.c.token, "tokens", newest=record.c.version),
        looked_up_each(dialect, dead, tombstone.c.token, "tokens", newest=tombstone.c.version),
    )


def _standing(dialect: str) -> Statement:
    living = given(record.c.tenant), _buried(record.c.token).is_(None)
    standing = select(record.c.token, record.c.version, *_HELD_NOW).where(*living)
    return looked_up_each(dialect, standing, record.c.token, "tokens", newest=record.c.version)


def _buried(token: Column[str]) -> ScalarSelect[str]:
    mine = given(tombstone.c.tenant), tombstone.c.token == token
    return looked_up(tombstone.c.token, *mine, newest=tombstone.c.version)


def _find(dialect: str) -> Statement:
    c = blind_index.c
    mine = given(record.c.tenant), record.c.token == c.token, record.c.field_type == c.field_type
    live, buried = looked_up(record.c.token, *mine, newest=record.c.version), _buried(c.token)
    asked = given(c.tenant), given(c.field_type), listed(dialect, c.digest, "digests")
    return select(c.digest, c.token).where(*asked, live.is_not(None), buried.is_(None))


def _answered(dialect: str) -> Statement:
    c = idempotency.c
    return select(c.slot, c.fingerprint, c.answer).where(given(c.tenant), listed(dialect, c.slot, "slots"))


_LOAD, _STANDING = Prepared(_load), Prepared(_standing)
_FIND, _ANSWERED = Prepared(_find), Prepared(_answered)


_KEYS_TO_DESTROY = (tombstone, replaced, resealed)


def _rank(stored: Stored) -> tuple[bool, int]:
    return stored.erased_at is not None, stored.version
