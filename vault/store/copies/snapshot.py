"""One moment of a database, read in one transaction: its rows, and what a manifest says about them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from sqlalchemy import ColumnElement, String, Table, column, func, select, table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from keys.keystore import dek
from keys.migrate import Schema
from vault.store import failures
from vault.store.schema import checkpoint, db_clock, event, leaf, register, tombstone

PAGE = 1000
UNHURRIED = "SET LOCAL idle_in_transaction_session_timeout = 0"
"""A disk may take longer than a request of the service ever would."""


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """Where a tenant stood at that moment."""

    log_size: int = 0
    checkpoint_size: int = 0
    checkpoint_root: bytes = b""
    newest_event: bytes = b""
    newest_erasure: int = 0
    """µs since 1970; 0 when nothing was ever erased."""
    kek_versions: Mapping[int, int] = field(default_factory=dict)
    """{version: DEKs wrapped under it}"""


class Snapshot:
    """A read-only transaction. Every method may raise Unavailable."""

    def __init__(self, engine: AsyncEngine, schema: Schema) -> None:
        self._engine = engine
        self._schema = schema
        self._connection: AsyncConnection | None = None
        self.version = ""
        """Of the schema."""
        self.at = 0
        """µs since 1970 on the database's clock."""

    async def __aenter__(self) -> Self:
        with failures.statements():
            self._connection = connection = await self._engine.connect()
            if connection.dialect.name == "postgresql":
                await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                await connection.exec_driver_sql(UNHURRIED)
            else:
                await connection.exec_driver_sql("BEGIN")
            # The moment is that of the first read of a table.
            found = await connection.scalar(select(_version_of(self._schema)))
            self.version = str(found)
            self.at = int(await connection.scalar(select(db_clock())) or 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.close()

    @property
    def _open(self) -> AsyncConnection:
        if self._connection is None:
            raise RuntimeError("the snapshot was not entered")
        return self._connection

    async def pages(self, of: Table) -> AsyncIterator[Sequence[Sequence[Any]]]:
        """All rows in the order of their key."""
        wanted = select(of).order_by(*of.primary_key)
        with failures.statements():
            found = await self._open.stream(wanted, execution_options={"yield_per": PAGE})
            async for page in found.partitions(PAGE):
                yield page

    async def count(self, *of: Table) -> int:
        """How many rows there are in all."""
        with failures.statements():
            counted = [await self._open.scalar(select(func.count()).select_from(one)) for one in of]
        return sum(one or 0 for one in counted)

    async def kek_versions(self) -> dict[str, dict[int, int]]:
        """Of a keystore: {tenant: {KEK version: DEKs under it}}."""
        c = dek.c
        counted = select(c.tenant, c.kek_version, func.count()).group_by(c.tenant, c.kek_version)
        found: dict[str, dict[int, int]] = {}
        with failures.statements():
            for tenant, version, count in await self._open.execute(counted.order_by(c.tenant, c.kek_version)):
                found.setdefault(tenant, {})[version] = count
        return found

    async def tenants(self) -> dict[str, TenantFacts]:
        """Of a data database: where each tenant's log and erasures stand."""
        with failures.statements():
            names = await self._open.scalars(select(register.c.tenant).distinct().order_by("tenant"))
            return {name: await self._facts(name) for name in names.all()}

    async def _facts(self, tenant: str) -> TenantFacts:
        c = checkpoint.c
        newest = select(c.size, c.root).where(c.tenant == tenant).order_by(c.size.desc()).limit(1)
        signed = (await self._open.execute(newest)).one_or_none()
        last = select(func.max(leaf.c.idx)).where(leaf.c.tenant == tenant)
        erased = select(func.max(tombstone.c.erased_at)).where(tombstone.c.tenant == tenant)
        of_event = select(event.c.event_id).where(event.c.tenant == tenant)
        found = await self._open.scalar(of_event.order_by(event.c.event_id.desc()).limit(1))
        end = await self._open.scalar(last)
        return TenantFacts(
            log_size=0 if end is None else int(end) + 1,
            checkpoint_size=signed.size if signed else 0,
            checkpoint_root=bytes(signed.root) if signed else b"",
            newest_event=bytes(found or b""),
            newest_erasure=int(await self._open.scalar(erased) or 0),
        )


def _version_of(schema: Schema) -> ColumnElement[str]:
    return table(schema.version_table, column("version_num", String)).c.version_num
