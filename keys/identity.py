"""Who a process is to the key server: an AppRole's two halves, in a file that nobody else can read."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from keys.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Identity:
    """One AppRole."""

    role_id: str
    secret_id: str = field(repr=False)


def read_identity(path: Path) -> Identity:
    """Read `{"role_id", "secret_id"}`. Raises: Misconfigured when absent, malformed or readable by others."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise Misconfigured(f"{path} must not be readable by group or others: chmod 600")
            return msgspec.json.decode(file.read(), type=Identity)
    except OSError as failure:
        reason = failure.strerror
    except (msgspec.DecodeError, UnicodeDecodeError):
        reason = "not an identity file"
    raise Misconfigured(f"{path}: {reason}")


def write_identity(path: Path, identity: Identity) -> None:
    """Write the file for its owner alone, whole or not at all."""
    body = msgspec.json.encode({"role_id": identity.role_id, "secret_id": identity.secret_id})
    write_private(path, body)


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
