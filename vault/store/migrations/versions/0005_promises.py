"""Notices, consents, states of records and subjects, holds, cases, recipients, disclosures, proposals."""

import sqlalchemy as sa
from alembic import op

from vault.store.schema import db_clock

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("record", sa.Column("notice", sa.String(length=49), nullable=True))
    op.create_index("record_subject", "record", ["tenant", "subject"])
    op.create_index("tombstone_subject", "tombstone", ["tenant", "subject"])
    authority = sa.text("verb IN ('credentials', 'policy')")
    op.create_index(
        "event_authority", "event", ["tenant", "event_id"], sqlite_where=authority, postgresql_where=authority
    )
    _replaced()
    _notice()
    _consent()
    _subject_fact()
    _record_state()
    _hold()
    _hold_lifted()
    _case_act()
    _recipient()
    _disclosure()
    _erasure_notice()
    _proposal()
    _proposal_end()


def _replaced() -> None:
    op.create_table(
        "replaced",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("dek_id", sa.LargeBinary(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.Column("key_destroyed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "token", "version"),
    )
    where = sa.text("key_destroyed_at IS NULL")
    op.create_index("replaced_unfinished", "replaced", ["tenant"], sqlite_where=where, postgresql_where=where)


def _notice() -> None:
    op.create_table(
        "notice",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("purposes", sa.Text(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "version", "language"),
    )


def _consent() -> None:
    op.create_table(
        "consent",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("notice", sa.String(length=49), nullable=True),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subject", "purpose", "number"),
    )
    op.create_index("consent_purpose", "consent", ["tenant", "purpose", "subject"])


def _subject_fact() -> None:
    op.create_table(
        "subject_fact",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("on_day", sa.String(length=10), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=True),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subject", "number"),
    )


def _record_state() -> None:
    op.create_table(
        "record_state",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=80), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("until", sa.String(length=10), nullable=True),
        sa.Column("law", sa.String(length=200), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "token", "number"),
    )
    where = sa.text("state = 'archived'")
    op.create_index(
        "record_state_archived",
        "record_state",
        ["tenant", "until"],
        sqlite_where=where,
        postgresql_where=where,
    )


def _hold() -> None:
    op.create_table(
        "hold",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("hold_id", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("credential", sa.String(length=65), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "hold_id"),
    )
    op.create_index("hold_subject", "hold", ["tenant", "subject"])


def _hold_lifted() -> None:
    op.create_table(
        "hold_lifted",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("hold_id", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("credential", sa.String(length=65), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "hold_id"),
    )


def _case_act() -> None:
    op.create_table(
        "case_act",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("case_id", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("act", sa.String(length=24), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("credential", sa.String(length=65), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "case_id", "number"),
    )
    op.create_index("case_act_subject", "case_act", ["tenant", "subject"])


def _recipient() -> None:
    op.create_table(
        "recipient",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", "number"),
    )


def _disclosure() -> None:
    op.create_table(
        "disclosure",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.String(length=80), nullable=False),
        sa.Column("field_type", sa.String(length=32), nullable=False),
        sa.Column("recipient", sa.String(length=32), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subject", "event_id"),
    )
    op.create_index("disclosure_recipient", "disclosure", ["tenant", "recipient"])


def _erasure_notice() -> None:
    op.create_table(
        "erasure_notice",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=80), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("erase_after", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "token", "number"),
    )


def _proposal() -> None:
    op.create_table(
        "proposal",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("proposal_id", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("credential", sa.String(length=65), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "proposal_id"),
    )


def _proposal_end() -> None:
    op.create_table(
        "proposal_end",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("proposal_id", sa.LargeBinary(), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("credential", sa.String(length=65), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "proposal_id"),
    )
