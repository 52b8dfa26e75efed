"""When to try again: where it is safe, with jitter, within attempts and a deadline, at the vault's pace."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import httpx

from strongroom.answers import outcome_unknown, retry_after
from strongroom.errors import ProtocolError, Unreachable
from strongroom.flow import Flow, Lost, pause, send
from strongroom.settings import Limits

Safety: TypeAlias = Literal["repeatable", "reveal", "once"]
"""`repeatable`: a read, or a write under an idempotency key: tried again after any loss.

`reveal`: each attempt that arrives is an access on record. Tried again when the vault said it released
nothing (503, 429), was not reached, or the connection broke; not after a time-out or a gateway's word.

`once`: a write that nothing marks as the same one. Tried again only when the vault did not act for certain.
"""

_NOW_BUSY = {429, 503}
_GATEWAY = {502, 504}
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_TITLES = {
    "unreachable": "Nobody answers at the vault's address.",
    "tls_failed": "The vault's TLS certificate, or ours, was not accepted.",
    "timed_out": "The vault did not answer in time.",
    "connection_lost": "The connection to the vault broke before the answer.",
}


class Tries:
    """The attempts of one call."""

    def __init__(
        self, limits: Limits, safety: Safety, *, clock: Callable[[], float], jitter: Callable[[], float]
    ) -> None:
        self._limits, self._safety = limits, safety
        self._clock, self._jitter = clock, jitter
        self._count, self._end = 0, clock() + limits.deadline
        self.ambiguous = False
        """Whether an attempt may have been acted upon although it brought no answer."""

    def timeout(self) -> httpx.Timeout:
        """The network's share of what is left before the deadline."""
        return httpx.Timeout(max(0.001, min(self._limits.timeout, self._end - self._clock())))

    def wait(self, answer: httpx.Response | Lost) -> float | None:
        """Seconds to wait before trying again; None when this answer stands."""
        self._count += 1
        self.ambiguous = self.ambiguous or _ambiguous(answer)
        if self._count >= self._limits.attempts or not self._passing(answer):
            return None
        seconds = self._backoff()
        if isinstance(answer, httpx.Response):
            seconds += retry_after(answer) or 0.0
        return seconds if self._clock() + seconds < self._end else None

    def _passing(self, answer: httpx.Response | Lost) -> bool:
        if self._safety == "once" and _ambiguous(answer):
            return False
        careful = self._safety != "repeatable"
        if isinstance(answer, httpx.Response):
            return answer.status_code in (_NOW_BUSY if careful else _NOW_BUSY | _GATEWAY)
        if answer.kind == "timed_out":
            return not careful
        return answer.kind in {"unreachable", "connection_lost"}

    def _backoff(self) -> float:
        longest: float = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**self._count)
        return longest * (0.5 + self._jitter() / 2)


def attempt(build: Callable[[httpx.Timeout], httpx.Request], tries: Tries) -> Flow[httpx.Response | Lost]:
    """Send what `build` makes until an answer stands."""
    while True:
        answer = yield from send(build(tries.timeout()))
        wait = tries.wait(answer)
        if wait is None:
            return answer
        yield from pause(wait)


def silence(answer: Lost) -> Unreachable | ProtocolError:
    """The error for no answer at all."""
    if answer.kind == "garbled":
        return ProtocolError()
    return Unreachable(answer.kind, _TITLES[answer.kind])


def _ambiguous(answer: httpx.Response | Lost) -> bool:
    if isinstance(answer, Lost):
        return answer.sent
    return outcome_unknown(answer)
