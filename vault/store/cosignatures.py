"""What witnesses signed, kept; and how long signed checkpoints have waited for them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable, func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store import failures
from vault.store.schema import checkpoint, cosignature, db_clock


class CosignatureStore:
    """The table `cosignature`: rows are only ever added. Every method may raise Unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def cosigned(self, tenant: str) -> dict[str, int]:
        """The largest size that each witness signed, by its name."""
        c = cosignature.c
        largest = select(c.witness, func.max(c.size)).where(c.tenant == tenant).group_by(c.witness)
        return {row[0]: int(row[1]) for row in await self._rows(largest)}

    async def waiting(self, tenant: str, size: int) -> int:
        """How long, in µs, the oldest checkpoint of more than `size` events has been there; 0 without one."""
        c = checkpoint.c
        oldest = select(db_clock() - func.min(c.signed_at)).where(c.tenant == tenant, c.size > size)
        since = (await self._rows(oldest))[0][0]
        return max(0, int(since)) if since is not None else 0

    async def add(self, tenant: str, size: int, *, witness: str, line: str) -> None:
        """Keep a cosignature. Raises: Clash when that witness has signed this size already."""
        row = {"tenant": tenant, "size": size, "witness": witness, "line": line}
        async with self._engine.connect() as connection:
            with failures.statements():
                await connection.execute(insert(cosignature), row)
            with failures.commit():
                await connection.commit()

    async def _rows(self, statement: Executable) -> Sequence[Any]:
        with failures.statements():
            async with self._engine.connect() as connection:
                return (await connection.execute(statement)).all()
