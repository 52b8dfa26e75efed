"""A TCP proxy that misbehaves on demand, between the service and anything it talks to."""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import Literal, Self

Mode = Literal["ok", "delay", "blackhole", "lose_reply", "reset", "answer", "drip"]
_CHUNK = 64 << 10


@dataclass(slots=True)
class Proxy:
    """Forwards to a port on loopback.

    mode:      ok · delay (each answer waits `seconds`) · blackhole (nothing comes through any more) ·
               lose_reply (the request arrives, its answer is lost with the line) · reset (the request
               is lost with the line) · answer (`answer` comes back in the server's place, and the line
               ends) · drip (`answer` comes back a byte at a time, and never whole).
    trigger:   the mode strikes only requests that hold these bytes.
    share:     and of those only so many, at random.
    struck:    how often it did.
    """

    target: int
    mode: Mode = "ok"
    trigger: bytes = b""
    share: float = 1.0
    answer: bytes = b""
    seconds: float = 0.0
    struck: int = 0
    port: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(7))
    _server: asyncio.Server | None = None
    _lines: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(0)  # lines that were accepted a moment ago begin
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)
        await asyncio.sleep(0.01)  # what was aborted is closed by the loop's next turns

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._join(reader, writer)
        writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        back = asyncio.create_task(self._answers(server_reader, writer))
        try:
            if await self._requests(reader, server_writer, back):
                back.cancel()
                await self._say(writer)
        finally:
            server_writer.transport.abort()
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)

    async def _requests(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, back: "asyncio.Task[None]"
    ) -> bool:
        """Carry requests over. Whether the proxy is to answer the last one itself."""
        while chunk := await reader.read(_CHUNK):
            striking = self.mode != "ok" and self.trigger in chunk and self._chance.random() < self.share
            self.struck += striking
            if striking and self.mode == "reset":
                return False
            if striking and self.mode in ("answer", "drip"):
                return True
            if striking and self.mode == "blackhole":
                back.cancel()
                await asyncio.Event().wait()
            if striking and self.mode == "lose_reply":
                # From here on the server is heard by nobody; it has all the time it needs to act.
                back.cancel()
                server.write(chunk)
                await server.drain()
                await asyncio.sleep(0.2)
                return False
            server.write(chunk)
            await server.drain()
        return False

    async def _say(self, writer: asyncio.StreamWriter) -> None:
        """What the server never said."""
        if self.mode == "answer":
            writer.write(self.answer)
            await writer.drain()
            writer.close()
            return
        for byte in self.answer[:-1]:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.2)

    async def _answers(self, server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await server.read(_CHUNK):
            if self.mode == "delay":
                await asyncio.sleep(self.seconds)
            writer.write(chunk)
            await writer.drain()
        # The server hung up: so does the line.
        writer.transport.abort()
