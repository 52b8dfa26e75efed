"""Notices, consents, states of records and subjects, holds, cases, recipients, disclosures, proposals."""

import sqlalchemy as sa
from alembic import op

from vault.store import acts, schema

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ADDED = (
    schema.replaced,
    acts.notice,
    acts.consent,
    acts.subject_fact,
    acts.record_state,
    acts.hold,
    acts.hold_lifted,
    acts.case_act,
    acts.recipient,
    acts.disclosure,
    acts.erasure_notice,
    acts.proposal,
    acts.proposal_end,
)


def upgrade() -> None:
    op.add_column("record", sa.Column("notice", sa.String(length=49), nullable=True))
    op.create_index("record_subject", "record", ["tenant", "subject"])
    op.create_index("tombstone_subject", "tombstone", ["tenant", "subject"])
    authority = sa.text("verb IN ('credentials', 'policy')")
    op.create_index(
        "event_authority", "event", ["tenant", "event_id"], sqlite_where=authority, postgresql_where=authority
    )
    for table in _ADDED:
        table.create(op.get_bind())
