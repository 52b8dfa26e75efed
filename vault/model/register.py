"""The authority register: a tenant's credentials and policy as one document, signed as a whole. Pure.

Its bytes are canonical JSON (docs/decisions/0002). The policy stays bytes here; `vault.policy` reads it.
"""

import re
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

from vault.model import canonical
from vault.model.ask import Grant
from vault.model.grants import GrantError, check_grant, check_together, parse_grant
from vault.model.names import CREDENTIAL, TENANT

DOMAIN = b"strongroom/authority/v1\0"
"""Goes before the document when it is signed, so that no other signature can pass for it."""

LARGEST = 8_000_000
Status = Literal["active", "revoked"]
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ENTRY = {"id", "person", "grants", "expires_at", "created_at", "status", "secret_sha256", "public_key"}
_DOCUMENT = {"v", "tenant", "version", "credentials", "policy", "policy_hash"}
_RETENTION = {"retention", "retention_hash"}
"""Members of a tenant that has retention rules of its own."""


class RegisterError(ValueError):
    """The bytes are not a register, or the register breaks a rule. `rule` names no value."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class StoredStanding:
    """A standing as the database has it. `seq` counts its changes."""

    seq: int
    document: bytes
    signature: bytes
    key_version: int


@dataclass(frozen=True, slots=True)
class StoredRegister:
    """A register as a database has it: unread, unverified."""

    document: bytes
    signature: bytes
    key_version: int


@dataclass(frozen=True, slots=True)
class CredentialEntry:
    """One credential: who answers for it, what it may do, until when, and how it proves itself.

    Raises: RegisterError.
    """

    id: str
    person: str
    grants: tuple[Grant, ...]
    """Sorted by their text, each once."""
    created_at: int
    expires_at: int | None = None
    """µs since 1970; from this moment on the credential is refused."""
    status: Status = "active"
    secret_sha256: str | None = None
    """SHA-256 (hex) of the stored Argon2id string, which itself lives where only `control` may read."""
    public_key: bytes | None = None
    """Raw Ed25519 key for private_key_jwt."""

    def __post_init__(self) -> None:
        _check_entry(self)

    @property
    def tenant(self) -> str:
        return self.id.partition(".")[0]

    @property
    def epoch(self) -> str:
        """Names what the credential proves itself with; a token of an earlier epoch is refused."""
        parts = (self.id, self.secret_sha256 or "", (self.public_key or b"").hex())
        return sha256("\0".join(parts).encode()).hexdigest()[:16]

    def usable(self, now: int) -> bool:
        """Whether the credential is neither revoked nor expired at `now` (µs)."""
        return self.status == "active" and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Register:
    """A tenant's whole authority at one version. Entries are sorted by id. Raises: RegisterError."""

    tenant: str
    version: int
    credentials: tuple[CredentialEntry, ...]
    policy: bytes
    """Canonical JSON of the policy."""
    retention: bytes | None = None
    """Canonical JSON of the retention rules; None: those shipped for profile `in` hold."""

    def __post_init__(self) -> None:
        ids = [entry.id for entry in self.credentials]
        if TENANT.fullmatch(self.tenant) is None or not 1 <= self.version < 2**53:
            raise RegisterError("a register names its tenant and a version from 1 up")
        if ids != sorted(set(ids)) or any(entry.tenant != self.tenant for entry in self.credentials):
            raise RegisterError("credentials are the tenant's own, sorted, each once")

    @property
    def policy_hash(self) -> str:
        return sha256(self.policy).hexdigest()

    def find(self, credential: str) -> CredentialEntry | None:
        """The entry of `credential`, whatever its status."""
        return next((entry for entry in self.credentials if entry.id == credential), None)

    def put(self, entry: CredentialEntry) -> "Register":
        """The next version, with `entry` added or in the place of its predecessor."""
        others = (other for other in self.credentials if other.id != entry.id)
        entries = tuple(sorted((*others, entry), key=lambda e: e.id))
        return replace(self, version=self.version + 1, credentials=entries)

    def with_policy(self, policy: bytes) -> "Register":
        """The next version, under another policy."""
        return replace(self, version=self.version + 1, policy=policy)

    def with_retention(self, retention: bytes) -> "Register":
        """The next version, under other retention rules."""
        return replace(self, version=self.version + 1, retention=retention)


def sort_grants(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """Grants in the one order a register keeps them in."""
    return tuple(sorted(set(grants), key=str))


def acceptable_person(text: str) -> bool:
    """Whether `text` may name the person answerable: one printable line, normalised, at most 128 long."""
    tidy = text == text.strip() and text.isprintable() and text == unicodedata.normalize("NFC", text)
    return tidy and 1 <= len(text) <= 128


def to_bytes(register: Register) -> bytes:
    """The document that is signed (behind `DOMAIN`) and stored."""
    document = {
        "v": 1,
        "tenant": register.tenant,
        "version": register.version,
        "credentials": [_entry_dict(entry) for entry in register.credentials],
        "policy": canonical.load(register.policy),
        "policy_hash": register.policy_hash,
    }
    if register.retention is not None:
        document["retention"] = canonical.load(register.retention)
        document["retention_hash"] = sha256(register.retention).hexdigest()
    return canonical.dump(document)


def from_bytes(document: bytes) -> Register:
    """Read what `to_bytes` wrote. Raises: RegisterError for everything else."""
    if len(document) > LARGEST:
        raise RegisterError("too large")
    try:
        data = canonical.load(document)
        own = isinstance(data, dict) and "retention" in data
        register = _register(_members(data, _DOCUMENT | _RETENTION if own else _DOCUMENT))
    except (canonical.NotCanonical, GrantError) as e:
        raise RegisterError(str(e)) from None
    if to_bytes(register) != document:
        raise RegisterError("not the one spelling of this register")
    return register


def _register(data: dict[str, Any]) -> Register:
    if data["v"] != 1 or type(data["version"]) is not int or not isinstance(data["tenant"], str):
        raise RegisterError("not a version 1 register")
    if not isinstance(data["credentials"], list) or not isinstance(data["policy"], dict):
        raise RegisterError("credentials is a list, policy an object")
    entries = tuple(_entry(_members(item, _ENTRY)) for item in data["credentials"])
    rules = data.get("retention")
    if "retention" in data and not isinstance(rules, dict):
        raise RegisterError("retention is an object")
    retention = None if rules is None else canonical.dump(rules)
    return Register(data["tenant"], data["version"], entries, canonical.dump(data["policy"]), retention)


def _entry(data: dict[str, Any]) -> CredentialEntry:
    grants, key = data["grants"], data["public_key"]
    if not isinstance(grants, list) or not all(isinstance(text, str) for text in grants):
        raise RegisterError("grants is a list of texts")
    return CredentialEntry(
        id=data["id"],
        person=data["person"],
        grants=tuple(parse_grant(text) for text in grants),
        created_at=data["created_at"],
        expires_at=data["expires_at"],
        status=data["status"],
        secret_sha256=data["secret_sha256"],
        public_key=None if key is None else _read_key(key),
    )


def _entry_dict(entry: CredentialEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "person": entry.person,
        "grants": [str(grant) for grant in entry.grants],
        "created_at": entry.created_at,
        "expires_at": entry.expires_at,
        "status": entry.status,
        "secret_sha256": entry.secret_sha256,
        "public_key": None if entry.public_key is None else show_key(entry.public_key),
    }


def show_key(key: bytes) -> str:
    """An Ed25519 public key as the `x` of a JWK."""
    return urlsafe_b64encode(key).decode().rstrip("=")


def _read_key(text: object) -> bytes:
    if not isinstance(text, str) or len(text) != 43:
        raise RegisterError("a public key is the x of an Ed25519 JWK")
    try:
        return urlsafe_b64decode(text + "=")
    except ValueError:
        raise RegisterError("a public key is the x of an Ed25519 JWK") from None


def _members(value: object, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        raise RegisterError("unknown or missing member")
    return value


def _check_entry(entry: CredentialEntry) -> None:
    times = (entry.created_at, entry.created_at if entry.expires_at is None else entry.expires_at)
    if not isinstance(entry.id, str) or CREDENTIAL.fullmatch(entry.id) is None:
        raise RegisterError("a credential is named <tenant>.<name>")
    if not isinstance(entry.person, str) or not acceptable_person(entry.person):
        raise RegisterError("a credential names the person answerable for it, in one printable line")
    if any(type(time) is not int or not 0 <= time < 2**53 for time in times):
        raise RegisterError("times are microseconds since 1970")
    if entry.status not in ("active", "revoked"):
        raise RegisterError("status is active or revoked")
    if entry.public_key is not None and len(entry.public_key) != 32:
        raise RegisterError("a public key has 32 bytes")
    _check_secret(entry.secret_sha256)
    _check_grants(entry.grants)


def _check_secret(digest: object) -> None:
    if digest is not None and (not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None):
        raise RegisterError("secret_sha256 is 64 hexadecimal characters")


def _check_grants(grants: tuple[Grant, ...]) -> None:
    if grants != sort_grants(grants):
        raise RegisterError("grants are sorted, each once")
    try:
        for grant in grants:
            check_grant(grant)
        check_together(grants)
    except GrantError as e:
        raise RegisterError(e.rule) from None
