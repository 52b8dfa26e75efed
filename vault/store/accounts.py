"""Tables of what each credential has opened in the hour, day and minute now running, and about whom.

Windows are numbers counted from 1970. Rows are overwritten, never deleted; evidence are the events alone.
"""

from sqlalchemy import Column, Integer, LargeBinary, String, Table

from vault.store.schema import metadata

spent = Table(
    "spent",
    metadata,
    Column("tenant", String(32), primary_key=True),
    Column("credential", String(65), primary_key=True),
    Column("purpose", String(32), primary_key=True),
    Column("hour", Integer, nullable=False),
    Column("hour_subjects", Integer, nullable=False),
    Column("day", Integer, nullable=False),
    Column("day_subjects", Integer, nullable=False),
    Column("minute", Integer, nullable=False),
    Column("minute_values", Integer, nullable=False),
)

spent_subject = Table(
    "spent_subject",
    metadata,
    Column("tenant", String(32), primary_key=True),
    Column("credential", String(65), primary_key=True),
    Column("purpose", String(32), primary_key=True),
    # The first half of the SHA-256 of the subject.
    Column("subject", LargeBinary, primary_key=True),
    Column("hour", Integer, nullable=False),
    Column("day", Integer, nullable=False),
)
