"""Registers, secret hashes and used assertions: what authority rests on, as the database keeps it."""

from collections.abc import Mapping

from sqlalchemy import func, insert, select, update

from keys.database import Database
from keys.prepared import Prepared
from vault.model.register import StoredRegister, StoredStanding
from vault.store import failures
from vault.store.freezes import frozen_credentials
from vault.store.schema import credential_secret, register, standing, used_jti

# Asked every second by everyone: over a line, so that no transaction that waits for a lock delays it.
_LATEST = Prepared(
    lambda _: select(register.c.tenant, func.max(register.c.version)).group_by(register.c.tenant)
)

_STANDING = Prepared(
    lambda _: select(standing.c.seq, standing.c.document, standing.c.signature, standing.c.key_version)
)


class AuthorityStore:
    """Reads of authority, and the one-time use of assertions. Every method may raise Unavailable."""

    def __init__(self, engine: Database) -> None:
        self._engine = engine

    async def latest_versions(self) -> Mapping[str, int]:
        """The highest version of each tenant's register."""
        with failures.statements():
            found = await _LATEST.run(self._engine)
        return {row[0]: row[1] for row in found}

    async def frozen(self) -> Mapping[str, frozenset[str]]:
        """{tenant: the credentials that are frozen now}"""
        return await frozen_credentials(self._engine)

    async def read(self, tenant: str, version: int) -> StoredRegister | None:
        """One version of a tenant's register."""
        c = register.c
        one = select(c.document, c.signature, c.key_version).where(c.tenant == tenant, c.version == version)
        with failures.statements():
            async with self._engine.connect() as connection:
                row = (await connection.execute(one)).one_or_none()
        return StoredRegister(*row) if row is not None else None

    async def standing(self) -> StoredStanding | None:
        """What control last vouched for."""
        with failures.statements():
            found = await _STANDING.run(self._engine)
        return StoredStanding(*found[0]) if found else None

    async def put_standing(self, new: StoredStanding) -> bool:
        """Replace the row whose `seq` is one less, or insert the first; False when it moved on meanwhile."""
        row = {
            "seq": new.seq,
            "document": new.document,
            "signature": new.signature,
            "key_version": new.key_version,
        }
        following = update(standing).where(standing.c.seq == new.seq - 1).values(row)
        first = insert(standing).values(id=1, **row)
        try:
            with failures.statements():
                async with self._engine.begin() as connection:
                    done = await connection.execute(first if new.seq == 1 else following)
        except failures.Clash:
            return False
        return done.rowcount == 1

    async def read_secret(self, tenant: str, credential: str, *, sha256: str) -> str | None:
        """The Argon2id string of a secret that the signed register names by its SHA-256."""
        c = credential_secret.c
        one = select(c.hash).where(c.tenant == tenant, c.credential == credential, c.sha256 == sha256)
        with failures.statements():
            async with self._engine.connect() as connection:
                return await connection.scalar(one)

    async def use_jti(self, credential: str, *, jti_sha256: bytes, expires_at: int) -> bool:
        """Take an assertion's id, for every worker and for good; False when it was taken before."""
        row = {"credential": credential, "jti_sha256": jti_sha256, "expires_at": expires_at}
        try:
            with failures.statements():
                async with self._engine.begin() as connection:
                    await connection.execute(insert(used_jti), row)
        except failures.Clash:
            return False
        return True
