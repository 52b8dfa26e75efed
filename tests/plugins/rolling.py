"""Hosts that share planes behind a balancer, callers with the real client, and one host after the other gone.

What the callers were told is kept, so that it can be held against the vault afterwards.
"""

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
from strongroom import AsyncStrongroom, ClientError

from tests.plugins.process import Served

T = TypeVar("T")
REFERENCE = "payout-2026-11-07"
_AGAIN = 4
"""One sealing in so many is sent again, under its key, to whichever host comes next."""


class Balanced(httpx.AsyncBaseTransport):
    """Sends to the hosts of a plane in turn, and to the next one when a host takes no connection."""

    def __init__(self, shared: Mapping[int, Sequence[int]]) -> None:
        """`shared`: for a port that callers know, the ports of all hosts behind it."""
        self._shared = shared
        self._turns = itertools.count()
        self._inner = httpx.AsyncHTTPTransport()
        self.sent = self.refused = self.broken = self.busy = 0
        """Requests; connections refused; connections that broke under a request; answers 503."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One attempt of the caller's. Raises: httpx.TransportError."""
        self.sent += 1
        ports = self._shared.get(request.url.port or 0) or [request.url.port or 80]
        turn = next(self._turns)
        try:
            answer = await self._first(request, [ports[(turn + n) % len(ports)] for n in range(len(ports))])
        except httpx.TransportError:
            self.broken += 1
            raise
        self.busy += answer.status_code == 503
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _first(self, request: httpx.Request, ports: Sequence[int]) -> httpx.Response:
        for port in ports[:-1]:
            try:
                return await self._to(port, request)
            except httpx.ConnectError:
                self.refused += 1
        return await self._to(ports[-1], request)

    async def _to(self, port: int, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(port=port)
        return await self._inner.handle_async_request(request)


@dataclass(slots=True)
class Callers:
    """Seal and open, each with one request under way, and keep what they were told."""

    sealing: AsyncStrongroom
    opening: AsyncStrongroom | None
    canary: Callable[[], str]
    tokens: dict[str, str] = field(default_factory=dict)
    """{idempotency key: token}"""
    values: dict[str, str] = field(default_factory=dict)
    """{token: value}"""
    pause: float = 0.0
    """Seconds between two calls of one caller."""
    opened: int = 0
    worst: float = 0.0
    """Seconds of the longest call, its tries together."""
    wrong: list[str] = field(default_factory=list)
    """What contradicts what was told before."""
    failed: list[str] = field(default_factory=list)
    """Codes of calls that brought nothing for all their tries."""
    _going: bool = True

    @asynccontextmanager
    async def running(self, count: int) -> AsyncIterator[None]:
        """So many at each work meanwhile."""
        await self._seal("first", self.canary())
        work = [self._sealing(number) for number in range(count)]
        work += [self._paying() for _ in range(count if self.opening else 0)]
        tasks = [asyncio.create_task(one) for one in work]
        try:
            yield
        finally:
            self._going = False
            await asyncio.gather(*tasks)

    async def ask_again(self, most: int = 500) -> None:
        """Send up to so many sealings again under their keys: each brings the token it brought."""
        keys = list(self.tokens)[-most:]
        for start in range(0, len(keys), 16):
            some = keys[start : start + 16]
            await asyncio.gather(*(self._seal(key, self.values[self.tokens[key]]) for key in some))

    async def open_all(self) -> None:
        """Every token that anyone was given opens to its value."""
        assert self.opening is not None
        tokens = list(self.values)
        async with self.opening.payment(REFERENCE) as payment:
            found = await payment.open_many(tokens)
        for token, item in zip(tokens, found, strict=True):
            if item.value.reveal() != self.values[token]:
                self.wrong.append(f"{token} opens to something else")

    async def _sealing(self, caller: int) -> None:
        turn = 0
        while self._going:
            key, turn = f"{caller}-{turn}", turn + 1
            value = self.canary()
            for _ in range(1 if turn % _AGAIN else 2):
                await self._seal(key, value)
            await asyncio.sleep(self.pause)

    async def _paying(self) -> None:
        assert self.opening is not None
        chosen = itertools.count()
        async with self.opening.payment(REFERENCE) as payment:
            while self._going:
                token, value = list(self.values.items())[(next(chosen) * 7919) % len(self.values)]
                found = await self._told(payment.open(token))
                if found is not None and found.reveal() != value:
                    self.wrong.append(f"{token} opened to something else")
                self.opened += found is not None
                await asyncio.sleep(self.pause)

    async def _seal(self, key: str, value: str) -> None:
        asked = self.sealing.tokenize(f"cust-{key}", {"person_name": value}, idempotency_key=f"rolling-{key}")
        made = await self._told(asked)
        if made is None:
            return
        token = made["person_name"].token
        if self.tokens.setdefault(key, token) != token:
            self.wrong.append(f"one key, two tokens: {key}")
        self.values[token] = value

    async def _told(self, asked: Awaitable[T]) -> T | None:
        begun = time.perf_counter()
        try:
            return await asked
        except ClientError as error:
            self.failed.append(error.code)
            return None
        finally:
            self.worst = max(self.worst, time.perf_counter() - begun)


async def roll(hosts: Sequence[Served]) -> None:
    """End each and start it again, one after the other."""
    for host in hosts:
        await ended(host)
        await host.start()


async def ended(host: Served) -> None:
    """End it by SIGTERM, which lets it finish what it has begun."""
    assert await asyncio.to_thread(host.end, signal.SIGTERM) == 0, host.log.read_text()[-2000:]
