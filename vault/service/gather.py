"""Gathers concurrent requests into lists: whoever waits while one list runs is the next one.

A list belongs to one verb and one tenant; a request is never split. Waiting is bounded, and credentials take
turns (vault/service/turns.py), so that one busy caller cannot keep the others out.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import structlog

from keys.errors import KeysError
from vault import metrics
from vault.errors import OutcomeUnknown, ServiceError, Throttled, Unavailable
from vault.service.refusals import from_keys
from vault.service.turns import Turns
from vault.store.failures import Clash

Q = TypeVar("Q")
A = TypeVar("A")
Run = Callable[[str, Sequence[Q]], Awaitable[Sequence[A | ServiceError]]]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait and how long; items, not requests, are counted."""

    list_items: int = 1000
    waiting_items: int = 20_000
    waiting_items_per_credential: int = 8_000
    seconds: float = 3.0
    lists_at_once: int = 2
    """Of one tenant; and one more for those who are in none of them."""
    apart: float = 0.004
    """Seconds from the start of a list of several requests to the next one's: every list costs something by
    itself. After a request that was alone nobody waits for this."""


@dataclass(slots=True, eq=False)
class _Waiter(Generic[Q, A]):
    request: Q
    items: int
    too_late: float
    answer: "asyncio.Future[A]"


@dataclass(slots=True)
class _Line(Generic[Q, A]):
    """One tenant's waiting requests, and the tasks that serve it."""

    turns: Turns[_Waiter[Q, A]]
    running: int = 0
    not_before: float = 0.0
    """When the next list may begin, on the loop's clock."""
    pausing: bool = False
    """A task waits for that time."""

    async def pause(self) -> None:
        """Return when the next list may begin."""
        while (wait := self.not_before - asyncio.get_running_loop().time()) > 0:
            self.pausing = True
            try:
                await asyncio.sleep(wait)
            finally:
                self.pausing = False


class Gather(Generic[Q, A]):
    """The way in to one verb."""

    def __init__(self, verb: str, run: Run[Q, A], limits: Limits = Limits()) -> None:
        """`verb` names it in metrics."""
        self._run = run
        self._sizes = metrics.list_items.labels(verb)
        self._limits = limits
        self._lines: dict[str, _Line[Q, A]] = {}
        self._items = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, tenant: str, credential: str, request: Q, *, items: int) -> A:
        """Run `request` in the tenant's next list. A caller that goes away does not cancel the list.

        Raises: Throttled or Unavailable at once when too much waits; OutcomeUnknown at the deadline;
        and whatever the verb says.
        """
        line = self._lines.setdefault(tenant, _Line(Turns(self._limits.lists_at_once)))
        self._refuse_if_full(line, credential, items)
        loop = asyncio.get_running_loop()
        waiter: _Waiter[Q, A] = _Waiter(
            request, items, loop.time() + self._limits.seconds, loop.create_future()
        )
        line.turns.add(credential, waiter)
        self._items += items
        self._start(tenant, line)
        deadline = loop.call_at(waiter.too_late, _expire, waiter.answer)
        try:
            return await waiter.answer
        finally:
            deadline.cancel()

    async def drain(self) -> None:
        """Wait until every list under way is done."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _refuse_if_full(self, line: _Line[Q, A], credential: str, items: int) -> None:
        if line.turns.items(credential) + items > self._limits.waiting_items_per_credential:
            raise Throttled("queue_full_for_credential", retry_after=1)
        if self._items + items > self._limits.waiting_items:
            raise Unavailable("queue_full", retry_after=1)

    def _start(self, tenant: str, line: _Line[Q, A]) -> None:
        """Serve the line, unless whoever waits in it waits for a list that is under way, or about to be."""
        if line.pausing or line.running > self._limits.lists_at_once or not line.turns.ready():
            return
        line.running += 1
        task = asyncio.get_running_loop().create_task(self._serve(tenant, line))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, tenant, line))

    def _ended(self, tenant: str, line: _Line[Q, A], task: "asyncio.Task[None]") -> None:
        """A bug in the verb ends one list; whoever waits behind it is served by the next."""
        self._tasks.discard(task)
        line.running -= 1
        if task.cancelled():
            return
        # Looked at here, or the loop would print the bug with its message, which may hold a value.
        bug = task.exception()
        if bug is not None:
            at = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(bug.__traceback__)[-6:]]
            log.error("bug", tenant=tenant, kind=type(bug).__name__, at=at)
        self._start(tenant, line)

    async def _serve(self, tenant: str, line: _Line[Q, A]) -> None:
        await line.pause()
        while taken := line.turns.next_list(self._limits.list_items):
            waiters = [waiter for some in taken.values() for waiter in some]
            if len(waiters) > 1:
                line.not_before = asyncio.get_running_loop().time() + self._limits.apart
            self._items -= sum(waiter.items for waiter in waiters)
            self._start(tenant, line)
            try:
                await self._answer(tenant, waiters)
            finally:
                line.turns.done(taken)
            await line.pause()

    async def _answer(self, tenant: str, waiters: list[_Waiter[Q, A]]) -> None:
        """Run one list and give everyone in it an answer, whatever happens."""
        clock = asyncio.get_running_loop().time()
        late = [waiter for waiter in waiters if waiter.too_late <= clock]
        _settle(late, [Unavailable("deadline_passed", retry_after=1)] * len(late))
        waiters = [waiter for waiter in waiters if waiter.too_late > clock]
        outcomes: Sequence[A | ServiceError] = [ServiceError() for _ in waiters]
        try:
            if waiters:
                self._sizes.observe(sum(waiter.items for waiter in waiters))
                outcomes = await self._attempt(tenant, waiters)
        finally:
            _settle(waiters, outcomes)

    async def _attempt(
        self, tenant: str, waiters: list[_Waiter[Q, A]], *, last: bool = False
    ) -> Sequence[A | ServiceError]:
        """Run a list; one that clashes is halved until the culprit stands by itself.

        That one has a second try: what it clashed with is committed by then, and may be its own answer,
        given to the same idempotency key by another list.
        """
        try:
            return await self._run(tenant, [waiter.request for waiter in waiters])
        except Clash as clash:
            if last:
                return [clash]
            if len(waiters) == 1:
                return await self._attempt(tenant, waiters, last=True)
        except ServiceError as error:
            return [error] * len(waiters)
        except KeysError as error:
            log.warning("list_failed", tenant=tenant, code=error.code)
            return [from_keys(error)] * len(waiters)
        middle = len(waiters) // 2
        first = await self._attempt(tenant, waiters[:middle])
        _settle(waiters[:middle], first)  # what is committed is answered, whatever the other half does
        return [*first, *await self._attempt(tenant, waiters[middle:])]


def _expire(answer: "asyncio.Future[A]") -> None:
    if not answer.done():
        answer.set_exception(OutcomeUnknown("deadline_passed", retry_after=1))


def _settle(waiters: Sequence[_Waiter[Q, A]], outcomes: Sequence[A | ServiceError]) -> None:
    for waiter, outcome in zip(waiters, outcomes, strict=True):
        if waiter.answer.done():
            continue
        if isinstance(outcome, ServiceError):
            waiter.answer.set_exception(outcome)
            waiter.answer.exception()  # seen: a caller that went away must not make the loop complain
        else:
            waiter.answer.set_result(outcome)
