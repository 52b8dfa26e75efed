"""What the service needs of a key server, in five small Protocols. Every verb takes a list."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from keys.errors import KeysError


class WrappedDek(msgspec.Struct, frozen=True):
    """A DEK as it may be stored: wrapped under a tenant's KEK with context = (tenant, dek_id)."""

    dek_id: bytes
    """16 bytes."""
    wrapped: str
    """`vault:v<N>:<base64>`, as transit writes it."""

    @property
    def kek_version(self) -> int:
        """The KEK version that wrapped it."""
        return int(self.wrapped.split(":", 2)[1][1:])


class Hashed(msgspec.Struct, frozen=True):
    """HMAC-SHA-256 of one input, 32 bytes, and the version of the key that made it."""

    key_version: int
    digest: bytes


class Wrapper(Protocol):
    async def wrap(self, tenant: str, deks: Mapping[bytes, bytes]) -> list[WrappedDek]:
        """Wrap `{dek_id: 32-byte DEK}`, in order. Raises: KeysError."""


class Unwrapper(Protocol):
    async def unwrap(
        self, tenant: str, wrapped: Sequence[WrappedDek], *, batch: str
    ) -> list[bytes | KeysError]:
        """Unwrap each, in order: a 32-byte DEK, or that item's own Tampered / Retired.

        `batch` is the list's id; it travels in the header X-Strongroom-Batch, which the key server audits,
        beside a number that is each request's own.
        Raises: KeysError when no item could be tried.
        """


class Indexer(Protocol):
    async def index(
        self, key: str, inputs: Sequence[bytes], *, key_version: int | None = None
    ) -> list[Hashed]:
        """HMAC-SHA-256 of each input under `bidx-<tenant>-<type>` or `idem-<tenant>`.

        `key_version` pins an older version; without it the newest is used. Raises: KeysError, and Retired for
        a version below the key's minimum.
        """


class Signer(Protocol):
    async def sign(self, key: str, message: bytes) -> tuple[int, bytes]:
        """Ed25519 under `worker-<plane>`, `authority`, `log` or `cert`: (key version, 64-byte signature)."""


class Verifier(Protocol):
    async def public_keys(self, key: str) -> dict[int, bytes]:
        """Raw 32-byte Ed25519 public keys of `key`, by version."""
