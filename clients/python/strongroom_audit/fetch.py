"""Reads a log over HTTP. Knows paths and retries; judges nothing but whether an answer can be read.

Pages are fetched ahead of their use: while one is verified, the next is on its way.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version

import httpx
from strongroom.access import Access
from strongroom.answers import problem_error
from strongroom.blocking import Driver
from strongroom.errors import ClientError
from strongroom.flow import Flow, Lost
from strongroom.settings import Connection
from strongroom.tries import Tries, attempt, silence

from strongroom_audit.faults import Gap, Malformed, Unreached
from strongroom_audit.verifier.bundle import read_bundle
from strongroom_audit.verifier.tree import ENTRY_BYTES

TILE = 256
PAGE = 4096
_AHEAD = 4
_DAMAGED = "log_damaged"
_LARGEST = 512 * 1024 * 1024
_AGENT = f"strongroom-audit/{version('strongroom')}"


@dataclass(frozen=True, slots=True)
class Page:
    """Consecutive events: their entries, and the bundle that has their bodies."""

    first: int
    entries: bytes
    raw: bytes


class LogReader:
    """One tenant's log on a vault. Raises Unreached, Malformed for answers that are none, Gap for holes."""

    def __init__(
        self,
        connection: Connection,
        tenant: str,
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._connection, self._clock, self._jitter = connection, clock, jitter
        self._access = Access(connection, clock, self._tries)
        self._driver = Driver(connection.tls, transport)
        self._log = f"/v1/log/{tenant}"

    def checkpoint(self) -> str:
        """The newest signed checkpoint."""
        return self._text(f"{self._log}/checkpoint")

    def keys(self) -> str:
        """The keys the log shows, as JSON."""
        return self._text(f"{self._log}/keys")

    def entries(self, first: int, last: int) -> bytes:
        """The entries from `first` up to, not including, `last`, of a log that has at least these."""
        tiles = [
            self._tile(number, min(TILE, last - number * TILE))
            for number in range(first // TILE, -(-last // TILE))
        ]
        skip = first % TILE * ENTRY_BYTES
        return b"".join(tiles)[skip : skip + (last - first) * ENTRY_BYTES]

    def pages(self, first: int, last: int) -> Iterator[Page]:
        """All pages from `first` up to `last`, the next ones fetched while you look at this one."""
        starts = deque([first, *range((first // PAGE + 1) * PAGE, last, PAGE)] if first < last else [])
        waiting: deque[Future[list[Page]]] = deque()
        with ThreadPoolExecutor(max_workers=4) as pool:
            try:
                while starts or waiting:
                    self._order(starts, waiting, last, pool)
                    yield from waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _order(
        self, starts: deque[int], waiting: deque[Future[list[Page]]], last: int, pool: ThreadPoolExecutor
    ) -> None:
        """Have the next windows fetched, a few ahead."""
        while starts and len(waiting) < _AHEAD:
            start = starts.popleft()
            waiting.append(pool.submit(self._window, start, starts[0] if starts else last))

    def close(self) -> None:
        """Close the connections."""
        self._driver.close()

    def _window(self, first: int, last: int) -> list[Page]:
        """One window's entries, and as many bundles as the log takes to give out its bodies."""
        entries, pages, at = self.entries(first, last), [], first
        while at < last:
            raw = self._get("POST", "/v1/events/bodies", b'{"from":%d,"limit":%d}' % (at, last - at))
            count = read_bundle(raw).count
            if not 0 < count <= last - at:
                raise Malformed(f"the log gave {count} events from #{at} on", where="bundle")
            begin = (at - first) * ENTRY_BYTES
            pages.append(Page(at, entries[begin : begin + count * ENTRY_BYTES], raw))
            at += count
        return pages

    def _tile(self, number: int, width: int) -> bytes:
        path = f"{self._log}/tile/entries/{tile_number(number)}"
        try:
            raw = self._get("GET", path if width == TILE else f"{path}.p/{width}")
        except Unreached as missing:
            if missing.code == _DAMAGED:
                where = f"events #{number * TILE}–#{number * TILE + width - 1}"
                raise Gap("the log has not got all of them any more", where=where) from None
            if width == TILE or missing.status != 404:
                raise
            raw = self._get("GET", path)  # a log may drop partial tiles once the full one is there
        return read_tile(raw, number)[: width * ENTRY_BYTES]

    def _text(self, path: str) -> str:
        try:
            return self._get("GET", path).decode()
        except UnicodeDecodeError:
            raise Malformed("not text", where=path) from None

    def _get(self, method: str, path: str, body: bytes = b"") -> bytes:
        try:
            answer = self._driver.run(self._answer(method, path, body))
        except ClientError as error:
            raise Unreached(str(error), where=self._connection.urls["audit"]) from None
        if answer.status_code == 200 and len(answer.content) <= _LARGEST:
            return answer.content
        raise _refused(answer, path)

    def _answer(self, method: str, path: str, body: bytes) -> Flow[httpx.Response]:
        token = yield from self._access.token("audit")
        answer = yield from attempt(
            lambda wait: self._request(method, path, body, (token, wait)), self._tries()
        )
        if isinstance(answer, httpx.Response) and answer.status_code == 401:
            again = yield from self._access.token("audit", instead_of=token)
            answer = yield from attempt(
                lambda wait: self._request(method, path, body, (again, wait)), self._tries()
            )
        if isinstance(answer, Lost):
            raise silence(answer)
        return answer

    def _request(self, method: str, path: str, body: bytes, how: tuple[str, httpx.Timeout]) -> httpx.Request:
        token, timeout = how
        headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity", "User-Agent": _AGENT}
        if method == "POST":
            headers["Content-Type"] = "application/json"
        url = self._connection.urls["audit"] + path
        return httpx.Request(
            method, url, content=body, headers=headers, extensions={"timeout": timeout.as_dict()}
        )

    def _tries(self) -> Tries:
        return Tries(self._connection.limits, "repeatable", clock=self._clock, jitter=self._jitter)


def tile_number(number: int) -> str:
    """A tile's number in its path: groups of three digits, all but the last marked with x."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03}")
    return "/".join(reversed(groups))


def read_tile(raw: bytes, number: int) -> bytes:
    """The entries of an entries tile, one after the other. Raises: Malformed."""
    step = ENTRY_BYTES + 2
    count = len(raw) // step
    if len(raw) % step or raw[::step] != bytes(count) or raw[1::step] != bytes([ENTRY_BYTES]) * count:
        raise Malformed("an entry has 49 bytes after its length", where=f"entries tile {number}")
    return b"".join([raw[at : at + ENTRY_BYTES] for at in range(2, len(raw), step)])


def _refused(answer: httpx.Response, path: str) -> Unreached:
    if answer.status_code == 200:
        return Unreached("an answer longer than any page", where=path)
    error = problem_error(answer)
    refused = Unreached(str(error), where=path)
    refused.status, refused.code = answer.status_code, error.code
    return refused
