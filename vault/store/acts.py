"""Tables of what people decided about people: notices, consents, states, holds, cases, recipients, freezes.

Rows are only ever added. What holds now is the row with the highest `number` of its key, so that two acts at
once clash on the primary key instead of one silently undoing the other. Each row names its event.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, text

from vault.store import accounts, restored
from vault.store.schema import db_clock, metadata

_BESIDE = (accounts.spent, accounts.spent_subject, restored.restoration)
METADATA = metadata
"""The whole schema of the data database: these tables, those of schema.py, and what stands beside them."""


def _key(name: str, length: int) -> Column[str]:
    return Column(name, String(length), primary_key=True)


def _tenant() -> Column[str]:
    return _key("tenant", 32)


def _number() -> Column[int]:
    return Column("number", Integer, primary_key=True, autoincrement=False)


def _event() -> Column[bytes]:
    return Column("event_id", LargeBinary, nullable=False)


def _recorded() -> Column[int]:
    return Column("recorded_at", BigInteger, nullable=False, server_default=db_clock())


notice = Table(
    "notice",
    metadata,
    _tenant(),
    _key("version", 32),
    _key("language", 16),
    Column("title", String(200), nullable=False),
    Column("effective_at", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    # Canonical JSON: a list of purposes.
    Column("purposes", Text, nullable=False),
    _event(),
    _recorded(),
)

consent = Table(
    "consent",
    metadata,
    _tenant(),
    _key("subject", 64),
    _key("purpose", 32),
    _number(),
    # grant, withdraw, object
    Column("act", String(16), nullable=False),
    Column("source", String(64), nullable=False),
    Column("notice", String(49)),
    # When the person said so; `recorded_at` is when we learnt it.
    Column("given_at", BigInteger, nullable=False),
    _event(),
    _recorded(),
)
Index("consent_purpose", consent.c.tenant, consent.c.purpose, consent.c.subject)

subject_fact = Table(
    "subject_fact",
    metadata,
    _tenant(),
    _key("subject", 64),
    _number(),
    # closed, reopened, invoiced, active
    Column("kind", String(16), nullable=False),
    # A civil day, YYYY-MM-DD.
    Column("on_day", String(10), nullable=False),
    Column("reference", String(64)),
    _event(),
    _recorded(),
)

record_state = Table(
    "record_state",
    metadata,
    _tenant(),
    _key("token", 80),
    _number(),
    # active, restricted, archived
    Column("state", String(16), nullable=False),
    # For archived: the last civil day on which the law keeps it, and that law.
    Column("until", String(10)),
    Column("law", String(200)),
    Column("reason", String(64), nullable=False),
    _event(),
    _recorded(),
)
Index("record_state_archived", record_state.c.tenant, record_state.c.until,
      sqlite_where=text("state = 'archived'"), postgresql_where=text("state = 'archived'"))  # fmt: skip

hold = Table(
    "hold",
    metadata,
    _tenant(),
    Column("hold_id", LargeBinary, primary_key=True),
    Column("subject", String(64), nullable=False),
    # Absent: everything about the subject is held.
    Column("token", String(80)),
    Column("reason", String(200), nullable=False),
    Column("reference", String(64), nullable=False),
    Column("credential", String(65), nullable=False),
    Column("person", String(128), nullable=False),
    _event(),
    _recorded(),
)
Index("hold_subject", hold.c.tenant, hold.c.subject)

hold_lifted = Table(
    "hold_lifted",
    metadata,
    _tenant(),
    Column("hold_id", LargeBinary, primary_key=True),
    Column("reason", String(200), nullable=False),
    Column("credential", String(65), nullable=False),
    Column("person", String(128), nullable=False),
    _event(),
    _recorded(),
)

case_act = Table(
    "case_act",
    metadata,
    _tenant(),
    Column("case_id", LargeBinary, primary_key=True),
    _number(),
    Column("subject", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("act", String(24), nullable=False),
    # Canonical JSON: what was proposed, decided, answered. No value of the person's ever.
    Column("document", LargeBinary, nullable=False),
    Column("credential", String(65), nullable=False),
    Column("person", String(128), nullable=False),
    Column("at", BigInteger, nullable=False),
    _event(),
    _recorded(),
)
Index("case_act_subject", case_act.c.tenant, case_act.c.subject)

recipient = Table(
    "recipient",
    metadata,
    _tenant(),
    _key("name", 32),
    _number(),
    # Canonical JSON.
    Column("document", LargeBinary, nullable=False),
    _event(),
    _recorded(),
)

disclosure = Table(
    "disclosure",
    metadata,
    _tenant(),
    _key("subject", 64),
    Column("event_id", LargeBinary, primary_key=True),
    Column("token", String(80), nullable=False),
    Column("field_type", String(32), nullable=False),
    Column("recipient", String(32), nullable=False),
    Column("country", String(2), nullable=False),
    Column("reference", String(64), nullable=False),
    Column("sealed", Boolean, nullable=False),
    _recorded(),
)
Index("disclosure_recipient", disclosure.c.tenant, disclosure.c.recipient)

erasure_notice = Table(
    "erasure_notice",
    metadata,
    _tenant(),
    _key("token", 80),
    _number(),
    Column("erase_after", BigInteger, nullable=False),
    _event(),
    _recorded(),
)

# What only two persons may do to a tenant's authority: proposed by one, approved by another.

proposal = Table(
    "proposal",
    metadata,
    _tenant(),
    Column("proposal_id", LargeBinary, primary_key=True),
    Column("document", LargeBinary, nullable=False),
    Column("credential", String(65), nullable=False),
    Column("person", String(128), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    _event(),
    _recorded(),
)

proposal_end = Table(
    "proposal_end",
    metadata,
    _tenant(),
    # One row for each proposal: approved or rejected, once.
    Column("proposal_id", LargeBinary, primary_key=True),
    Column("act", String(16), nullable=False),
    Column("credential", String(65), nullable=False),
    Column("person", String(128), nullable=False),
    _event(),
    _recorded(),
)

# A credential that broke a budget or touched a planted record does nothing until a person lifts that.

credential_freeze = Table(
    "credential_freeze",
    metadata,
    _tenant(),
    Column("freeze_id", LargeBinary, primary_key=True),
    Column("credential", String(65), nullable=False),
    # budget_exceeded, honey_token
    Column("cause", String(32), nullable=False),
    _event(),
    _recorded(),
)

credential_thaw = Table(
    "credential_thaw",
    metadata,
    _tenant(),
    Column("freeze_id", LargeBinary, primary_key=True),
    Column("reason", String(200), nullable=False),
    Column("credential", String(65), nullable=False),
    Column("person", String(128), nullable=False),
    _event(),
    _recorded(),
)

honey = Table(
    "honey",
    metadata,
    _tenant(),
    # Keyed by the key server: the row does not say which token it is about.
    Column("digest", LargeBinary, primary_key=True),
    _event(),
    _recorded(),
)
