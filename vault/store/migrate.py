"""The data database's schema, for keys/migrate.py to bring up to date."""

from pathlib import Path

from keys.migrate import Schema
from vault.store import acts

DATA = Schema(acts.METADATA, Path(__file__).with_name("migrations"), "alembic_version_data")
