"""A ring in memory that keeps the same promises as transit, and breaks them when told to."""

import asyncio
import hmac
import os
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.answers import KeySettings, decoded, encoded
from keys.context import context_of
from keys.envelope import DEK_BYTES, DEK_ID_BYTES
from keys.errors import Busy, KeysError, Misconfigured, Retired, Tampered
from keys.names import checked_name, kek_of
from keys.policies import HONEY
from keys.provision import SIGNING_KEYS
from keys.ring import Hashed, WrappedDek

V = TypeVar("V")


class FakeRing:
    """All five Protocols, and what Transit offers beside them.

    failures: raised by the next calls, one each.
    down:     raised by every call until it is None again.
    tampered: ids of DEKs that come back as tampered.
    delay:    seconds every call takes.
    calls:    what was asked, in order: (verb, key or tenant, number of items).
    batches:  the ids unwrap was given.
    """

    def __init__(
        self, tenants: Sequence[str] = ("acme",), field_types: Sequence[str] = ("pan", "email")
    ) -> None:
        self.failures: deque[KeysError] = deque()
        self.down: KeysError | None = None
        self.tampered: set[bytes] = set()
        self.delay = 0.0
        self.calls: list[tuple[str, str, int]] = []
        self.batches: list[str] = []
        self._keks: dict[str, list[AESGCM]] = {}
        self._oldest: dict[str, int] = {}
        self._macs: dict[str, list[bytes]] = {}
        self._signing = {name: [Ed25519PrivateKey.generate()] for name in SIGNING_KEYS}
        for tenant in tenants:
            self.add_tenant(tenant, field_types)

    def add_tenant(self, tenant: str, field_types: Sequence[str] = ()) -> None:
        """Make a tenant's keys."""
        self._keks[kek_of(tenant)] = [AESGCM(os.urandom(32))]
        self._oldest[kek_of(tenant)] = 1
        for name in (f"idem-{tenant}", *(f"bidx-{tenant}-{kind}" for kind in (HONEY, *field_types))):
            self._macs[name] = [os.urandom(32)]
            self._oldest[name] = 1

    def rotate_index(self, key: str) -> None:
        """A new version of an HMAC key; the older ones still hash."""
        self._macs[key].append(os.urandom(32))

    def retire_index(self, key: str, *, below: int) -> None:
        """Raise the minimum version of an HMAC key."""
        self._oldest[key] = below

    def rotate(self, tenant: str, *, retire: bool = False) -> None:
        """A new KEK version; with `retire` what older ones wrapped is lost."""
        versions = self._keks[kek_of(tenant)]
        versions.append(AESGCM(os.urandom(32)))
        if retire:
            self._oldest[kek_of(tenant)] = len(versions)

    async def wrap(self, tenant: str, deks: Mapping[bytes, bytes]) -> list[WrappedDek]:
        if any(len(i) != DEK_ID_BYTES or len(d) != DEK_BYTES for i, d in deks.items()):
            raise Misconfigured("a DEK of another length")
        versions = self._of(self._keks, kek_of(tenant))
        await self._called("wrap", tenant, len(deks))
        return [WrappedDek(i, _wrap(versions, tenant, i, dek)) for i, dek in deks.items()]

    async def unwrap(
        self, tenant: str, wrapped: Sequence[WrappedDek], *, batch: str
    ) -> list[bytes | KeysError]:
        self._of(self._keks, kek_of(tenant))
        await self._called("unwrap", tenant, len(wrapped))
        self.batches.append(batch)
        return [self._unwrap(tenant, one) for one in wrapped]

    async def index(
        self, key: str, inputs: Sequence[bytes], *, key_version: int | None = None
    ) -> list[Hashed]:
        versions = self._of(self._macs, key)
        await self._called("index", key, len(inputs))
        version = key_version or len(versions)
        if version < self._oldest[key]:
            raise Retired("version retired")
        if version > len(versions):
            raise Busy("standby behind")
        return [Hashed(version, hmac.digest(versions[version - 1], raw, "sha256")) for raw in inputs]

    async def sign(self, key: str, message: bytes) -> tuple[int, bytes]:
        versions = self._of(self._signing, key)
        await self._called("sign", key, 1)
        return len(versions), versions[-1].sign(message)

    async def public_keys(self, key: str) -> dict[int, bytes]:
        versions = self._of(self._signing, key)
        await self._called("public_keys", key, 1)
        return {n: one.public_key().public_bytes_raw() for n, one in enumerate(versions, 1)}

    async def key_settings(self, name: str) -> KeySettings:
        await self._called("key_settings", name, 1)
        if name in self._keks:
            newest = len(self._keks[name])
            return KeySettings("aes256-gcm96", True, False, False, False, newest, self._oldest[name], 0)
        kind, versions = ("hmac", self._macs) if name in self._macs else ("ed25519", self._signing)
        newest = len(self._of(versions, name))
        return KeySettings(kind, False, False, False, False, newest, self._oldest.get(name, 1), 0)

    async def probe(self, tenant: str | None = None, known: WrappedDek | None = None) -> None:
        await self._called("probe", tenant or "", 0)
        if tenant is not None and known is not None:
            opened = self._unwrap(tenant, known)
            if isinstance(opened, KeysError):
                raise opened

    async def aclose(self) -> None:
        """Nothing to close."""

    async def _called(self, verb: str, name: str, items: int) -> None:
        self.calls.append((verb, name, items))
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.down is not None:
            raise type(self.down)(self.down.rule)
        if self.failures:
            raise self.failures.popleft()

    def _of(self, keys: Mapping[str, V], name: str) -> V:
        if checked_name(name) not in keys:
            raise Misconfigured("no such key")
        return keys[name]

    def _unwrap(self, tenant: str, one: WrappedDek) -> bytes | KeysError:
        versions = self._keks[kek_of(tenant)]
        try:
            version, raw = one.kek_version, decoded(one.wrapped.split(":", 2)[2])
        except (ValueError, IndexError, Misconfigured):
            return Tampered("not a wrapped DEK")
        if one.dek_id in self.tampered or not 1 <= version <= len(versions):
            return Tampered("does not authenticate")
        if version < self._oldest[kek_of(tenant)]:
            return Retired("version retired")
        try:
            return versions[version - 1].decrypt(raw[:12], raw[12:], context_of(tenant, one.dek_id).encode())
        except (InvalidTag, ValueError):
            return Tampered("does not authenticate")


def _wrap(versions: Sequence[AESGCM], tenant: str, dek_id: bytes, dek: bytes) -> str:
    nonce = os.urandom(12)
    sealed = nonce + versions[-1].encrypt(nonce, dek, context_of(tenant, dek_id).encode())
    return f"vault:v{len(versions)}:{encoded(sealed)}"
