"""Encrypting to a passphrase, in the `age` format (age-encryption.org/v1, scrypt).

It is made to cost seconds and half a gibibyte, and its library keeps the interpreter to itself meanwhile.
So each runs in a process of its own, one at a time, while this one goes on serving.
"""

import asyncio
import contextlib
import sys

from vault.errors import Unavailable
from vault.model.secret import Secret

SECONDS = 60.0
WAITING = 4
"""So many may wait for their turn."""
_PROGRAM = (sys.executable, "-I", "-m", "vault.cli.age")
"""`-I`: neither the environment nor the folder it starts in decides what it runs."""


class AgeFile:
    """Makes age files."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def encrypt(self, plain: Secret[bytes], passphrase: Secret[str]) -> bytes:
        """`plain` as an age file that this passphrase opens. Raises: Unavailable."""
        if self._waiting > WAITING:
            raise Unavailable("queue_full", retry_after=10)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds), self._turn:
                return await _run(plain, passphrase)
        except (TimeoutError, OSError):
            raise Unavailable("encryption_failed", retry_after=10) from None
        finally:
            self._waiting -= 1


async def _run(plain: Secret[bytes], passphrase: Secret[str]) -> bytes:
    """Both go through a pipe: what stands in arguments or environment, others of the machine may read."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *_PROGRAM, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env={}
    )
    secret = passphrase.reveal().encode()
    try:
        sealed, _ = await process.communicate(len(secret).to_bytes(4) + secret + plain.reveal())
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0 or not sealed:
        raise Unavailable("encryption_failed", retry_after=10)
    return sealed
