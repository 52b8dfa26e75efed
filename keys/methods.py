"""How an identity proves itself to the key server: what each login method keeps, and what it sends."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

import msgspec

from keys.errors import Misconfigured

_JWT = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_MAX_JWT = 16_384


class Request(NamedTuple):
    """A login, ready to be sent. The body holds a secret."""

    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class AppRole:
    """A role id, and the secret id that makes it worth something."""

    role_id: str
    secret_id: str = field(repr=False)
    mount: str = "approle"

    refused: ClassVar[str] = "role or secret id not accepted"

    def request(self) -> Request:
        """What to send. Raises: KeysError."""
        return _request(self.mount, {"role_id": self.role_id, "secret_id": self.secret_id})


@dataclass(frozen=True, slots=True)
class WrappedAppRole:
    """An AppRole whose secret id is still in its wrapping: keys/unwrapping.py opens it, once."""

    role_id: str
    wrapped_secret_id: str = field(repr=False)
    mount: str = "approle"

    refused: ClassVar[str] = "the secret id is wrapped"

    def request(self) -> Request:
        """Raises: Misconfigured, for only a service that starts may open the wrapping."""
        raise Misconfigured("the identity's secret id is wrapped; only a service that starts unwraps it")


@dataclass(frozen=True, slots=True)
class Jwt:
    """A signed token in a file that somebody else keeps fresh, such as a projected service-account token."""

    role: str
    jwt_file: Path
    mount: str = "jwt"

    refused: ClassVar[str] = "token not accepted for this role"

    def request(self) -> Request:
        """What to send; the file is read anew for each login. Raises: Misconfigured."""
        try:
            with self.jwt_file.open("rb") as file:
                token = file.read(_MAX_JWT + 1).strip()
        except OSError as failure:
            token, reason = b"", failure.strerror
        else:
            reason = "not a JWT"
        if len(token) > _MAX_JWT or _JWT.fullmatch(token) is None:
            raise Misconfigured(f"{self.jwt_file}: {reason}")
        return _request(self.mount, {"role": self.role, "jwt": token.decode("ascii")})


@dataclass(frozen=True, slots=True)
class Certificate:
    """A TLS client certificate, shown in every connection; the files are read anew for each one."""

    cert_file: Path
    key_file: Path
    role: str = ""
    """Empty: any role the certificate fits."""
    mount: str = "cert"

    refused: ClassVar[str] = "certificate not accepted"

    def request(self) -> Request:
        """What to send. Raises: KeysError."""
        return _request(self.mount, {"name": self.role} if self.role else {})


Identity = AppRole | WrappedAppRole | Jwt | Certificate


def shown_by(identity: Identity) -> tuple[str, str] | None:
    """The certificate and key that connections of this identity show, as paths; None where it has none."""
    if isinstance(identity, Certificate):
        return str(identity.cert_file), str(identity.key_file)
    return None


def _request(mount: str, body: Mapping[str, str]) -> Request:
    return Request(f"auth/{mount}/login", msgspec.json.encode(body))
