"""A fence: no DEK under a KEK version that a rotation left behind is added any more (decisions/0015)."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kek_fence",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("min_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held", sa.SmallInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
    )
