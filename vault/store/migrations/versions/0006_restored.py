"""What was brought back from a backup, and whether that is on record."""

import sqlalchemy as sa
from alembic import op

from vault.store.schema import db_clock

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "restoration",
        sa.Column(
            "restored_at", sa.BigInteger(), autoincrement=False, server_default=db_clock(), nullable=False
        ),
        sa.Column("manifest", sa.String(length=64), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.Column("erasures_until", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("buried", sa.Integer(), nullable=False),
        sa.Column("keyless", sa.Integer(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("restored_at"),
    )
