"""The keystore as an operator sees it: how many DEKs there are under which KEK version.

Never a DEK in the clear: the key server alone can turn a wrapped one into that, and not for this identity.
"""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from keys.keystore import dek, translated


class Holdings:
    """Every method may raise KeystoreUnavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def versions(self, tenant: str) -> dict[int, int]:
        """{KEK version: how many DEKs it wraps}, the canary among them."""
        counted = select(dek.c.kek_version, func.count()).where(dek.c.tenant == tenant)
        with translated():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(counted.group_by(dek.c.kek_version))).all()
        return {int(row[0]): int(row[1]) for row in sorted(rows)}
