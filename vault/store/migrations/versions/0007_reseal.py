"""Which version of its key made an index row; records sealed anew under another DEK."""

import sqlalchemy as sa
from alembic import op

from vault.store.schema import db_clock

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Index keys were never rotated before: what is there was made by their first version.
    op.add_column("blind_index", sa.Column("key_version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("record", sa.Column("resealed_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "resealed",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=80), nullable=False),
        sa.Column("dek_id", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("resealed_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.Column("key_destroyed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "token", "dek_id"),
    )
    where = sa.text("key_destroyed_at IS NULL")
    op.create_index("resealed_unfinished", "resealed", ["tenant"], sqlite_where=where, postgresql_where=where)
