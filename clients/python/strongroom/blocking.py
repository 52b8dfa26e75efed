"""Runs flows by blocking the thread. Knows how to wait and send, and nothing of what is sent."""

import ssl
import threading
import time
from typing import TypeVar

import httpx

from strongroom.errors import ClientError, Misused
from strongroom.flow import Alone, Answer, Flow, Lost, Send, Step, lost
from strongroom.settings import PLANES, POOL

T = TypeVar("T")


class Driver:
    """One pool of connections and one lock per plane. Safe to share between threads."""

    def __init__(self, tls: ssl.SSLContext, transport: object = None) -> None:
        if transport is not None and not isinstance(transport, httpx.BaseTransport):
            raise Misused("bad_setting", "Strongroom takes a transport that blocks.")
        self._locks = {plane: threading.Lock() for plane in PLANES}
        # trust_env=False: a proxy named in the environment is not ours to trust, and netrc lends credentials.
        self._http = httpx.Client(verify=tls, transport=transport, trust_env=False, limits=POOL)

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its result. Raises: ClientError."""
        try:
            return self._drive(flow)
        except ClientError as error:
            fault = error
        # Error reporters print the local variables of every frame, and the inner frames hold answers.
        raise fault.with_traceback(None)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _drive(self, flow: Flow[T]) -> T:
        answer: Answer = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = self._take(step)

    def _take(self, step: Step) -> Answer:
        if isinstance(step, Send):
            return self._send(step.request)
        if isinstance(step, Alone):
            return self._alone(step)
        time.sleep(step.seconds)
        return None

    def _send(self, request: httpx.Request) -> httpx.Response | Lost:
        if self._http.is_closed:
            raise Misused("closed", "This client was closed.")
        try:
            return self._http.send(request, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return lost(error)

    def _alone(self, step: Alone) -> ClientError | None:
        with self._locks[step.plane]:
            try:
                self._drive(step.flow)
            except ClientError as error:
                return error
        return None
