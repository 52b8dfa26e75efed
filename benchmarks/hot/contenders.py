"""The three that are compared: us, a service written by hand, and transit alone. What each is sent."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from benchmarks.hot.wire import accounts, base64_of, pans, posts
from benchmarks.sequencer_beside import bearer

SEEDED = 4000
"""Different values that are sent, and tokens that are opened, in turn."""
BULK = 1000
_TOKEN_SECONDS = 120.0
_KEY = "by-hand"


class Contender(Protocol):
    """Someone who can be sent requests of a kind."""

    @property
    def name(self) -> str: ...

    async def seed(self) -> None:
        """Store what will be opened."""

    async def requests(self, kind: str) -> tuple[int, list[bytes]]:
        """Port and requests of a kind."""


@dataclass(slots=True)
class Ours:
    """The vault, under access tokens as any caller has them."""

    urls: dict[str, str]
    """Of the planes control, ingest and reveal."""
    secrets: dict[str, str] = field(repr=False)
    name: str = "ours"
    _tokens: list[str] = field(default_factory=list)
    _bearers: dict[str, tuple[float, str]] = field(default_factory=dict)

    async def seed(self, count: int = SEEDED) -> None:
        """Bank accounts of the tenant acme, tokenized in lists."""
        headers = {"authorization": await self._bearer("acme.signup")}
        async with httpx.AsyncClient(base_url=self.urls["ingest"], headers=headers, timeout=30) as client:
            for body in _bulks(accounts(count)):
                while (answer := await client.post("/v1/tokenize", json=body)).status_code == 429:  # noqa: ASYNC110  # it says when
                    await asyncio.sleep(int(answer.headers["retry-after"]))
                self._tokens += [item["token"] for item in answer.raise_for_status().json()["items"]]

    async def requests(self, kind: str, who: str | None = None) -> tuple[int, list[bytes]]:
        """`tokenize`, `detokenize`, each also `_bulk`, and `tokenize_indexed`; as `who`, or as usual."""
        plane, path, usual, bodies = {
            "tokenize": ("ingest", "/v1/tokenize", "acme.signup", _singles("bank_account", accounts(SEEDED))),
            "tokenize_indexed": ("ingest", "/v1/tokenize", "globex.signup", _singles("pan", pans(SEEDED))),
            "tokenize_bulk": ("ingest", "/v1/tokenize", "acme.signup", _bulks(accounts(SEEDED))),
            "detokenize": ("reveal", "/v1/detokenize", "acme.payments", _opened(self._tokens, 1)),
            "detokenize_bulk": ("reveal", "/v1/detokenize", "acme.payments", _opened(self._tokens, BULK)),
        }[kind]
        sent = posts(path, bodies, authorization=await self._bearer(who or usual))
        return _port(self.urls[plane]), sent

    async def _bearer(self, who: str) -> str:
        got, token = self._bearers.get(who, (-_TOKEN_SECONDS, ""))
        if time.monotonic() - got > _TOKEN_SECONDS:
            token = await bearer(self.urls["control"], who, self.secrets[who])
            self._bearers[who] = time.monotonic(), token
        return token


@dataclass(slots=True)
class ByHand:
    """`benchmarks/by_hand`."""

    url: str
    api_key: str = field(repr=False)
    name: str = "by hand"
    _tokens: list[str] = field(default_factory=list)

    async def seed(self) -> None:
        """One by one, as it knows no lists; a quarter of what the others hold is enough."""
        headers = {"authorization": f"Bearer {self.api_key}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30) as client:
            for body in _by_hand(accounts(SEEDED // 4)):
                answer = (await client.post("/tokenize", json=body)).raise_for_status()
                self._tokens.append(answer.json()["token"])

    async def requests(self, kind: str) -> tuple[int, list[bytes]]:
        """`tokenize` or `detokenize`."""
        opened = [{"token": token, "purpose": "payment"} for token in self._tokens]
        bodies = _by_hand(accounts(SEEDED)) if kind == "tokenize" else opened
        return _port(self.url), posts(f"/{kind}", bodies, authorization=f"Bearer {self.api_key}")


@dataclass(slots=True)
class Transit:
    """Encrypt and decrypt straight at the key server, which stores nothing and decides nothing."""

    url: str
    token: str = field(repr=False)
    name: str = "transit"
    _ciphertexts: list[str] = field(default_factory=list)

    async def seed(self) -> None:
        """Ciphertexts of the same values."""
        headers = {"x-vault-token": self.token}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30) as client:
            plaintexts = [{"plaintext": base64_of(one)} for one in accounts(SEEDED)]
            for start in range(0, SEEDED, 200):
                body = {"batch_input": plaintexts[start : start + 200]}
                answer = (await client.post(f"/v1/strongroom/encrypt/{_KEY}", json=body)).raise_for_status()
                self._ciphertexts += [one["ciphertext"] for one in answer.json()["data"]["batch_results"]]

    async def requests(self, kind: str) -> tuple[int, list[bytes]]:
        """`tokenize` is an encryption, `detokenize` a decryption."""
        if kind == "tokenize":
            path, bodies = "encrypt", [{"plaintext": base64_of(one)} for one in accounts(SEEDED)]
        else:
            path, bodies = "decrypt", [{"ciphertext": one} for one in self._ciphertexts]
        return _port(self.url), posts(f"/v1/strongroom/{path}/{_KEY}", bodies, x_vault_token=self.token)


def _singles(field_type: str, values: Sequence[Any]) -> list[Any]:
    return [
        {"subject": f"cust-{n}", "items": [{"type": field_type, "value": one}]}
        for n, one in enumerate(values)
    ]


def _bulks(values: Sequence[Any]) -> list[Any]:
    items = [{"subject": f"cust-{n}", "type": "bank_account", "value": one} for n, one in enumerate(values)]
    return [{"items": items[start : start + BULK]} for start in range(0, len(items), BULK)]


def _opened(tokens: Sequence[str], at_once: int) -> list[Any]:
    lists = [tokens[start : start + at_once] for start in range(0, len(tokens), at_once)]
    named = {"purpose": "payment", "reference": "payout-2026-11-07"}
    return [named | {"items": [{"token": token} for token in some]} for some in lists]


def _by_hand(values: Sequence[Any]) -> list[Any]:
    return [{"subject": f"cust-{n}", "value": one} for n, one in enumerate(values)]


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
