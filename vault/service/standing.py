"""The standing of authority: which register of each tenant is the latest, signed again every minute.

Every register is signed, but whoever can delete the newest row could bring an older one back into force,
and with it a credential that was revoked. So control keeps signing what the latest versions are, and a
plane believes no database that says less than that, or says it too late.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys.errors import KeysError
from keys.ring import Signer
from vault.errors import ServiceError, Unavailable
from vault.model import canonical
from vault.model.register import StoredRegister, StoredStanding
from vault.service.authority_keys import PublicKeys
from vault.service.registers import Alarm, Registers, RegisterStore

DOMAIN = b"strongroom/standing/v1\x00"
EVERY = 60.0
"""Seconds between two signatures."""
LIFETIME = 300_000_000
"""µs a standing counts: as long as an access token, which control also must issue."""
_LOST = -1
"""A version no row can have: what stands for a register that is gone."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Standing:
    """What control vouched for: the latest version of each tenant's register, at a time (µs)."""

    at: int
    registers: Mapping[str, int]

    def document(self) -> bytes:
        """The bytes that are signed, behind DOMAIN."""
        return canonical.dump({"v": 1, "at": self.at, "registers": dict(self.registers)})


class StandingStore(RegisterStore, Protocol):
    """Registers and their standing. Methods may raise Unavailable."""

    async def standing(self) -> StoredStanding | None:
        """The one row, or None before control wrote the first."""

    async def put_standing(self, new: StoredStanding) -> bool:
        """Replace the row whose `seq` is one less, or insert the first; False when it moved on meanwhile."""


class Anchored:
    """A RegisterStore that is held to the standing. For `control` itself an old standing counts, too:
    it is the one who renews it."""

    def __init__(
        self,
        store: StandingStore,
        keys: PublicKeys,
        *,
        now: Callable[[], int],
        alarm: Alarm,
        old_counts: bool,
    ) -> None:
        self._store = store
        self._keys = keys
        self._now = now
        self._alarm = alarm
        self._old_counts = old_counts
        self._known: tuple[StoredStanding, Standing] | None = None

    async def latest_versions(self) -> Mapping[str, int]:
        """As the table has them, but `_LOST` where it has less than control vouched for.

        Raises: Unavailable (`authority_stale`, `authority_tampered`).
        """
        # First the standing, then the rows: they may only be newer.
        standing = await self.standing()
        versions = dict(await self._store.latest_versions())
        if standing is None and (versions or not self._old_counts):
            raise Unavailable("authority_stale", retry_after=1)
        for tenant, version in (standing.registers if standing else {}).items():
            if versions.get(tenant, 0) < version:
                versions[tenant] = _LOST
        return versions

    async def frozen(self) -> Mapping[str, frozenset[str]]:
        """{tenant: the credentials that are frozen}"""
        return await self._store.frozen()

    async def read(self, tenant: str, version: int) -> StoredRegister | None:
        """One row."""
        return await self._store.read(tenant, version)

    async def standing(self) -> Standing | None:
        """What control last vouched for; None before the first time. Raises: Unavailable."""
        stored = await self._store.standing()
        if stored is None:
            return None
        if self._known is None or self._known[0] != stored:
            self._known = (stored, await self._verified(stored))
        standing = self._known[1]
        # One from the future as well: a clock that is behind would let old tokens and old rights live on.
        if not self._old_counts and abs(self._now() - standing.at) > LIFETIME:
            raise Unavailable("authority_stale", retry_after=1)
        return standing

    async def _verified(self, stored: StoredStanding) -> Standing:
        key = await self._keys.get(stored.key_version, insist=True)
        standing = _read(stored, key) if key is not None else None
        if standing is None or (self._known is not None and standing.at < self._known[1].at):
            self._alarm("authority_tampered", "")
            raise Unavailable("authority_tampered")
        return standing


def _read(stored: StoredStanding, key: Ed25519PublicKey) -> Standing | None:
    """What was signed; None when it was not."""
    try:
        key.verify(stored.signature, DOMAIN + stored.document)
        found: Any = canonical.load(stored.document)
    except (InvalidSignature, canonical.NotCanonical):
        return None
    return Standing(found["at"], found["registers"])


class Announcer:
    """Control's side: vouches for what it has verified, never for less than was vouched for before."""

    def __init__(
        self,
        store: StandingStore,
        anchored: Anchored,
        registers: Registers,
        signer: Signer,
        *,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._anchored = anchored
        self._registers = registers
        self._signer = signer
        self._now = now

    async def announce(self, vouched: Mapping[str, int] | None = None) -> Standing:
        """Sign the standing anew. `vouched` is an operator's own word, when the last standing is lost.

        Raises: Unavailable; nothing is vouched for that does not verify.
        """
        for _ in range(3):
            stored = await self._store.standing()
            before = await self._anchored.standing() if vouched is None else None
            known = {**(before.registers if before else {}), **(vouched or await self._versions())}
            new = Standing(max(self._now(), before.at + 1 if before else 0), known)
            key_version, signature = await self._sign(new)
            seq = stored.seq + 1 if stored else 1
            if await self._store.put_standing(StoredStanding(seq, new.document(), signature, key_version)):
                self._registers.expire()
                return new
        raise Unavailable("authority_unavailable", retry_after=1)

    async def keep_announcing(self) -> None:
        """Until cancelled. A minute in which it fails is made up for by the next."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.announce()
            except ServiceError as error:
                log.warning("standing_not_renewed", code=error.code)

    async def _versions(self) -> dict[str, int]:
        """The verified version of each tenant. A tenant whose register does not verify keeps its last one."""
        found = {}
        for tenant in await self._registers.tenants():
            try:
                found[tenant] = (await self._registers.of(tenant)).register.version
            except ServiceError as error:
                log.warning("not_vouched_for", tenant=tenant, code=error.code)
        return found

    async def _sign(self, new: Standing) -> tuple[int, bytes]:
        try:
            return await self._signer.sign("authority", DOMAIN + new.document())
        except KeysError as error:
            raise Unavailable(error.code, retry_after=1) from None
