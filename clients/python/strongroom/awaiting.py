"""Runs flows on asyncio. Knows how to wait and send, and nothing of what is sent."""

import asyncio
import ssl
from typing import TypeVar

import httpx

from strongroom.errors import ClientError, Misused
from strongroom.flow import Alone, Answer, Flow, Lost, Send, Step, lost
from strongroom.settings import PLANES, POOL

T = TypeVar("T")


class Driver:
    """One pool of connections and one lock per plane, for the tasks of one event loop."""

    def __init__(self, tls: ssl.SSLContext, transport: object = None) -> None:
        if transport is not None and not isinstance(transport, httpx.AsyncBaseTransport):
            raise Misused("bad_setting", "AsyncStrongroom takes a transport for asyncio.")
        self._locks = {plane: asyncio.Lock() for plane in PLANES}
        # trust_env=False: a proxy named in the environment is not ours to trust, and netrc lends credentials.
        self._http = httpx.AsyncClient(verify=tls, transport=transport, trust_env=False, limits=POOL)

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its result. Raises: ClientError."""
        try:
            return await self._drive(flow)
        except ClientError as error:
            fault = error
        # Error reporters print the local variables of every frame, and the inner frames hold answers.
        raise fault.with_traceback(None)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _drive(self, flow: Flow[T]) -> T:
        answer: Answer = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = await self._take(step)

    async def _take(self, step: Step) -> Answer:
        if isinstance(step, Send):
            return await self._send(step.request)
        if isinstance(step, Alone):
            return await self._alone(step)
        await asyncio.sleep(step.seconds)
        return None

    async def _send(self, request: httpx.Request) -> httpx.Response | Lost:
        if self._http.is_closed:
            raise Misused("closed", "This client was closed.")
        try:
            return await self._http.send(request, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return lost(error)

    async def _alone(self, step: Alone) -> ClientError | None:
        async with self._locks[step.plane]:
            try:
                await self._drive(step.flow)
            except ClientError as error:
                return error
        return None
