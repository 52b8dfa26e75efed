"""The keystore's side of a restore: which keys exist, keys put back, keys destroyed again."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from keys.keystore import dek, kek_fence
from vault.store import failures
from vault.store.copies.returning import Key, Returning, by_tenant
from vault.store.rows import among


class ReturningKeys(Returning):
    """The keystore, in one transaction. Every method may raise Unavailable."""

    async def missing(self, keys: Sequence[Key]) -> list[Key]:
        """Those that the keystore does not have."""
        there: set[Key] = set()
        with failures.statements():
            for tenant, dek_ids in by_tenant(keys).items():
                found = select(dek.c.dek_id).where(
                    dek.c.tenant == tenant, among(self.open, dek.c.dek_id, dek_ids)
                )
                there |= {(tenant, bytes(one)) for one in (await self.open.scalars(found)).all()}
        return [key for key in keys if key not in there]

    async def fences(self) -> dict[str, int]:
        """{tenant: the oldest KEK version that may be added}; nobody raises it until this has ended."""
        held = select(kek_fence.c.tenant, kek_fence.c.min_version).with_for_update(read=True)
        with failures.statements():
            return {row[0]: row[1] for row in await self.open.execute(held)}

    async def destroy(self, keys: Sequence[Key]) -> int:
        """Delete keys; answer how many there were."""
        done = 0
        with failures.statements():
            for tenant, dek_ids in by_tenant(keys).items():
                mine = dek.c.tenant == tenant, among(self.open, dek.c.dek_id, dek_ids)
                done += (await self.open.execute(delete(dek).where(*mine))).rowcount
        return done
