"""The data database. Hot tables lead with the tenant and a random key and refer to nothing across tables,
so that the same schema can be spread by tenant over many machines.

Times are microseconds since 1970, UTC, on the database's own clock where a default sets them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    false,
    text,
)  # fmt: skip
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

metadata = MetaData()


class db_clock(FunctionElement[int]):  # noqa: N801  # reads as the SQL function it is
    """The database's clock in microseconds since 1970."""

    type = BigInteger()
    inherit_cache = True


@compiles(db_clock, "postgresql")
def _postgresql(_: db_clock, _compiler: SQLCompiler, **_options: object) -> str:
    return "(extract(epoch from clock_timestamp()) * 1000000)::bigint"


@compiles(db_clock, "sqlite")
def _sqlite(_: db_clock, _compiler: SQLCompiler, **_options: object) -> str:
    return "(CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))"


def _tenant() -> Column[str]:
    return Column("tenant", String(32), primary_key=True)


LEASE_HOLDS = "record_dek_lease_holds"

record = Table(
    "record",
    metadata,
    _tenant(),
    Column("token", String(80), primary_key=True),
    # The database numbers the first one: ingest may not name another, which would replace a value.
    Column("version", Integer, primary_key=True, server_default="1"),
    Column("subject", String(64), nullable=False),
    Column("field_type", String(32), nullable=False),
    Column("dek_id", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("dek_lease", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False, server_default=db_clock()),
    # The version of the privacy notice that was shown, where the caller named it.
    Column("notice", String(49)),
    # When it was last sealed under another DEK. Neither version nor created_at change: no clock starts anew.
    Column("resealed_at", BigInteger),
    # A record may only be written while its DEK's lease runs: the sweeper trusts this.
    CheckConstraint("created_at < dek_lease", name=LEASE_HOLDS),
    implicit_returning=False,  # ingest may not read back what the database set
)
# Everything about a person: for a copy, a case, an account that closes.
Index("record_subject", record.c.tenant, record.c.subject)

tombstone = Table(
    "tombstone",
    metadata,
    _tenant(),
    Column("token", String(80), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("subject", String(64), nullable=False),
    Column("field_type", String(32), nullable=False),
    Column("dek_id", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("erased_at", BigInteger, nullable=False, server_default=db_clock()),
    Column("key_destroyed_at", BigInteger),
)
Index("tombstone_unfinished", tombstone.c.tenant, sqlite_where=tombstone.c.key_destroyed_at.is_(None),
      postgresql_where=tombstone.c.key_destroyed_at.is_(None))  # fmt: skip
# What was erased is part of what a person is told.
Index("tombstone_subject", tombstone.c.tenant, tombstone.c.subject)

# A version whose token got another value: its key is destroyed like that of a tombstone, its token lives on.
replaced = Table(
    "replaced",
    metadata,
    _tenant(),
    Column("token", String(80), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("dek_id", LargeBinary, nullable=False),
    Column("replaced_at", BigInteger, nullable=False, server_default=db_clock()),
    Column("key_destroyed_at", BigInteger),
)
Index("replaced_unfinished", replaced.c.tenant, sqlite_where=replaced.c.key_destroyed_at.is_(None),
      postgresql_where=replaced.c.key_destroyed_at.is_(None))  # fmt: skip

# A DEK that a record was sealed under before it was sealed anew: destroyed like that of a tombstone.
resealed = Table(
    "resealed",
    metadata,
    _tenant(),
    Column("token", String(80), primary_key=True),
    Column("dek_id", LargeBinary, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("resealed_at", BigInteger, nullable=False, server_default=db_clock()),
    Column("key_destroyed_at", BigInteger),
)
Index("resealed_unfinished", resealed.c.tenant, sqlite_where=resealed.c.key_destroyed_at.is_(None),
      postgresql_where=resealed.c.key_destroyed_at.is_(None))  # fmt: skip

blind_index = Table(
    "blind_index",
    metadata,
    _tenant(),
    Column("field_type", String(32), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("token", String(80), primary_key=True),
    # Of the key that made the digest. Rows of older versions are counted until none is left.
    Column("key_version", Integer, nullable=False, server_default="1"),
)
Index("blind_index_token", blind_index.c.tenant, blind_index.c.token)

idempotency = Table(
    "idempotency",
    metadata,
    _tenant(),
    Column("slot", LargeBinary, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False, server_default=db_clock()),
)

AUTHORITY_VERBS = "verb IN ('credentials', 'policy')"
GUARD_VERBS = "verb IN ('freeze', 'honey')"
"""The condition of a partial index, in the words that a query must use as well."""

event = Table(
    "event",
    metadata,
    _tenant(),
    Column("event_id", LargeBinary, primary_key=True),
    Column("list_id", LargeBinary, nullable=False),
    Column("position", Integer, nullable=False),
    Column("commitment", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # The law keeps it confidential: only the grant events_sealed shows it, and that it is there.
    Column("sealed", Boolean, nullable=False, server_default=false()),
    # Copied from the body so that it can be searched; an answer is always made from the body itself.
    Column("token", String(80)),
    Column("subject", String(64)),
    Column("actor", String(65), nullable=False),
    Column("verb", String(16), nullable=False),
    Column("decision", String(8), nullable=False),
    Column("purpose", String(32)),
    Column("recorded_at", BigInteger, nullable=False, server_default=db_clock()),
    # A month is dropped in one piece; the ids begin with the time. No query needs to know.
    postgresql_partition_by="RANGE (event_id)",
)
Index("event_token", event.c.tenant, event.c.token, event.c.event_id)
Index("event_subject", event.c.tenant, event.c.subject, event.c.event_id)
Index("event_list", event.c.tenant, event.c.list_id)
# What changed authority, however much else happened: read whenever a second person approves something.
Index("event_authority", event.c.tenant, event.c.event_id,
      sqlite_where=text(AUTHORITY_VERBS), postgresql_where=text(AUTHORITY_VERBS))  # fmt: skip

# What must stand in the tables of freezes and of planted records: looked for by `doctor`.
Index("event_guard", event.c.tenant, event.c.event_id,
      sqlite_where=text(GUARD_VERBS), postgresql_where=text(GUARD_VERBS))  # fmt: skip

# One row for each month whose events were dropped. What is left of them is in `leaf`.
events_dropped = Table(
    "events_dropped",
    metadata,
    Column("until", BigInteger, primary_key=True, autoincrement=False),
    Column("dropped_at", BigInteger, nullable=False, server_default=db_clock()),
)

signed_list = Table(
    "signed_list",
    metadata,
    _tenant(),
    Column("list_id", LargeBinary, primary_key=True),
    Column("worker_id", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)
Index("signed_list_chain", signed_list.c.tenant, signed_list.c.chain, signed_list.c.seq)

worker = Table(
    "worker",
    metadata,
    Column("worker_id", LargeBinary, primary_key=True),
    Column("plane", String(16), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("endorsement", LargeBinary, nullable=False),
)

register = Table(
    "register",
    metadata,
    _tenant(),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("document", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("key_version", Integer, nullable=False),
)

standing = Table(
    "standing",
    metadata,
    # One row: what control says of every tenant, again and again. Not evidence, so it is overwritten.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("key_version", Integer, nullable=False),
)

credential_secret = Table(
    "credential_secret",
    metadata,
    _tenant(),
    Column("credential", String(65), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("hash", Text, nullable=False),
)

used_jti = Table(
    "used_jti",
    metadata,
    Column("credential", String(65), primary_key=True),
    Column("jti_sha256", LargeBinary, primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
)

# The tree of a tenant's log. Rows are only ever added; `leaf` repeats the whole entry, so that events can be
# dropped after their retention while everything that covers them still verifies.

leaf = Table(
    "leaf",
    metadata,
    _tenant(),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", LargeBinary, nullable=False),
    Column("commitment", LargeBinary, nullable=False),
    Column("list_id", LargeBinary, nullable=False),
    Column("position", Integer, nullable=False),
)
Index("leaf_event", leaf.c.tenant, leaf.c.event_id, unique=True)
# A list is sequenced whole or not at all, so its first event stands for it.
Index("leaf_list", leaf.c.tenant, leaf.c.list_id, unique=True, sqlite_where=text("position = 0"),
      postgresql_where=text("position = 0"))  # fmt: skip

node = Table(
    "node",
    metadata,
    _tenant(),
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    _tenant(),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("signed_at", BigInteger, nullable=False, server_default=db_clock()),
)

cosignature = Table(
    "cosignature",
    metadata,
    _tenant(),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("witness", String(255), primary_key=True),
    Column("line", Text, nullable=False),
)

list_refusal = Table(
    "list_refusal",
    metadata,
    _tenant(),
    Column("list_id", LargeBinary, primary_key=True),
    Column("reason", String(32), nullable=False),
    Column("refused_at", BigInteger, nullable=False, server_default=db_clock()),
)

sequencer_lease = Table(
    "sequencer_lease",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
)
LEASE = "sequencer"
"""The one row of `sequencer_lease`. The migration makes it: the sequencer may only change it."""
