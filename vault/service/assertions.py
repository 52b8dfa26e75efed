"""Client assertions (RFC 7523 §3): a short JWT a client signs with its own Ed25519 key. Pure.

That a `jti` counts once is for the caller to see to; here it is only read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.types import Options

from vault.model.names import CREDENTIAL
from vault.model.secret import Secret

LONGEST_LIFE = 3600
"""Seconds an assertion may still have to live: its jti is kept as long."""
SKEW = 30
"""Seconds a client's clock may be off."""

_OPTIONS: Options = {
    "require": ["iss", "sub", "aud", "exp", "jti"],
    # The times are compared with our own clock below.
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class InvalidAssertion(ValueError):
    """Not an assertion this client made for us now. Never carries it."""

    def __init__(self) -> None:
        super().__init__("not a valid client assertion")


@dataclass(frozen=True, slots=True)
class Assertion:
    """What is left to do about a valid assertion: its jti must not have been used."""

    jti_sha256: bytes
    expires_at: int
    """µs since 1970; afterwards the assertion is refused anyway."""


def claimed_client(assertion: Secret[str]) -> str:
    """Who the assertion says it is from; nothing is checked. Raises: InvalidAssertion."""
    try:
        body = jwt.decode(assertion.reveal(), options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise InvalidAssertion from None
    client = body.get("sub")
    if not isinstance(client, str) or CREDENTIAL.fullmatch(client) is None:
        raise InvalidAssertion
    return client


def verify(
    assertion: Secret[str], key: Ed25519PublicKey, *, client: str, audiences: Sequence[str], now: int
) -> Assertion:
    """Check everything but the jti's first use. `now` in µs. Raises: InvalidAssertion."""
    try:
        body = jwt.decode(
            assertion.reveal(),
            key,
            algorithms=["EdDSA"],
            audience=audiences,
            issuer=client,
            subject=client,
            options=_OPTIONS,
        )
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise InvalidAssertion from None
    expires = _check_times(body, now // 1_000_000)
    jti = body["jti"]
    if not 1 <= len(jti) <= 256:
        raise InvalidAssertion
    return Assertion(sha256(jti.encode(errors="surrogatepass")).digest(), (expires + SKEW + 1) * 1_000_000)


def _check_times(body: dict[str, Any], seconds: int) -> int:
    times = {name: body.get(name, seconds) for name in ("exp", "iat", "nbf")}
    if any(type(time) not in (int, float) for time in times.values()):
        raise InvalidAssertion
    if max(times["iat"], times["nbf"]) > seconds + SKEW:
        raise InvalidAssertion
    if not seconds - SKEW < times["exp"] <= seconds + LONGEST_LIFE + SKEW:
        raise InvalidAssertion
    return int(times["exp"])
