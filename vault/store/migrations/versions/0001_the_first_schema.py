"""The first schema."""

import sqlalchemy as sa
from alembic import op

from vault.store.schema import db_clock

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blind_index",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("field_type", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "field_type", "digest", "token"),
    )
    op.create_index("blind_index_token", "blind_index", ["tenant", "token"], unique=False)
    op.create_table(
        "credential_secret",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("credential", sa.String(length=65), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "credential", "sha256"),
    )
    op.create_table(
        "event",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("list_id", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.String(length=80), nullable=True),
        sa.Column("subject", sa.String(length=64), nullable=True),
        sa.Column("actor", sa.String(length=65), nullable=False),
        sa.Column("verb", sa.String(length=16), nullable=False),
        sa.Column("decision", sa.String(length=8), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "event_id"),
    )
    op.create_index("event_subject", "event", ["tenant", "subject", "event_id"], unique=False)
    op.create_index("event_token", "event", ["tenant", "token", "event_id"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("slot", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "slot"),
    )
    op.create_table(
        "record",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("field_type", sa.String(length=32), nullable=False),
        sa.Column("dek_id", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("dek_lease", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.CheckConstraint("created_at < dek_lease", name="record_dek_lease_holds"),
        sa.PrimaryKeyConstraint("tenant", "token", "version"),
    )
    op.create_table(
        "register",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "version"),
    )
    op.create_table(
        "signed_list",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("list_id", sa.LargeBinary(), nullable=False),
        sa.Column("worker_id", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "list_id"),
    )
    op.create_table(
        "tombstone",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("field_type", sa.String(length=32), nullable=False),
        sa.Column("dek_id", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.Column("key_destroyed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "token", "version"),
    )
    op.create_index(
        "tombstone_unfinished",
        "tombstone",
        ["tenant"],
        unique=False,
        sqlite_where=sa.text("key_destroyed_at IS NULL"),
        postgresql_where=sa.text("key_destroyed_at IS NULL"),
    )
    op.create_table(
        "used_jti",
        sa.Column("credential", sa.String(length=65), nullable=False),
        sa.Column("jti_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("credential", "jti_sha256"),
    )
    op.create_table(
        "worker",
        sa.Column("worker_id", sa.LargeBinary(), nullable=False),
        sa.Column("plane", sa.String(length=16), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("endorsement", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("worker_id"),
    )
