"""The file that says which identities log in by JWT or by certificate: `strongroom provision --logins`."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from keys.errors import Misconfigured
from keys.plan import CertLogins, JwtLogins, Plan
from vault.cli.failures import UsageFault


class _Jwt(msgspec.Struct, forbid_unknown_fields=True):
    public_keys: list[str]
    audience: str
    file: str
    subjects: dict[str, str]
    issuer: str = ""
    claims: dict[str, str] = {}
    mount: str = "jwt"


class _Cert(msgspec.Struct, forbid_unknown_fields=True):
    authority: str
    cert_file: str
    key_file: str
    names: dict[str, str]
    mount: str = "cert"


class _Logins(msgspec.Struct, forbid_unknown_fields=True):
    jwt: _Jwt | None = None
    cert: _Cert | None = None


def with_logins(plan: Plan, path: Path | None) -> Plan:
    """The plan with what the file says. Paths of public keys and authority are relative to the file.

    Raises: UsageFault, OSError.
    """
    if path is None:
        return plan
    try:
        found = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _Logins)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise UsageFault(f"{path}: {failure}") from None
    try:
        return replace(plan, **_parts(found, path.parent))
    except Misconfigured as failure:
        raise UsageFault(f"{path}: {failure.rule}") from None


def _parts(found: _Logins, folder: Path) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    if found.jwt is not None:
        keys = tuple((folder / one).read_text("ascii") for one in found.jwt.public_keys)
        parts["jwt"] = JwtLogins(**msgspec.structs.asdict(found.jwt) | {"public_keys": keys})
    if found.cert is not None:
        authority = (folder / found.cert.authority).read_text("ascii")
        parts["cert"] = CertLogins(**msgspec.structs.asdict(found.cert) | {"authority": authority})
    return parts
