"""What the key server answers, in the shapes we expect; what a bad answer means: keys/verdicts.py. Pure."""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from keys.errors import Behind, KeysError, Misconfigured, Sealed, Tampered
from keys.ring import Hashed, WrappedDek
from keys.verdicts import INTERNAL, verdict

T = TypeVar("T")

_PREFIXED = re.compile(r"vault:v([1-9][0-9]{0,8}):([A-Za-z0-9+/]{1,4096}={0,2})")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. The body stays out of `repr`: it may hold plaintext or a token."""

    status: int
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def good(self) -> "Reply":
        """Itself, if it is a good answer. Raises: KeysError."""
        if not self.ok:
            raise error_for(self)
        return self

    def read(self, kind: type[T]) -> T:
        """The body of a good answer as `kind`. Raises: KeysError for a bad one, or for another shape."""
        return self.good().shaped(kind)

    def shaped(self, kind: type[T]) -> T:
        """The body as `kind`, whatever the status. Raises: Misconfigured."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        # Raised out here, not in the handler: `from None` hides a cause but keeps it on the exception.
        raise Misconfigured("answer not in the expected shape")


class Item(msgspec.Struct):
    """One result of a batch; which fields are there depends on the verb."""

    ciphertext: str = ""
    plaintext: str = ""
    hmac: str = ""
    error: str = ""

    def wrapped(self) -> str:
        """The ciphertext of an item that was wrapped. Raises: KeysError."""
        self._good()
        versioned(self.ciphertext)
        return self.ciphertext

    def hashed(self) -> Hashed:
        """The hash of an item that was indexed. Raises: KeysError."""
        self._good()
        version, digest = versioned(self.hmac)
        return Hashed(version, _exactly(32, digest))

    def dek(self) -> bytes | KeysError:
        """The 32-byte DEK of an item that was unwrapped, or why it alone was not."""
        if self.error:
            return error_in(self.error)
        try:
            dek = decoded(self.plaintext)
        except Misconfigured as failure:
            return failure
        return dek if len(dek) == 32 else Tampered("not a DEK")

    def rewrapped(self, dek_id: bytes, *, at_least: int) -> WrappedDek | KeysError:
        """The new form of an item that was rewrapped, or why it alone was not.

        A node that has not heard of `at_least` wraps under the version before: Behind.
        """
        if self.error:
            return error_in(self.error)
        try:
            version, _ = versioned(self.ciphertext)
        except Misconfigured as failure:
            return failure
        return WrappedDek(dek_id, self.ciphertext) if version >= at_least else Behind("standby behind")

    def _good(self) -> None:
        if self.error:
            raise error_in(self.error)


class _Results(msgspec.Struct):
    batch_results: list[Item]


class _Batch(msgspec.Struct):
    data: _Results


def items_of(reply: Reply, *, expected: int) -> list[Item]:
    """A batch's results, one per input. Raises: KeysError.

    When every item fails the status is 400 whatever was asked for, with the items in the body.
    """
    each_failed = reply.status == 400 and b'"batch_results"' in reply.body
    batch = reply.shaped(_Batch) if each_failed else reply.read(_Batch)
    if len(batch.data.batch_results) != expected:
        raise Misconfigured("batch of another length")
    return batch.data.batch_results


class _Signature(msgspec.Struct):
    signature: str


class Signed(msgspec.Struct):
    """The answer to `sign`."""

    data: _Signature

    def signature(self) -> tuple[int, bytes]:
        """(key version, 64 bytes). Raises: Misconfigured."""
        version, raw = versioned(self.data.signature)
        return version, _exactly(64, raw)


class KeySettings(msgspec.Struct, frozen=True):
    """What matters about a transit key."""

    type: str
    derived: bool
    exportable: bool
    allow_plaintext_backup: bool
    deletion_allowed: bool
    latest_version: int
    min_decryption_version: int
    min_encryption_version: int
    min_available_version: int = 0
    """Older versions were trimmed: they exist no more."""


class _Times(msgspec.Struct):
    keys: dict[int, int]


class VersionTimes(msgspec.Struct):
    """The answer to reading an encryption key: when each version was made, seconds since 1970."""

    data: _Times


class KeyRead(msgspec.Struct):
    """The answer to reading a key of any type."""

    data: KeySettings


class _Version(msgspec.Struct):
    public_key: str


class _Versions(msgspec.Struct):
    type: str
    keys: dict[int, _Version]


class PublicKeys(msgspec.Struct):
    """The answer to reading a signing key."""

    data: _Versions

    def by_version(self) -> dict[int, bytes]:
        """Raw 32-byte Ed25519 public keys. Raises: Misconfigured."""
        if self.data.type != "ed25519":
            raise Misconfigured("not an Ed25519 key")
        return {version: _exactly(32, decoded(v.public_key)) for version, v in self.data.keys.items()}


class Capabilities(msgspec.Struct):
    """The answer to `capabilities-self`, which also repeats the first path's under a name of its own."""

    data: dict[str, list[str]]


class AuditHash(msgspec.Struct):
    """The answer to `audit-hash`; HashiCorp Vault has it inside `data` alone."""

    data: "_Hash"


class _Hash(msgspec.Struct):
    hash: str


class _WrapInfo(msgspec.Struct):
    token: str


class Wrapped(msgspec.Struct):
    """The answer to a request whose real answer was put away."""

    wrap_info: _WrapInfo


class _Leader(msgspec.Struct):
    is_self: bool = False


def leads(reply: Reply) -> bool:
    """Whether an answer to `sys/leader` says that this node is the active one."""
    try:
        return reply.read(_Leader).is_self
    except KeysError:
        return False


def elsewhere(reply: Reply) -> bool:
    """Whether another node may answer what this one did not."""
    return not reply.ok and error_for(reply).elsewhere


def undone(reply: Reply) -> bool:
    """Whether a bad answer means that nothing was done. A 500 may come from the audit after the deed."""
    failure = error_for(reply)
    return isinstance(failure, Behind) or (isinstance(failure, Sealed) and failure.rule != INTERNAL)


class _Errors(msgspec.Struct):
    errors: list[str] = []


def error_for(reply: Reply) -> KeysError:
    """Our error for an answer that is not a good one."""
    try:
        text = " ".join(msgspec.json.decode(reply.body, type=_Errors).errors)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = ""
    return verdict(reply.status, text)


def error_in(text: str) -> KeysError:
    """Our error for the text of one item of a batch."""
    return verdict(400, text)


def is_versioned(text: str) -> bool:
    """Whether `text` has the form transit writes, `vault:v<N>:<base64>`."""
    return _PREFIXED.fullmatch(text) is not None


def versioned(text: str) -> tuple[int, bytes]:
    """(key version, bytes) of `vault:v<N>:<base64>`. Raises: Misconfigured."""
    match = _PREFIXED.fullmatch(text)
    if match is None:
        raise Misconfigured("answer not in the expected shape")
    return int(match[1]), decoded(match[2])


def decoded(text: str) -> bytes:
    """Strict base64. Raises: Misconfigured."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise Misconfigured("answer not in the expected shape")


def _exactly(length: int, raw: bytes) -> bytes:
    if len(raw) != length:
        raise Misconfigured("answer of another length")
    return raw


def encoded(raw: bytes) -> str:
    """Base64, as transit wants its inputs."""
    return base64.b64encode(raw).decode("ascii")
