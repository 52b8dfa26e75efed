"""The tables of the service written by hand, and how it opens its database."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, DateTime, Engine, MetaData, String, Table, Text, create_engine, event, func

metadata = MetaData()

value = Table(
    "value",
    metadata,
    Column("token", String(40), primary_key=True),
    Column("subject", String(64), nullable=False, index=True),
    Column("type", String(32), nullable=False),
    Column("ciphertext", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("verb", String(16), nullable=False),
    Column("token", String(40), nullable=False, index=True),
    Column("purpose", String(64)),
)


def open_engine(url: str, connections: int) -> Engine:
    """A pool as large as the number of threads that may use it."""
    if url.startswith("sqlite"):
        engine = create_engine(url, pool_size=connections, max_overflow=0, connect_args={"timeout": 30})
        event.listen(engine, "connect", _durable)
        return engine
    return create_engine(url, pool_size=connections, max_overflow=0)


def _durable(connection: Any, _: Mapping[str, object]) -> None:
    """As the vault's own SQLite: a commit is on the disk before it is answered."""
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
