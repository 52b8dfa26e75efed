"""Who is calling: reads an access token, then asks the register what its bearer may do at this moment."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from vault.errors import NotFound, Unauthenticated
from vault.model.ask import PLANES, Caller, Grant
from vault.model.register import CredentialEntry
from vault.service.access_token import SKEW, Claims, Expected, InvalidToken, key_version, verify
from vault.service.authority_keys import PublicKeys
from vault.service.failed_logins import FailedLogins
from vault.service.registers import Registers

REMEMBERED = 4096
"""Verified tokens kept, so that a signature is checked once and not with every request."""


class Authenticator:
    """Authenticates for one plane. What a token may do is never taken from the token."""

    def __init__(
        self,
        expected: Expected,
        registers: Registers,
        keys: PublicKeys,
        failed: FailedLogins,
        *,
        now: Callable[[], int],
    ) -> None:
        """`now` is the wall clock in µs."""
        self._expected = expected
        self._registers = registers
        self._keys = keys
        self._failed = failed
        self._now = now
        self._verified: OrderedDict[bytes, Claims] = OrderedDict()

    async def authenticate(self, authorization: str | None, *, address: str, request_id: str) -> Caller:
        """Name the caller and the rights he has on this plane now.

        A token for another plane, or of a frozen credential, names its bearer and gives no right: so the
        attempt is on record by name.
        Raises: Unauthenticated (`unauthenticated`, `invalid_token`, `token_expired`,
        `credential_inactive`); Unavailable when the register cannot be established.
        """
        credential: str | None = None
        try:
            claims = await self._claims(_bearer(authorization))
            credential = claims.sub
            entry, frozen = await self._entry(claims)
        except Unauthenticated:
            self._failed.count(credential, address, now=self._now())
            raise
        return Caller(
            tenant=claims.tenant,
            credential=entry.id,
            person=entry.person,
            grants=() if frozen else self._grants(entry, claims),
            auth_method=claims.auth_method,
            address=address,
            request_id=request_id,
            frozen=frozen,
        )

    def _grants(self, entry: CredentialEntry, claims: Claims) -> tuple[Grant, ...]:
        plane = self._expected.plane
        return tuple(g for g in entry.grants if PLANES[g.verb] == plane) if claims.aud == plane else ()

    async def _claims(self, token: str) -> Claims:
        """What a token that verifies says. Raises: Unauthenticated, Unavailable."""
        seconds = self._now() // 1_000_000
        digest = sha256(token.encode()).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = await self._verify(token)
            self._remember(digest, claims)
        if claims.iat > seconds + SKEW:
            raise Unauthenticated("invalid_token")
        if claims.exp <= seconds:
            self._verified.pop(digest, None)
            raise Unauthenticated("token_expired")
        return claims

    async def _verify(self, token: str) -> Claims:
        try:
            key = await self._keys.get(key_version(token))
            if key is None:
                raise Unauthenticated("invalid_token")
            return verify(token, key, self._expected)
        except InvalidToken:
            raise Unauthenticated("invalid_token") from None

    def _remember(self, digest: bytes, claims: Claims) -> None:
        self._verified[digest] = claims
        if len(self._verified) > REMEMBERED:
            self._verified.popitem(last=False)

    async def _entry(self, claims: Claims) -> tuple[CredentialEntry, bool]:
        """The credential as the register has it now, and whether it is frozen.

        Raises: Unauthenticated, Unavailable.
        """
        try:
            # A database that was set back to before the token was issued is not believed.
            authority = await self._registers.of(claims.tenant, at_least=claims.reg)
        except NotFound:
            raise Unauthenticated("credential_inactive") from None
        entry = authority.entries.get(claims.sub)
        if entry is None or entry.epoch != claims.epoch or not entry.usable(self._now()):
            raise Unauthenticated("credential_inactive")
        return entry, authority.is_frozen(entry)


def _bearer(authorization: str | None) -> str:
    """The token of a `Bearer` header. Raises: Unauthenticated."""
    if authorization is None:
        raise Unauthenticated
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.isascii():
        raise Unauthenticated
    return token
