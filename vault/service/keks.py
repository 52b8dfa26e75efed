"""How a tenant's KEK stands: its versions at the key server, and what the keystore holds under each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from keys.answers import KeySettings
from keys.names import kek_of


class KeyReader(Protocol):
    async def key_settings(self, name: str) -> KeySettings:
        """How a key is set up. Raises: KeysError."""


class Counter(Protocol):
    async def versions(self, tenant: str) -> Mapping[int, int]:
        """{KEK version: DEKs it wraps}. Raises: KeystoreUnavailable."""


@dataclass(frozen=True, slots=True)
class Kek:
    """One tenant's, at one moment."""

    tenant: str
    latest: int
    min_encryption: int
    """0: only the latest wraps."""
    min_decryption: int
    held: Mapping[int, int]
    """{version: DEKs}."""

    @property
    def old(self) -> int:
        """DEKs that an older version than the latest wraps."""
        return sum(count for version, count in self.held.items() if version < self.latest)

    @property
    def settled(self) -> bool:
        """Nothing but the latest version opens anything."""
        return self.min_decryption >= self.latest

    @property
    def todo(self) -> str:
        """What is left to be done, as a sentence; empty when nothing is."""
        if self.settled and not self.old:
            return ""
        if self.settled:
            return f"{self.old:,} DEKs are under versions that no longer open: restore them or raise an alarm"
        return f"a rotation is not finished: {self.old:,} DEKs to rewrap, then the minimum version to raise"


async def look(tenant: str, keys: KeyReader, keystore: Counter) -> Kek:
    """Ask both. Raises: KeysError."""
    found = await keys.key_settings(kek_of(tenant))
    held = await keystore.versions(tenant)
    return Kek(tenant, found.latest_version, found.min_encryption_version, found.min_decryption_version, held)
