"""The log: leaves, nodes, checkpoints, and the lease of the one who writes them."""

import sqlalchemy as sa
from alembic import op

from vault.store.schema import LEASE, db_clock

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("event_list", "event", ["tenant", "list_id"])
    op.create_index("signed_list_chain", "signed_list", ["tenant", "chain", "seq"])
    _tree()
    _checkpoints()
    lease = op.create_table(
        "sequencer_lease",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.bulk_insert(lease, [{"name": LEASE, "holder": "", "term": 0, "until": 0}])


def _tree() -> None:
    op.create_table(
        "leaf",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("list_id", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "idx"),
    )
    op.create_index("leaf_event", "leaf", ["tenant", "event_id"], unique=True)
    first = sa.text("position = 0")
    op.create_index(
        "leaf_list", "leaf", ["tenant", "list_id"], unique=True, sqlite_where=first, postgresql_where=first
    )
    op.create_table(
        "node",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "level", "number"),
    )


def _checkpoints() -> None:
    op.create_table(
        "checkpoint",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("signed_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "size"),
    )
    op.create_table(
        "cosignature",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("witness", sa.String(length=255), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "size", "witness"),
    )
    op.create_table(
        "list_refusal",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("list_id", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("refused_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "list_id"),
    )
