"""What tokenizing loses while the sequencer runs beside it, on two cores, by alternating the two.

    python -m benchmarks.sequencer_beside [--rounds 12] [--seconds 4] [--callers 32] [--items 1]

`strongroom serve --plane ingest,control` on a PostgreSQL that syncs every commit and on a real OpenBao;
callers tokenize bank accounts over kept connections, one request after the other. Every round has a stretch
with `strongroom sequence` running and one with it stopped, in turns the one first and the other; before each,
all that waits is numbered, untimed, so that a stretch pays for its own events only. Prints both, and ratios.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from benchmarks.stage import vault
from tests.plugins.process import ROOT, Served
from tests.plugins.world import BANK

SETTLE = 2.0
"""Seconds from a sequencer's lead, or from an end of one, to the stretch."""


def request(path: str, body: bytes, **headers: str) -> bytes:
    """As it goes over the wire."""
    told = {"host": "vault", "content-length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def bearer(url: str, credential: str, secret: str) -> str:
    """The header of a fresh access token."""
    async with httpx.AsyncClient() as client:
        form = {"grant_type": "client_credentials"}
        answer = await client.post(f"{url}/oauth2/token", data=form, auth=(credential, secret))
        return f"Bearer {answer.raise_for_status().json()['access_token']}"


async def caller(url: str, sent: bytes, until: float, times: list[float]) -> None:
    """One caller: the next request when the last is answered. Cheap, so that it is the vault we measure."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    while (started := time.perf_counter()) < until:
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(head.decode())
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.partition(b":")[2]))
        times.append(time.perf_counter() - started)
    writer.close()


async def stretch(url: str, secret: str, given: argparse.Namespace) -> float:
    """Tokens a second."""
    items = [{"type": "bank_account", "value": BANK}] * given.items
    body = json.dumps({"subject": "cust-1", "items": items}).encode()
    told = {"authorization": await bearer(url, "acme.signup", secret), "content_type": "application/json"}
    times: list[float] = []
    until = time.perf_counter() + given.seconds
    sent = request("/v1/tokenize", body, **told)
    await asyncio.gather(*(caller(url, sent, until, times) for _ in range(given.callers)))
    return len(times) * float(given.items) / float(given.seconds)


def command(*more: str) -> list[str]:
    return [sys.executable, "-P", "-m", "vault.cli", "sequence", *more]


@contextmanager
def sequencing(environment: Mapping[str, str]) -> Iterator[None]:
    """The sequencer in a process of its own, its start over."""
    pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command(), env=environment, stdout=quiet, stderr=pipe, text=True) as process:
        if not process.stderr or not any('"leads"' in line for line in process.stderr):
            raise SystemExit("the sequencer does not lead")
        time.sleep(SETTLE)
        before = cpu_of(process.pid)
        try:
            yield
        finally:
            print(f"    the sequencer's CPU: {cpu_of(process.pid) - before:.2f} s")
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@contextmanager
def quiet() -> Iterator[None]:
    """No sequencer, for as long before the stretch."""
    time.sleep(SETTLE)
    yield


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used. Linux tells this way."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def drain(environment: Mapping[str, str]) -> None:
    """Number and sign all there is."""
    subprocess.run(command("--once"), env=environment, check=True, capture_output=True)


async def measure(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with vault() as world:
            told = {**world.environment(), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
            async with Served(world.environment(), Path(folder) / "log", planes="ingest,control") as served:
                await stretch(served.url, world.secrets["acme.signup"], given)  # warm
                found: dict[bool, list[float]] = {True: [], False: []}
                for number in range(given.rounds):
                    for beside in (True, False) if number % 2 else (False, True):
                        drain(told)
                        with sequencing(told) if beside else quiet():
                            rate = await stretch(served.url, world.secrets["acme.signup"], given)
                        found[beside].append(rate)
                        print(f"  sequencer {'on ' if beside else 'off'}: {rate:,.0f} tokens/s", flush=True)
    on, off = (statistics.median(found[beside]) for beside in (True, False))
    ratios = [with_it / without for with_it, without in zip(found[True], found[False], strict=True)]
    print(f"median with {on:,.0f} tokens/s, without {off:,.0f}; ratio of each round:")
    print(", ".join(f"{one:.2f}" for one in ratios), f"median {statistics.median(ratios):.3f}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=12)
    arguments.add_argument("--seconds", type=float, default=4)
    arguments.add_argument("--callers", type=int, default=32)
    arguments.add_argument("--items", type=int, default=1)
    asyncio.run(measure(arguments.parse_args()))


if __name__ == "__main__":
    main()
