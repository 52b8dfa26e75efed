"""Who a process is to the key server: a file that nobody else can read, in one of four forms.

    {"role_id", "secret_id"}                              AppRole
    {"role_id", "wrapped_secret_id"}                      AppRole, its secret id in a wrapping that opens once
    {"method": "jwt", "role", "jwt_file"}                 JWT
    {"method": "cert", "cert_file", "key_file", "role"?}  TLS certificate
Each may name the `mount` of its method. Paths are relative to the file's own folder.
"""

import os
import re
import stat
from pathlib import Path
from typing import Literal

import msgspec

from keys.errors import Misconfigured
from keys.methods import AppRole, Certificate, Identity, Jwt, WrappedAppRole

_MOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,3}")


class _File(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Every member there is; which ones must be there depends on the form."""

    method: Literal["approle", "jwt", "cert"] = "approle"
    role_id: str = ""
    secret_id: str = ""
    wrapped_secret_id: str = ""
    spent: str = ""
    """Instead of a wrapped secret id: when it was unwrapped."""
    role: str = ""
    jwt_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    mount: str = ""

    def members(self) -> frozenset[str]:
        """The names of those that say something, `method` and `mount` aside."""
        named = (one for one in self.__struct_fields__ if one not in ("method", "mount"))
        return frozenset(one for one in named if getattr(self, one))


def read_identity(path: Path) -> Identity:
    """Read an identity. Raises: Misconfigured when absent, malformed, spent or readable by others."""
    try:
        with path.open("rb") as file:
            _assert_private(path, os.fstat(file.fileno()))
            found = _identity(msgspec.json.decode(file.read(), type=_File), path)
    except OSError as failure:
        reason = failure.strerror
    except (msgspec.DecodeError, UnicodeDecodeError):
        reason = "not an identity file"
    else:
        if found is not None:
            return found
        reason = "not an identity file"
    raise Misconfigured(f"{path}: {reason}")


def write_identity(path: Path, identity: Identity) -> None:
    """Write the file for its owner alone, whole or not at all."""
    match identity:
        case AppRole(role_id, secret_id, mount):
            file = _File(role_id=role_id, secret_id=secret_id, mount=mount)
        case WrappedAppRole(role_id, wrapped, mount):
            file = _File(role_id=role_id, wrapped_secret_id=wrapped, mount=mount)
        case Jwt(role, jwt_file, mount):
            file = _File(method="jwt", role=role, jwt_file=str(jwt_file), mount=mount)
        case Certificate(cert_file, key_file, role, mount):
            files = {"cert_file": str(cert_file), "key_file": str(key_file)}
            file = _File(method="cert", role=role, mount=mount, **files)
    if file.mount == file.method:
        file.mount = ""
    write_private(path, msgspec.json.encode(file))


def mark_spent(path: Path, identity: WrappedAppRole, when: str) -> None:
    """Put `when` in the place of a secret id that was unwrapped: a restart must not take it for theft.

    Raises: OSError where the folder cannot be written.
    """
    write_private(path, msgspec.json.encode(_File(role_id=identity.role_id, spent=when)))


def write_private(path: Path, body: bytes) -> None:
    """Write `body` with mode 0600 from its first byte, through a temporary name, durable when it returns."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _identity(file: _File, path: Path) -> Identity | None:
    """What the file says, or None where its members are not those of one form. Raises: Misconfigured."""
    mount, given = file.mount or file.method, file.members()
    if _MOUNT.fullmatch(mount) is None:
        return None
    match file.method, sorted(given):
        case "approle", ["role_id", "secret_id"]:
            return AppRole(file.role_id, file.secret_id, mount)
        case "approle", ["role_id", "wrapped_secret_id"]:
            return WrappedAppRole(file.role_id, file.wrapped_secret_id, mount)
        case "approle", ["role_id", "spent"]:
            raise Misconfigured(
                f"{path}: its secret id was unwrapped at a start, {file.spent}; hand over a fresh one"
            )
        case "jwt", ["jwt_file", "role"]:
            return Jwt(file.role, path.parent / file.jwt_file, mount)
        case "cert", ["cert_file", "key_file"] | ["cert_file", "key_file", "role"]:
            key = path.parent / file.key_file
            _assert_private(key, key.stat())
            return Certificate(path.parent / file.cert_file, key, file.role, mount)
    return None


def _assert_private(path: Path, found: os.stat_result) -> None:
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise Misconfigured(f"{path} must not be readable by group or others: chmod 600")
