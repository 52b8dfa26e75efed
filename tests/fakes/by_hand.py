"""Runs the client's flows against a fake vault, on a clock that moves only when told to wait."""

from collections.abc import Callable

import httpx
from strongroom.calls import Caller
from strongroom.errors import ClientError
from strongroom.flow import Alone, Pause, Send, lost
from strongroom.settings import Options, connection
from strongroom.verbs import Verbs


class ByHand:
    """Verbs on a hand-moved clock; `pauses` are the waits they asked for."""

    def __init__(self, handle: Callable[[httpx.Request], httpx.Response], **options: object) -> None:
        checked = connection("https://vault.test", "acme.test", "srs_secret", Options(**options))
        self.now = 1_000.0
        self.pauses: list[float] = []
        self.timeouts: list[float] = []
        self.lasts = 0.0
        """Seconds every request takes."""
        self.verbs = Verbs(Caller(checked, clock=lambda: self.now, jitter=lambda: 1.0), lambda: "key-1")
        self._handle = handle

    def run(self, flow):
        """Run a flow to its result."""
        reply = None
        while True:
            try:
                step = flow.send(reply)
            except StopIteration as end:
                return end.value
            reply = self._take(step)

    def _take(self, step):
        match step:
            case Send(request):
                return self._send(request)
            case Pause(seconds):
                self.pauses.append(seconds)
                self.now += seconds
                return None
            case Alone(_, flow):
                try:
                    return self.run(flow)
                except ClientError as error:
                    return error

    def _send(self, request: httpx.Request):
        self.timeouts.append(request.extensions["timeout"]["read"])
        self.now += self.lasts
        try:
            return self._handle(request)
        except httpx.HTTPError as error:
            return lost(error)
