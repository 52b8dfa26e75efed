"""What budgets count, frozen credentials and how they were freed, planted records."""

import sqlalchemy as sa
from alembic import op

from vault.store.schema import db_clock

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    guard = sa.text("verb IN ('freeze', 'honey')")
    op.create_index(
        "event_guard", "event", ["tenant", "event_id"], sqlite_where=guard, postgresql_where=guard
    )
    _spent()
    _spent_subject()
    _freeze()
    _credential_thaw()
    _honey()


def _spent() -> None:
    op.create_table(
        "spent",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("credential", sa.String(length=65), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("hour_subjects", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("day_subjects", sa.Integer(), nullable=False),
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("minute_values", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "credential", "purpose"),
    )


def _spent_subject() -> None:
    op.create_table(
        "spent_subject",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("credential", sa.String(length=65), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "credential", "purpose", "subject"),
    )


def _freeze() -> None:
    op.create_table(
        "credential_freeze",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("freeze_id", sa.LargeBinary(), nullable=False),
        sa.Column("credential", sa.String(length=65), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "freeze_id"),
    )


def _credential_thaw() -> None:
    op.create_table(
        "credential_thaw",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("freeze_id", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("credential", sa.String(length=65), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "freeze_id"),
    )


def _honey() -> None:
    op.create_table(
        "honey",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "digest"),
    )
