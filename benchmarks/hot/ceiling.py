"""What the load generator could send at most: against a server that does nothing but answer.

    python -m benchmarks.hot.ceiling [--seconds 3] [--connections 64]

The server is uvloop's, in a process of its own, and answers each request with the same 300 bytes. Prints
requests a second and the microseconds of CPU that one request costs the generator; a result of
`benchmarks.hot` near the first would say more of the generator than of what it drives.
"""

import argparse
import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import cast

import uvloop

from benchmarks.hot.load import Plan, Taken, drive
from benchmarks.hot.wire import request

_BODY = b"x" * 200
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY)


class _Answer(asyncio.Protocol):
    """Answers whatever arrives; a request of the benchmark arrives in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, _: bytes) -> None:
        self._transport.write(_ANSWER + _BODY)


async def _serve(told: Connection) -> None:
    server = await asyncio.get_running_loop().create_server(_Answer, "127.0.0.1", 0)
    told.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _run(told: Connection) -> None:
    uvloop.run(_serve(told))


@contextmanager
def _trivial() -> Iterator[int]:
    """The port of a server that does nothing."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def ceiling(seconds: float, connections: int) -> Taken:
    """What the generator reaches when nothing holds it up."""
    with _trivial() as port:
        return drive(Plan(port, [request("/", b"y" * 200)], connections, seconds))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=3)
    arguments.add_argument("--connections", type=int, default=64)
    given = arguments.parse_args()
    taken = ceiling(given.seconds, given.connections)
    each = taken.cpu / max(1, taken.answered) * 1e6
    print(f"{taken.per_second:,.0f} requests/s, {each:.1f} µs of CPU each, p99 {taken.quantile(0.99):.2f} ms")


if __name__ == "__main__":
    main()
