"""Who is calling: reads an access token, then asks the register what its bearer may do at this moment."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from vault.errors import NotFound, Unauthenticated
from vault.model.ask import PLANES, Caller, Grant
from vault.model.register import CredentialEntry
from vault.service.access_token import SKEW, Claims, Expected, InvalidToken, key_version, verify
from vault.service.authority_keys import PublicKeys
from vault.service.failed_logins import FailedLogins
from vault.service.registers import Registers
from vault.service.visit import Admission

REMEMBERED = 4096
"""Verified tokens kept, so that a signature is checked once and not with every request."""


@dataclass(slots=True)
class _Known:
    """A verified token, and what its bearer was the last time."""

    claims: Claims
    entry: CredentialEntry | None = None
    grants: tuple[Grant, ...] = ()


class Authenticator:
    """Authenticates for one plane. What a token may do is never taken from the token."""

    def __init__(
        self,
        expected: Expected,
        registers: Registers,
        keys: PublicKeys,
        failed: FailedLogins,
        admission: Admission,
        *,
        now: Callable[[], int],
    ) -> None:
        """`now` is the wall clock in µs. `admission` is what a caller meets when he is known."""
        self.admission = admission
        self._expected = expected
        self._registers = registers
        self._keys = keys
        self._failed = failed
        self._now = now
        self._verified: OrderedDict[bytes, _Known] = OrderedDict()

    async def authenticate(self, authorization: str | None, *, address: str, request_id: str) -> Caller:
        """Name the caller and the rights he has on this plane now.

        A token for another plane, or of a frozen credential, names its bearer and gives no right: so the
        attempt is on record by name.
        Raises: Unauthenticated (`unauthenticated`, `invalid_token`, `token_expired`,
        `credential_inactive`); Unavailable when the register cannot be established.
        """
        credential: str | None = None
        try:
            known = await self._known(_bearer(authorization))
            claims = known.claims
            credential = claims.sub
            entry, frozen = await self._entry(known)
        except Unauthenticated:
            self._failed.count(credential, address, now=self._now())
            raise
        return Caller(
            tenant=claims.tenant,
            credential=entry.id,
            person=entry.person,
            grants=() if frozen else known.grants,
            auth_method=claims.auth_method,
            address=address,
            request_id=request_id,
            frozen=frozen,
        )

    async def _known(self, token: str) -> _Known:
        """A token that verifies, and is of our time. Raises: Unauthenticated, Unavailable."""
        seconds = self._now() // 1_000_000
        digest = sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is None:
            known = _Known(await self._verify(token))
            self._remember(digest, known)
        if known.claims.iat > seconds + SKEW:
            raise Unauthenticated("invalid_token")
        if known.claims.exp <= seconds:
            self._verified.pop(digest, None)
            raise Unauthenticated("token_expired")
        return known

    async def _verify(self, token: str) -> Claims:
        try:
            key = await self._keys.get(key_version(token))
            if key is None:
                raise Unauthenticated("invalid_token")
            return verify(token, key, self._expected)
        except InvalidToken:
            raise Unauthenticated("invalid_token") from None

    def _remember(self, digest: bytes, known: _Known) -> None:
        self._verified[digest] = known
        if len(self._verified) > REMEMBERED:
            self._verified.popitem(last=False)

    async def _entry(self, known: _Known) -> tuple[CredentialEntry, bool]:
        """The credential as the register has it now, and whether it is frozen.

        Raises: Unauthenticated, Unavailable.
        """
        claims = known.claims
        try:
            # A database that was set back to before the token was issued is not believed.
            authority = await self._registers.of(claims.tenant, at_least=claims.reg)
        except NotFound:
            raise Unauthenticated("credential_inactive") from None
        entry = authority.entries.get(claims.sub)
        if entry is not known.entry:
            self._meet(known, entry)
        if entry is None or not entry.usable(self._now()):
            raise Unauthenticated("credential_inactive")
        return entry, authority.is_frozen(entry)

    def _meet(self, known: _Known, entry: CredentialEntry | None) -> None:
        """The token against an entry it was not yet held against. Raises: Unauthenticated."""
        known.entry = None
        if entry is None or entry.epoch != known.claims.epoch:
            raise Unauthenticated("credential_inactive")
        plane = self._expected.plane
        own = known.claims.aud == plane
        known.grants = tuple(g for g in entry.grants if own and PLANES[g.verb] == plane)
        known.entry = entry


def _bearer(authorization: str | None) -> str:
    """The token of a `Bearer` header. Raises: Unauthenticated."""
    if authorization is None:
        raise Unauthenticated
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.isascii():
        raise Unauthenticated
    return token
