"""Honey tokens: planted records that nobody has a reason to open. Whoever asks for one is frozen at once.

The database knows of each only a digest under a key that the key server derives, so that whoever reads it
cannot tell planted records from others. An answer does not say which of the tokens asked for it was.
"""

import hmac
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from keys.envelope import bind
from keys.policies import HONEY
from keys.ring import Indexer
from vault.model.ask import Caller, Denied
from vault.policy.decide import FROZEN
from vault.service.asked import Item

FRESH = 5.0
"""Seconds a look at the planted records counts: so long one may be touched unnoticed after it was planted."""
_KEY_VERSION = 1


class HoneyStore(Protocol):
    async def digests(self, tenant: str) -> frozenset[bytes]:
        """Of every planted record of a tenant. Raises: Unavailable."""


@dataclass(frozen=True, slots=True)
class Touch:
    """A planted record that somebody asked for."""

    caller: Caller
    token: str


class HoneyTokens:
    """Recognises planted records. Holds each tenant's key, and what was planted as of some seconds ago."""

    def __init__(self, indexer: Indexer, store: HoneyStore, *, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._indexer = indexer
        self._store = store
        self._clock = clock
        self._keys: dict[str, bytes] = {}
        self._planted: dict[str, tuple[float, frozenset[bytes]]] = {}

    async def planted(self, tenant: str, tokens: Collection[str]) -> frozenset[str]:
        """Those of the tokens that were planted. Raises: Unavailable, KeysError on a tenant's first call."""
        known = await self._known(tenant)
        if not known:
            return frozenset()
        key = await self._key(tenant)
        return frozenset(token for token in tokens if _digest(key, token) in known)

    async def digests(self, tenant: str, tokens: Sequence[str]) -> list[bytes]:
        """What is kept of tokens that are planted. Raises: KeysError."""
        key = await self._key(tenant)
        return [_digest(key, token) for token in tokens]

    async def _known(self, tenant: str) -> frozenset[bytes]:
        looked, known = self._planted.get(tenant, (float("-inf"), frozenset()))
        now = self._clock()
        if now - looked >= FRESH:
            known = await self._store.digests(tenant)
            self._planted[tenant] = (now, known)
        return known

    async def _key(self, tenant: str) -> bytes:
        if tenant not in self._keys:
            source = bind(["strongroom/honey/v1", tenant])
            name = f"bidx-{tenant}-{HONEY}"
            hashed = await self._indexer.index(name, [source], key_version=_KEY_VERSION)
            self._keys[tenant] = hashed[0].digest
        return self._keys[tenant]


async def spring(tenant: str, items: Sequence[Item], honey: HoneyTokens) -> list[Touch]:
    """Deny everything to whoever asks for a planted record, before it is looked up; one touch for each.

    A copy is asked for by its subject, so that there every record counts, whatever its grant covers.
    """
    asked = {token: None for item in items if _counts(item) and (token := item.ask.token)}
    planted = await honey.planted(tenant, asked)
    touched: dict[str, Touch] = {}
    for item in items if planted else ():
        if _counts(item) and item.ask.token in planted:
            touched.setdefault(item.ask.caller.credential, Touch(item.ask.caller, item.ask.token or ""))
            item.decision = Denied("honey_token", FROZEN.rule)
    for item in items if touched else ():
        if item.allowed and item.ask.caller.credential in touched:
            item.decision = FROZEN
    return list(touched.values())


def _counts(item: Item) -> bool:
    return item.allowed or item.ask.verb == "export"


def _digest(key: bytes, token: str) -> bytes:
    return hmac.digest(key, token.encode(), "sha256")
