"""Every tenant's authority as this worker sees it: verified, at most a second old, never going backwards.

Trusts the `authority` key and nothing that the database says by itself. When it cannot be sure, it refuses.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from cryptography.exceptions import InvalidSignature

from vault.errors import NotFound, ServiceError, Unavailable
from vault.model.ask import PLANES
from vault.model.register import (
    DOMAIN,
    CredentialEntry,
    Register,
    RegisterError,
    StoredRegister,
    from_bytes,
)
from vault.policy.load import from_canonical
from vault.policy.rules import Policy, PolicyError
from vault.retention import load
from vault.retention.load import profiles
from vault.retention.rules import Retention, RetentionError
from vault.service.authority_keys import PublicKeys

FRESH = 0.5
"""Seconds a look at the versions counts; with `PATIENCE` it bounds how long a revocation can take."""
AHEAD = 0.4
"""Seconds after which the next one begins, so that under load nobody waits for it."""
SHIPPED_PROFILE = "in"
"""The retention rules of a tenant that has applied none."""

PATIENCE = 1.0
"""Seconds a look may take before the answer is 503."""


class RegisterStore(Protocol):
    """The append-only table of registers, and who is frozen. Every method may raise Unavailable."""

    async def latest_versions(self) -> Mapping[str, int]:
        """The highest version of each tenant there is, read from the primary."""

    async def frozen(self) -> Mapping[str, frozenset[str]]:
        """{tenant: the credentials that are frozen}, read from the primary."""

    async def read(self, tenant: str, version: int) -> StoredRegister | None:
        """One row."""


Alarm = Callable[[str, str], None]
"""Told (code, tenant) when an authority does not verify; it wakes someone."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A verified register with its policy, ready to be asked."""

    register: Register
    policy: Policy
    retention: Retention
    frozen: frozenset[str] = frozenset()
    """Credentials that somebody froze."""
    entries: Mapping[str, CredentialEntry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        entries = MappingProxyType({entry.id: entry for entry in self.register.credentials})
        object.__setattr__(self, "entries", entries)

    def is_frozen(self, entry: CredentialEntry) -> bool:
        """Whether a credential may do nothing. Only those with a right of the reveal plane can be frozen:
        whoever takes that plane over could else freeze the persons who lift it."""
        return entry.id in self.frozen and any(PLANES[grant.verb] == "reveal" for grant in entry.grants)


def authority_of(register: Register) -> Authority:
    """A register with what it says, read. Raises: PolicyError, RetentionError."""
    rules = (
        profiles()[SHIPPED_PROFILE] if register.retention is None else load.from_canonical(register.retention)
    )
    return Authority(register, from_canonical(register.policy), rules)


class Registers:
    """The cache. One look at the versions serves everybody who waits for it."""

    def __init__(
        self,
        store: RegisterStore,
        keys: PublicKeys,
        *,
        clock: Callable[[], float],
        alarm: Alarm,
        patience: float = PATIENCE,
    ) -> None:
        """`clock` is monotonic, in seconds."""
        self._patience = patience
        self._store = store
        self._keys = keys
        self._clock = clock
        self._alarm = alarm
        self._versions: Mapping[str, int] = {}
        self._frozen: Mapping[str, frozenset[str]] = {}
        self._looked = float("-inf")
        self._generation = 0
        self._look: asyncio.Task[bool] | None = None
        self._authorities: dict[str, Authority] = {}
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._alarmed: dict[str, int] = {}

    async def of(self, tenant: str, *, at_least: int = 0) -> Authority:
        """The authority of `tenant` now. `at_least` is a version known to have been in force.

        Raises: NotFound for a tenant that never was; Unavailable (`authority_tampered` with an alarm,
        `authority_unreadable`, `authority_unavailable`) when it cannot be established.
        """
        age = self._clock() - self._looked
        if AHEAD <= age < FRESH and self._look is None:
            self._look = asyncio.create_task(self._ask(self._generation))  # nobody waits for it yet
        fresh = self._current(tenant) if age < FRESH else None
        authority = fresh or await self._latest(tenant)
        if authority.register.version < at_least:
            self.expire()
            authority = await self._latest(tenant)
        if authority.register.version < at_least:
            raise self._tampered(tenant, authority.register.version)
        return self._with_frozen(tenant, authority)

    async def policy(self, tenant: str) -> Policy:
        """The policy of `tenant` now. Raises: as `of`."""
        return (await self.of(tenant)).policy

    async def tenants(self) -> list[str]:
        """The names of all tenants. Raises: Unavailable."""
        await self._look_again()
        return sorted(self._versions)

    def expire(self) -> None:
        """Forget when we last looked, so that the next question sees what was just committed."""
        self._generation += 1
        self._looked = float("-inf")
        self._look = None

    async def drain(self) -> None:
        """Wait for a look that nobody waits for."""
        if self._look is not None:
            await asyncio.gather(self._look, return_exceptions=True)

    async def _latest(self, tenant: str) -> Authority:
        await self._look_again()
        authority = self._current(tenant)
        if authority is not None:
            return authority
        async with self._turns[tenant]:
            return self._current(tenant) or await self._advance(tenant, self._versions[tenant])

    async def _look_again(self) -> None:
        """Make sure `_versions` is fresh. Raises: Unavailable."""
        while self._clock() - self._looked >= FRESH:
            generation = self._generation
            if self._look is None:
                self._look = asyncio.create_task(self._ask(generation))
            # Shielded: a caller that hangs up does not spoil the look for the others.
            if not await asyncio.shield(self._look):
                raise Unavailable("authority_unavailable", retry_after=1)
            if generation == self._generation:
                return

    async def _ask(self, generation: int) -> bool:
        """Look once; False when nothing could be learnt in time. One from before `expire` changes nothing."""
        started = self._clock()
        try:
            async with asyncio.timeout(self._patience):
                versions = await self._store.latest_versions()
                frozen = await self._store.frozen()
        except (ServiceError, TimeoutError):
            return False
        else:
            if generation == self._generation:
                # Dated from before the question: its answer may be as old as that.
                self._versions, self._frozen, self._looked = versions, frozen, started
            return True
        finally:
            if generation == self._generation:
                self._look = None

    def _with_frozen(self, tenant: str, authority: Authority) -> Authority:
        """The authority with who is frozen as of the last look; a new object only when that changed."""
        frozen = self._frozen.get(tenant, frozenset())
        if authority.frozen == frozen:
            return authority
        authority = replace(authority, frozen=frozen)
        if self._authorities.get(tenant, authority).register is authority.register:
            self._authorities[tenant] = authority
        return authority

    def _current(self, tenant: str) -> Authority | None:
        """What we hold, if it is the latest; None when a later one is to be read."""
        latest = self._versions.get(tenant)
        seen = self._authorities.get(tenant)
        if seen is None:
            if latest is None:
                raise NotFound("tenant_not_found")
            return None
        if latest is None or latest < seen.register.version:
            raise self._tampered(tenant, latest or 0)
        return seen if latest == seen.register.version else None

    async def _advance(self, tenant: str, version: int) -> Authority:
        """Read, verify and keep `version`. Raises: Unavailable."""
        try:
            async with asyncio.timeout(self._patience):
                authority = await self._verified(tenant, version)
        except TimeoutError:
            raise Unavailable("authority_unavailable", retry_after=1) from None
        self._authorities[tenant] = authority
        self._alarmed.pop(tenant, None)
        return authority

    async def _verified(self, tenant: str, version: int) -> Authority:
        stored = await self._store.read(tenant, version)
        if stored is None or not await self._signed(stored):
            raise self._tampered(tenant, version)
        try:
            register = from_bytes(stored.document)
            authority = authority_of(register)
        except (RegisterError, PolicyError, RetentionError):
            # Signed by us, so not forged: written by another version of the service.
            raise Unavailable("authority_unreadable") from None
        if (register.tenant, register.version) != (tenant, version):
            raise self._tampered(tenant, version)
        return authority

    async def _signed(self, stored: StoredRegister) -> bool:
        key = await self._keys.get(stored.key_version, insist=True)
        if key is None:
            return False
        try:
            key.verify(stored.signature, DOMAIN + stored.document)
        except InvalidSignature:
            return False
        return True

    def _tampered(self, tenant: str, version: int) -> Unavailable:
        """The refusal; the alarm sounds once for each thing that is wrong."""
        if self._alarmed.get(tenant) != version:
            self._alarmed[tenant] = version
            self._alarm("authority_tampered", tenant)
        return Unavailable("authority_tampered")
