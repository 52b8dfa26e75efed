"""`Transit`: the five Protocols of keys/ring.py on HashiCorp Vault or OpenBao transit.

Blocking calls run in threads of its own. Every operation is free of side effects, so what failed for a
passing reason is tried again until the deadline; nothing else is.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Literal, Protocol, TypeVar

import msgspec

from keys.answers import (
    AuditHash,
    Capabilities,
    Item,
    KeyRead,
    KeySettings,
    PublicKeys,
    Reply,
    Signed,
    VersionTimes,
    encoded,
    is_versioned,
    items_of,
)
from keys.context import context_of
from keys.envelope import DEK_BYTES, DEK_ID_BYTES
from keys.errors import Busy, KeysError, Misconfigured, Refused, Tampered, Unreachable
from keys.login import Login
from keys.methods import Identity
from keys.names import checked_name, kek_of
from keys.nodes import Server
from keys.ring import Hashed, WrappedDek
from keys.wire import ONCE, PLAIN, How, Manner

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - one item of a list

CHUNK = 128
OPENING_CHUNK = 240
"""Items in one call, of new DEKs and of wrapped ones. OpenBao refuses JSON with more than 1,000 strings."""

_json = msgspec.json.encode
_FIRST_PAUSE = 0.05
_STANDBY_PAUSES = (0.05, 0.1, 0.2)
"""A standby learns of a rotation within 100 ms; a version still unknown after these was never made."""


class _Some(Protocol[T]):
    def __call__(self, part: Sequence[WrappedDek], until: float, *, how: How) -> list[T | KeysError]: ...


class Transit:
    """A key server as one identity sees it."""

    def __init__(
        self,
        server: Server,
        identity: Identity,
        *,
        mount: str = "strongroom",
        threads: int = 4,
        deadline: float = 2.5,
    ) -> None:
        """`threads` bounds the calls under way; `deadline`: seconds for one verb, with retries and login."""
        self._mount = checked_name(mount)
        self._deadline = deadline
        self._login = Login(server, identity, connections=threads)
        # One thread is left for others: else every short call would wait for all of the long ones.
        self._long = asyncio.Semaphore(max(1, threads - 1))
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="transit")

    async def wrap(self, tenant: str, deks: Mapping[bytes, bytes]) -> list[WrappedDek]:
        """Wrap `{dek_id: 32-byte DEK}`, in order. Raises: KeysError."""
        if any(len(i) != DEK_ID_BYTES or len(d) != DEK_BYTES for i, d in deks.items()):
            raise Misconfigured("a DEK of another length")
        path = self._path("encrypt", kek_of(tenant))

        def some(part: Sequence[tuple[bytes, bytes]], until: float) -> list[WrappedDek]:
            inputs = [{"plaintext": encoded(dek), "context": context_of(tenant, i)} for i, dek in part]
            items = self._batch(path, inputs, until)
            return [WrappedDek(i, item.wrapped()) for (i, _), item in zip(part, items, strict=True)]

        return await self._in_chunks(list(deks.items()), some)

    async def unwrap(
        self, tenant: str, wrapped: Sequence[WrappedDek], *, batch: str
    ) -> list[bytes | KeysError]:
        """Unwrap each, in order: a DEK, or that item's own Tampered / Retired. Raises: KeysError."""
        path = self._path("decrypt", kek_of(tenant))

        def some(part: Sequence[WrappedDek], until: float, *, how: How) -> list[bytes | KeysError]:
            inputs = [{"ciphertext": w.wrapped, "context": context_of(tenant, w.dek_id)} for w in part]
            return [item.dek() for item in self._batch(path, inputs, until, manner=Manner(how, batch))]

        found = await self._each(wrapped, some)
        return [Tampered("no such version") if isinstance(one, Busy) else one for one in found]

    async def rewrap(
        self, tenant: str, wrapped: Sequence[WrappedDek], *, at_least: int
    ) -> list[WrappedDek | KeysError]:
        """Wrap each anew, in order, under `at_least` or a newer version; or why that one was not.

        Raises: KeysError when no item could be tried.
        """
        path = self._path("rewrap", kek_of(tenant))

        def some(part: Sequence[WrappedDek], until: float, *, how: How) -> list[WrappedDek | KeysError]:
            inputs = [{"ciphertext": w.wrapped, "context": context_of(tenant, w.dek_id)} for w in part]
            items = self._batch(path, inputs, until, manner=Manner(how))
            return [i.rewrapped(w.dek_id, at_least=at_least) for w, i in zip(part, items, strict=True)]

        return await self._each(wrapped, some)

    async def rotate(self, key: str, *, newest: int) -> int:
        """Make the version after `newest`, unless somebody has; answers the latest. Raises: KeysError."""
        path = self._path("keys", key)

        def once(until: float) -> int:
            # Looked at before each try: where an answer was lost, one more version would be one too many.
            found = self._login.send("get", path, until=until).read(KeyRead).data.latest_version
            if found > newest:
                return found
            self._login.send("post", f"{path}/rotate", b"{}", until=until, manner=ONCE).good()
            return newest + 1

        return await self._run(once)

    async def set_minimum(self, key: str, what: Literal["encryption", "decryption"], version: int) -> None:
        """From which version on a key wraps, or opens. Raises: KeysError."""
        await self._send("post", f"{self._path('keys', key)}/config", _json({f"min_{what}_version": version}))

    async def trim(self, key: str, version: int) -> None:
        """Destroy every version before `version`, for ever. Raises: KeysError."""
        await self._send("post", f"{self._path('keys', key)}/trim", _json({"min_available_version": version}))

    async def index(
        self, key: str, inputs: Sequence[bytes], *, key_version: int | None = None
    ) -> list[Hashed]:
        """HMAC-SHA-256 of each input; `key_version` pins an older key. Raises: KeysError."""
        path = self._path("hmac", key)

        def some(part: Sequence[bytes], until: float) -> list[Hashed]:
            hashed = [{"input": encoded(raw)} for raw in part]
            return [item.hashed() for item in self._batch(path, hashed, until, key_version=key_version)]

        return await self._in_chunks(inputs, some)

    async def sign(self, key: str, message: bytes) -> tuple[int, bytes]:
        """Ed25519: (key version, 64-byte signature). Raises: KeysError."""
        path, body = self._path("sign", key), _json({"input": encoded(message)})
        reply = await self._send("post", path, body)
        return reply.read(Signed).signature()

    async def public_keys(self, key: str) -> dict[int, bytes]:
        """Raw 32-byte Ed25519 public keys by version. Raises: KeysError."""
        reply = await self._send("get", self._path("keys", key))
        return reply.read(PublicKeys).by_version()

    async def key_settings(self, name: str) -> KeySettings:
        """How a key is set up. Raises: KeysError."""
        reply = await self._send("get", self._path("keys", name))
        return reply.read(KeyRead).data

    async def version_times(self, name: str) -> dict[int, int]:
        """When each version of an encryption key was made, seconds since 1970. Raises: KeysError."""
        reply = await self._send("get", self._path("keys", name))
        return reply.read(VersionTimes).data.keys

    async def probe(self, tenant: str | None = None, known: WrappedDek | None = None) -> None:
        """A canary through everything a real call meets, the audit device included. Raises: KeysError.

        With a tenant it wraps a DEK nobody uses; with a known DEK as well it unwraps that one; with neither
        (planes that may do nothing of the kind) it reads a public key.
        """
        if tenant is None:
            await self.key_settings("authority")
        elif known is None:
            await self.wrap(tenant, {secrets.token_bytes(16): secrets.token_bytes(32)})
        else:
            opened = (await self.unwrap(tenant, [known], batch="canary"))[0]
            if isinstance(opened, KeysError):
                raise opened

    async def capabilities(self, paths: Sequence[str]) -> dict[str, frozenset[str]]:
        """What this identity may do on each path, as the key server judges it. Raises: KeysError."""
        reply = await self._send("post", "sys/capabilities-self", _json({"paths": list(paths)}))
        data = reply.read(Capabilities).data
        return {path: frozenset(data.get(path, ["unknown"])) for path in paths}

    async def audit_hash(self, device: str, text: str) -> str:
        """What stands for `text` in the log of an audit device. Raises: KeysError."""
        path = f"sys/audit-hash/{checked_name(device)}"
        reply = await self._send("post", path, _json({"input": text}))
        return reply.read(AuditHash).data.hash

    async def attempt(self, method: str, path: str, body: Mapping[str, object] | None = None) -> int:
        """The bare status of one request, for the start-up check that it is refused. Raises: KeysError."""
        raw = None if body is None else _json(body)
        return await self._run(lambda until: self._login.send(method, path, raw, until=until).status)

    @property
    def mount(self) -> str:
        return self._mount

    async def aclose(self) -> None:
        """Give the token back and let the threads go."""
        farewell = partial(self._login.close, time.monotonic() + 0.5)
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await asyncio.get_running_loop().run_in_executor(self._threads, farewell)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _send(self, method: str, path: str, body: bytes | None = None) -> Reply:
        """One good answer."""
        return await self._run(lambda until: self._login.send(method, path, body, until=until).good())

    def _batch(
        self,
        path: str,
        inputs: list[dict[str, str]],
        until: float,
        *,
        manner: Manner = PLAIN,
        key_version: int | None = None,
    ) -> list[Item]:
        """One call; an item that failed says so in its own place."""
        body: dict[str, object] = {"batch_input": inputs, "partial_failure_response_code": 200}
        if key_version is not None:
            body["key_version"] = key_version
        reply = self._login.send("post", path, _json(body), until=until, manner=manner)
        return items_of(reply, expected=len(inputs))

    async def _each(self, wrapped: Sequence[WrappedDek], some: _Some[T]) -> list[T | KeysError]:
        """`some` for each, in order; items that found a standby behind are tried again."""
        until = self._until()
        # What does not even look like transit's writing is not sent: its neighbours must not wait for it.
        found: list[T | KeysError] = [Tampered("not a wrapped DEK")] * len(wrapped)
        due = [place for place, one in enumerate(wrapped) if is_versioned(one.wrapped)]
        for pause in (*_STANDBY_PAUSES, None):
            work = partial(some, how=How.ANYWHERE if pause else How.ACTIVE_FIRST)
            done = await self._in_chunks([wrapped[place] for place in due], work, until, OPENING_CHUNK)
            for place, one in zip(due, done, strict=True):
                found[place] = one
            due = [place for place in due if isinstance(found[place], Busy)]
            if not due or pause is None:
                break
            await asyncio.sleep(pause)
        return found

    async def _in_chunks(
        self,
        items: Sequence[I],
        work: Callable[[Sequence[I], float], list[T]],
        until: float | None = None,
        size: int = CHUNK,
    ) -> list[T]:
        """`work` on at most `size` items at a time, chunks side by side, results in order."""
        until = self._until() if until is None else until
        if len(items) <= size:
            return await self._run(partial(work, items), until) if items else []

        failed: list[KeysError] = []

        def attempt(part: Sequence[I], until: float) -> list[T]:
            if failed:
                raise Refused("another call of this list failed")  # nobody waits for this one
            return work(part, until)

        async def run(start: int) -> list[T]:
            async with self._long:
                try:
                    return await self._run(partial(attempt, items[start : start + size]), until)
                except KeysError as failure:
                    failed.append(failure)
                    raise

        return [one for part in await asyncio.gather(*map(run, range(0, len(items), size))) for one in part]

    async def _run(self, work: Callable[[float], T], until: float | None = None) -> T:
        """`work(until)` in a thread; again, after a pause, while it fails for a passing reason."""
        until = self._until() if until is None else until
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._once(work, until)
            except KeysError as failure:
                wait = pause * (0.5 + random.random())  # noqa: S311 - spreads retries, protects nothing
                if not failure.transient or time.monotonic() + wait >= until:
                    raise
            await asyncio.sleep(wait)
            pause = min(2 * pause, 0.4)

    async def _once(self, work: Callable[[float], T], until: float) -> T:
        loop = asyncio.get_running_loop()
        left = max(0.0, until - time.monotonic())
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                return await loop.run_in_executor(self._threads, work, until)
        raise Unreachable("deadline")

    def _until(self) -> float:
        return time.monotonic() + self._deadline

    def _path(self, verb: str, name: str) -> str:
        return f"{self._mount}/{verb}/{checked_name(name)}"
