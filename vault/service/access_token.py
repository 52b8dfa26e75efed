"""Access tokens: EdDSA JWTs (RFC 9068 type `at+jwt`) for one plane, five minutes at most. Pure.

A token says who its bearer proved to be, never what he may do: that is asked of the register each time.
"""

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.types import Options

from vault.model import canonical
from vault.model.ask import PLANES
from vault.model.names import CREDENTIAL

LIFETIME = 300
"""Seconds."""
LONGEST = 4096
"""Characters a token may have; ours have about 500."""
SKEW = 5
"""Seconds the issuer's clock may be ahead of ours."""

_KID = re.compile(r"authority-v([1-9][0-9]{0,8})", re.ASCII)
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_OPTIONS: Options = {
    "require": ["iss", "aud", "sub", "iat", "exp", "jti"],
    # These two are compared with our own clock below.
    "verify_exp": False,
    "verify_iat": False,
    "verify_aud": False,  # one plane's name as plain text: compared below
}


class InvalidToken(ValueError):
    """Not a token of ours for this plane. Never carries the token."""

    def __init__(self) -> None:
        super().__init__("not a valid access token")


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a token says. Times are seconds since 1970."""

    iss: str
    sub: str
    tenant: str
    aud: str
    iat: int
    exp: int
    jti: str
    reg: int
    """The register's version at issue: a worker that knows an older one is behind."""
    epoch: str
    """The credential's epoch: rotating its secret ends its tokens."""
    auth_method: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a plane demands of a token."""

    issuer: str
    plane: str


def signing_input(claims: Claims, *, key_version: int) -> bytes:
    """The bytes the `authority` key signs. They begin with `ey`, never with a domain of ours."""
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": f"authority-v{key_version}"}
    body: Any = msgspec.to_builtins(claims)
    return b".".join(_part(canonical.dump(part)) for part in (header, body))


def attach(signed: bytes, signature: bytes) -> str:
    """The token: what was signed, and the signature."""
    return b".".join((signed, _part(signature))).decode()


def key_version(token: str) -> int:
    """The version of the key a token says it was signed by. Raises: InvalidToken."""
    if len(token) > LONGEST or _SHAPE.fullmatch(token) is None:
        raise InvalidToken
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise InvalidToken from None
    kid = header.get("kid")
    form = _KID.fullmatch(kid) if isinstance(kid, str) else None
    if form is None or header != {"alg": "EdDSA", "typ": "at+jwt", "kid": kid}:
        raise InvalidToken
    return int(form[1])


def verify(token: str, key: Ed25519PublicKey, expected: Expected) -> Claims:
    """Check signature, issuer and shape; times and plane are the caller's. Raises: InvalidToken."""
    try:
        body = jwt.decode(
            token,
            key,
            algorithms=["EdDSA"],
            issuer=expected.issuer,
            options=_OPTIONS,
        )
        claims = msgspec.convert(body, Claims, strict=True)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise InvalidToken from None
    named = CREDENTIAL.fullmatch(claims.sub) is not None and claims.sub.partition(".")[0] == claims.tenant
    if not named or claims.aud not in PLANES.values() or not 0 < claims.exp - claims.iat <= LIFETIME:
        raise InvalidToken
    return claims


def _part(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
