"""The wall to a witness: one POST, bounded in time and bytes, to the address that the settings name."""

import asyncio
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx

from vault.log.cosignatures import WitnessKey, read_witness_key
from vault.log.malformed import Malformed
from vault.model.names import TENANT

SECONDS = 1.0
"""How long a witness may take, from connecting to the last byte."""
_LARGEST = 16 * 1024
_SIZE = "text/x.tlog.size"


class Silent(Exception):
    """The witness gave no whole answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a witness answered. `size` where it says so: the one it cosigned last, as it wrote it."""

    status: int
    body: str
    size: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A witness: who it is, where it answers, and of whose logs it is one."""

    key: WitnessKey
    url: str
    tenants: frozenset[str] = frozenset()
    """None named: all."""

    def covers(self, tenant: str) -> bool:
        """Whether this tenant's checkpoints are for it."""
        return not self.tenants or tenant in self.tenants


class Witness:
    """A witness over HTTP."""

    def __init__(self, place: Place, *, ca: str | None = None, seconds: float = SECONDS) -> None:
        """`ca`: PEM file of the authority that signed its certificate; the public ones when None.

        Raises: OSError when that file is none.
        """
        self.place = place
        self._url = place.url.rstrip("/") + "/add-checkpoint"
        self._seconds = seconds
        tls: ssl.SSLContext | bool = ssl.create_default_context(cafile=ca) if ca else True
        self._client = httpx.AsyncClient(
            timeout=seconds, trust_env=False, follow_redirects=False, verify=tls,
            headers={"Accept-Encoding": "identity", "User-Agent": "strongroom"},
        )  # fmt: skip

    async def add_checkpoint(self, body: bytes) -> Reply:
        """Submit a checkpoint. Raises: Silent."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError):  # TimeoutError is one
            raise Silent from None

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def _post(self, body: bytes) -> Reply:
        content = b""
        async with self._client.stream("POST", self._url, content=body) as answer:
            async for chunk in answer.aiter_raw():
                content += chunk
                if len(content) > _LARGEST:
                    raise Silent
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise Silent from None
        told = answer.headers.get("content-type", "").partition(";")[0].strip() == _SIZE
        return Reply(answer.status_code, text, text.removesuffix("\n") if told else None)


def read_places(text: str) -> list[Place]:
    """Read `vkey@URL` or `vkey@URL#tenant+…` of each witness, separated by commas. Raises: Malformed."""
    places = [_read_place(one.strip()) for one in text.split(",")] if text else []
    if len({place.key.name for place in places}) != len(places):
        raise Malformed("a witness is named twice")
    return places


def _read_place(text: str) -> Place:
    vkey, _, rest = text.rpartition("@")
    url, limited, tenants = rest.partition("#")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Malformed("a witness reads vkey@https://…") from None
    plain = parts.scheme == "http" and _is_loopback(parts.hostname or "")
    if not (parts.scheme == "https" or plain) or not parts.hostname or port == 0:
        raise Malformed("a witness's address is https://… (http:// only on loopback)")
    if limited and not all(TENANT.fullmatch(tenant) for tenant in tenants.split("+")):
        raise Malformed("after # come the names of tenants")
    if parts.query or not url.isascii() or not url.isprintable():
        raise Malformed("a witness's address has no query")
    return Place(read_witness_key(vkey), url, frozenset(tenants.split("+") if limited else ()))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
