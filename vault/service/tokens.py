"""POST /oauth2/token: a client proves itself and gets an access token for one plane.

Order: read, limit, prove, choose the plane, sign. The limit stands before every costly step, and all who
fail to prove themselves get the same answer after the same work.
"""

import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys.errors import KeysError
from keys.ring import Signer
from vault.errors import NotFound, Unavailable
from vault.model.ask import PLANES
from vault.model.names import CREDENTIAL
from vault.model.register import CredentialEntry
from vault.model.secret import Secret
from vault.service import access_token, assertions
from vault.service.authority_keys import PublicKeys
from vault.service.client_secrets import SecretVerifier, fingerprint, well_formed
from vault.service.failed_logins import FailedLogins
from vault.service.limiter import Limiter, Rate
from vault.service.oauth import OAuthError, Proof, invalid_client, read_request
from vault.service.registers import Alarm, Authority, Registers

PER_ADDRESS = Rate(burst=60, seconds=0.5)
PER_CLIENT = Rate(burst=10, seconds=6.0)
"""Per client *and* address: a stranger elsewhere who knows a client's id cannot lock it out."""

_NOBODY = Ed25519PublicKey.from_public_bytes(b"\x58" + b"\x66" * 31)
"""Stands in for the key of a client that has none, so that it is refused as slowly as any other."""


class SecretStore(Protocol):
    """What only `control` may read. Both methods may raise Unavailable."""

    async def read_secret(self, tenant: str, credential: str, *, sha256: str) -> str | None:
        """The Argon2id string with this SHA-256 (hex)."""

    async def use_jti(self, credential: str, *, jti_sha256: bytes, expires_at: int) -> bool:
        """Take a jti, durably and for every worker; False when it was taken. `expires_at` in µs."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What the endpoint answers."""

    text: str
    expires_in: int
    plane: str

    def body(self) -> dict[str, str | int]:
        """As RFC 6749 §5.1 wants it."""
        return {
            "access_token": self.text,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": self.plane,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What issuing tokens works with."""

    registers: Registers
    secrets: SecretStore
    verifier: SecretVerifier
    signer: Signer
    keys: PublicKeys
    failed: FailedLogins
    alarm: Alarm
    per_address: Limiter
    per_client: Limiter
    issuer: str
    audiences: tuple[str, ...]
    """What an assertion may be addressed to: the issuer, and the URL of the token endpoint."""
    now: Callable[[], int]
    """µs since 1970, UTC."""
    random: Callable[[int], bytes]


async def issue(body: bytes, authorization: str | None, *, address: str, desk: Desk) -> AccessToken:
    """Answer one request for a token. Raises: OAuthError, and nothing else of ours."""
    client: str | None = None
    try:
        request = read_request(body, authorization)
        client = _named(request.proof)
        _limit(client, address, desk)
        authority, entry = await _prove(request.proof, client, desk)
        _relax(client, address, desk)
        _refuse_frozen(authority, entry)
        plane = _plane(entry, request.scope)
        return await _sign(entry, request.proof, authority.register.version, plane, desk)
    except OAuthError as refusal:
        if refusal.status in (401, 403, 429):
            desk.failed.count(client, address, now=desk.now())
        raise
    except Unavailable as e:
        raise OAuthError(
            "temporarily_unavailable", e.title, status=503, retry_after=e.retry_after or 1
        ) from None


def _named(proof: Proof) -> str:
    """The credential a client claims to be. What could name none is refused before any work."""
    client = proof.client
    if proof.method == "private_key_jwt":
        try:
            client = assertions.claimed_client(proof.proof)
        except assertions.InvalidAssertion:
            raise invalid_client() from None
    if CREDENTIAL.fullmatch(client) is None or proof.client not in ("", client):
        raise invalid_client()
    return client


def _limit(client: str, address: str, desk: Desk) -> None:
    network = _network(address)
    wait = desk.per_address.take(network) or desk.per_client.take((client, network))
    if wait:
        description = "Too many attempts from here."
        raise OAuthError("temporarily_unavailable", description, status=429, retry_after=ceil(wait))


def _relax(client: str, address: str, desk: Desk) -> None:
    """An honest attempt costs nothing."""
    network = _network(address)
    desk.per_address.give_back(network)
    desk.per_client.give_back((client, network))


def _refuse_frozen(authority: Authority, entry: CredentialEntry) -> None:
    """Said only to who has proved himself. Raises: OAuthError."""
    if authority.is_frozen(entry):
        told = "credential_frozen: this credential is frozen until a person lifts that."
        raise OAuthError("unauthorized_client", told, status=403)


async def _prove(proof: Proof, client: str, desk: Desk) -> tuple[Authority, CredentialEntry]:
    """The credential, once it has proved itself. Unknown ones go the same long way before they fail."""
    try:
        authority = await desk.registers.of(client.partition(".")[0])
        entry = authority.entries.get(client)
    except NotFound:
        authority, entry = None, None
    if entry is not None and not entry.usable(desk.now()):
        entry = None
    by_key = proof.method == "private_key_jwt"
    proven = await (_by_key if by_key else _by_secret)(proof.proof, client, entry, desk)
    if not proven or authority is None or entry is None:
        raise invalid_client()
    return authority, entry


async def _by_secret(secret: Secret[str], client: str, entry: CredentialEntry | None, desk: Desk) -> bool:
    if not well_formed(secret):
        return False
    tenant = client.partition(".")[0]
    digest = entry.secret_sha256 if entry is not None else None
    stored = await desk.secrets.read_secret(tenant, client, sha256=digest or "0" * 64)
    if digest is None:
        return await desk.verifier.matches(None, secret)
    if stored is None or not hmac.compare_digest(fingerprint(stored), digest):
        desk.alarm("authority_tampered", tenant)
        raise Unavailable("authority_tampered")
    return await desk.verifier.matches(stored, secret)


async def _by_key(assertion: Secret[str], client: str, entry: CredentialEntry | None, desk: Desk) -> bool:
    raw = entry.public_key if entry is not None else None
    key = _NOBODY if raw is None else Ed25519PublicKey.from_public_bytes(raw)
    try:
        valid = assertions.verify(assertion, key, client=client, audiences=desk.audiences, now=desk.now())
    except assertions.InvalidAssertion:
        return False
    if raw is None:
        return False
    return await desk.secrets.use_jti(client, jti_sha256=valid.jti_sha256, expires_at=valid.expires_at)


def _plane(entry: CredentialEntry, scope: str | None) -> str:
    """The plane the token is for: the one named, or the only one the grants reach."""
    planes = sorted({PLANES[grant.verb] for grant in entry.grants})
    if scope is None and len(planes) == 1:
        return planes[0]
    if scope is None or scope not in planes:
        reach = ", ".join(planes) or "none"
        raise OAuthError("invalid_scope", f"scope names one plane; this credential reaches: {reach}.")
    return scope


async def _sign(entry: CredentialEntry, proof: Proof, reg: int, plane: str, desk: Desk) -> AccessToken:
    """Raises: Unavailable when the key server does not sign."""
    iat = desk.now() // 1_000_000
    exp = iat + access_token.LIFETIME
    if entry.expires_at is not None:
        exp = max(iat + 1, min(exp, entry.expires_at // 1_000_000))
    claims = access_token.Claims(
        iss=desk.issuer,
        sub=entry.id,
        tenant=entry.tenant,
        aud=plane,
        iat=iat,
        exp=exp,
        jti=desk.random(16).hex(),
        reg=reg,
        epoch=entry.epoch,
        auth_method=proof.method,
    )
    return AccessToken(await _seal(claims, desk), exp - iat, plane)


async def _seal(claims: access_token.Claims, desk: Desk) -> str:
    """Sign, naming the key version. It is learnt by signing, so a rotation in between costs a second turn."""
    version = await desk.keys.latest()
    for _ in range(2):
        signed = access_token.signing_input(claims, key_version=version)
        try:
            used, signature = await desk.signer.sign("authority", signed)
        except KeysError as e:
            raise Unavailable(e.code, retry_after=1) from None
        if used == version:
            return access_token.attach(signed, signature)
        version = used
    raise Unavailable("authority_unavailable", retry_after=1)


def _network(address: str) -> str:
    """The address, or for IPv6 its /64, of which one host commands every address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
