"""Gathering: concurrent requests become lists; nobody waits for ever, is starved, or answers for another."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from keys.errors import PoolEmpty, Tampered
from vault.errors import BadRequest, OutcomeUnknown, RecordTampered, ServiceError, Throttled, Unavailable
from vault.service.gather import Gather, Limits
from vault.service.turns import WORTH_A_LIST
from vault.store.failures import Clash


@dataclass(frozen=True)
class Ask:
    """A request: its name comes back as its answer."""

    name: str
    clashes: bool = False
    breaks: bool = False


class Verb:
    """A verb that can be held, told to fail, and that remembers the lists it was given."""

    def __init__(self) -> None:
        self.lists: list[tuple[str, list[str]]] = []
        self.began: list[float] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failure: BaseException | None = None

    async def __call__(self, tenant: str, asks: Sequence[Ask]) -> list[str | ServiceError]:
        self.lists.append((tenant, [ask.name for ask in asks]))
        self.began.append(asyncio.get_running_loop().time())
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        if len(asks) == 1 and asks[0].breaks:
            raise KeyError("a bug")
        if any(ask.clashes or ask.breaks for ask in asks):
            raise Clash
        return [BadRequest("bad") if ask.name == "bad" else ask.name for ask in asks]

    @property
    def names(self) -> list[list[str]]:
        return [names for _, names in self.lists]


class Desk:
    """A gather over a held verb, and shorthand to submit to it."""

    def __init__(self, **limits: float) -> None:
        self.verb = Verb()
        self.gather: Gather[Ask, str] = Gather("test", self.verb, Limits(**{"lists_at_once": 1, **limits}))

    def send(
        self, name: str, *, tenant="acme", credential="acme.a", items=1, clashes=False, breaks=False
    ) -> asyncio.Task[str]:
        ask = Ask(name, clashes, breaks)
        return asyncio.create_task(self.gather.submit(tenant, credential, ask, items=items))

    async def hold(self, **where: str) -> asyncio.Task[str]:
        """Occupy the verb with a first list; what is sent now waits until `open` is set."""
        self.verb.open.clear()
        first = self.send("first", **where)
        await settle()
        return first


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def outcomes(*tasks: asyncio.Task[str]) -> list[object]:
    """Answers and codes."""
    done = await asyncio.gather(*tasks, return_exceptions=True)
    return [one.code if isinstance(one, ServiceError) else one for one in done]


async def test_who_waits_together_runs_together():
    """Requests that arrive while a list runs are the next list, and each gets its own answer."""
    desk = Desk()
    first = await desk.hold()
    others = [desk.send(f"r{i}") for i in range(5)]
    await settle()
    desk.verb.open.set()
    assert await outcomes(first, *others) == ["first", "r0", "r1", "r2", "r3", "r4"]
    assert desk.verb.names == [["first"], ["r0", "r1", "r2", "r3", "r4"]]


async def test_tenants_never_share_a_list():
    """Requests of two tenants run in lists of their own."""
    desk = Desk()
    done = await outcomes(*(desk.send(f"r{i}", tenant=f"t{i % 2}") for i in range(6)))
    assert done == [f"r{i}" for i in range(6)]
    assert all(len({int(name[1:]) % 2 for name in names}) == 1 for names in desk.verb.names)


async def test_busy_credential_does_not_keep_others_out():
    """Of many waiting requests of one credential and one of another, the other's is in the next list."""
    desk = Desk(list_items=4)
    first = await desk.hold()
    busy = [desk.send(f"busy{i}") for i in range(20)]
    await settle()
    quiet = desk.send("quiet", credential="acme.b")
    await settle()
    desk.verb.open.set()
    await outcomes(first, quiet, *busy)
    assert "quiet" in desk.verb.names[1]


async def test_requests_of_a_credential_keep_their_order():
    """Nobody is overtaken by his own later request."""
    desk = Desk(list_items=3)
    first = await desk.hold()
    tasks = [desk.send(f"r{i}") for i in range(10)]
    await settle()
    desk.verb.open.set()
    await outcomes(first, *tasks)
    assert [name for names in desk.verb.names[1:] for name in names] == [f"r{i}" for i in range(10)]


async def test_request_is_never_split():
    """Lists are cut between requests by items; one larger than a list runs by itself."""
    desk = Desk(list_items=10)
    first = await desk.hold()
    tasks = [
        desk.send("six", items=6),
        desk.send("five", items=5),
        desk.send("huge", items=50),
        desk.send("one"),
    ]
    await settle()
    desk.verb.open.set()
    await outcomes(first, *tasks)
    assert desk.verb.names[1:] == [["six"], ["five"], ["huge"], ["one"]]


async def test_full_queue_of_a_credential_refuses_it_alone_and_at_once():
    """A credential with too much waiting is told to slow down; another one still gets in."""
    desk = Desk(waiting_items_per_credential=10)
    first = await desk.hold()
    waiting = desk.send("ten", items=10)
    await settle()
    with pytest.raises(Throttled) as caught:
        await desk.gather.submit("acme", "acme.a", Ask("more"), items=1)
    assert (caught.value.code, caught.value.retry_after) == ("queue_full_for_credential", 1)
    other = desk.send("other", credential="acme.b")
    await settle()
    desk.verb.open.set()
    assert await outcomes(first, waiting, other) == ["first", "ten", "other"]


async def test_full_queue_of_all_refuses_at_once():
    """When all tenants together wait with too much, the next one is told 503 with Retry-After."""
    desk = Desk(waiting_items=10)
    first = await desk.hold()
    waiting = desk.send("ten", items=10)
    await settle()
    with pytest.raises(Unavailable) as caught:
        await desk.gather.submit("other", "other.a", Ask("more"), items=1)
    assert (caught.value.code, caught.value.retry_after) == ("queue_full", 1)
    desk.verb.open.set()
    assert await outcomes(first, waiting) == ["first", "ten"]


async def test_deadline_answers_although_the_list_still_runs():
    """Whoever waited too long for a running list is told that the outcome is unknown, not kept waiting."""
    desk = Desk(seconds=0.05)
    first = await desk.hold()
    with pytest.raises(OutcomeUnknown) as caught:
        await first
    assert (caught.value.code, caught.value.status) == ("deadline_passed", 503)
    desk.verb.open.set()
    await desk.gather.drain()


async def test_request_past_its_deadline_is_not_run():
    """A request whose deadline passed while it waited is dropped before its list starts."""
    desk = Desk(seconds=0.05)
    first = await desk.hold()
    late = desk.send("late")
    await asyncio.sleep(0.1)
    desk.verb.open.set()
    assert await outcomes(first, late) == ["deadline_passed", "deadline_passed"]
    await desk.gather.drain()
    assert desk.verb.names == [["first"]]


async def test_caller_that_hangs_up_cancels_nobody():
    """A cancelled request leaves the list it is in running; its neighbours get their answers."""
    desk = Desk()
    first = await desk.hold()
    leaver, neighbour = desk.send("leaver"), desk.send("neighbour")
    await settle()
    first.cancel()
    desk.verb.open.set()
    await settle()
    leaver.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leaver
    assert await neighbour == "neighbour"
    assert desk.verb.names == [["first"], ["leaver", "neighbour"]]


@pytest.mark.parametrize("culprits", [{0}, {6}, {3}, {2, 5}, set(range(7))], ids=str)
async def test_clash_is_halved_until_the_culprit_stands_alone(culprits):
    """A list that clashes is run in halves; only requests that clash by themselves are refused."""
    desk = Desk()
    first = await desk.hold()
    tasks = [desk.send(f"r{i}", clashes=i in culprits) for i in range(7)]
    await settle()
    desk.verb.open.set()
    done = await outcomes(first, *tasks)
    assert done[1:] == ["conflict" if i in culprits else f"r{i}" for i in range(7)]
    assert len(desk.verb.lists) <= 1 + 3 * 7


@pytest.mark.parametrize(
    ("failure", "kind", "code"),
    [
        (Unavailable("store_unavailable", retry_after=1), Unavailable, "store_unavailable"),
        (OutcomeUnknown(), OutcomeUnknown, "outcome_unknown"),
        (PoolEmpty(), Unavailable, "dek_pool_empty"),
        (Tampered("x"), RecordTampered, "record_tampered"),
    ],
    ids=str,
)
async def test_failed_list_is_run_once(failure, kind, code):
    """A list that fails otherwise answers everybody with its problem and is never run again."""
    desk = Desk()
    first = await desk.hold()
    tasks = [desk.send(f"r{i}") for i in range(3)]
    await settle()
    desk.verb.failure = failure
    desk.verb.open.set()
    assert await outcomes(first, *tasks) == [code] * 4
    assert isinstance(tasks[0].exception(), kind)
    assert len(desk.verb.lists) == 2


async def test_bad_item_answers_for_itself():
    """A request that the verb refuses does not touch its neighbours."""
    desk = Desk()
    first = await desk.hold()
    tasks = [desk.send("good"), desk.send("bad"), desk.send("fine")]
    await settle()
    desk.verb.open.set()
    assert await outcomes(first, *tasks) == ["first", "good", "bad", "fine"]


async def test_bug_in_the_verb_answers_everybody_and_hangs_nobody(capsys):
    """After an error nobody foresaw, those of the list get 500 at once, those waiting are still served, and
    the error's message, which may hold a value, is written nowhere."""
    desk = Desk(list_items=2)
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    first = await desk.hold()
    tasks = [desk.send(f"r{i}") for i in range(5)]
    await settle()
    desk.verb.failure = KeyError("CANARY-4929")
    desk.verb.open.set()
    async with asyncio.timeout(1):
        assert await outcomes(first, *tasks) == ["internal"] * 6
    desk.verb.failure = None
    assert await desk.send("after") == "after"
    await desk.gather.drain()
    assert complaints == []
    assert "CANARY-4929" not in "".join(capsys.readouterr())


async def test_bug_in_one_half_does_not_unsay_the_other():
    """When a list was halved and the second half hits a bug, what the first half committed is answered."""
    desk = Desk()
    first = await desk.hold()
    tasks = [desk.send("good"), desk.send("bug", breaks=True)]
    await settle()
    desk.verb.open.set()
    assert await outcomes(first, *tasks) == ["first", "good", "internal"]


async def test_drain_waits_for_what_is_under_way():
    """After `drain` every request that was taken has its answer, those still waiting included."""
    desk = Desk()
    first = await desk.hold()
    tasks = [first, desk.send("second"), desk.send("other", tenant="bcme")]
    await settle()
    draining = asyncio.create_task(desk.gather.drain())
    await settle()
    assert not draining.done()
    desk.verb.open.set()
    await draining
    assert [task.done() for task in tasks] == [True] * 3


async def test_lists_at_once_is_a_bound():
    """No more lists of one tenant run side by side than allowed; another tenant is not held up by them."""
    desk = Desk(lists_at_once=2)
    await desk.hold()
    waiting = []
    for i in range(6):
        waiting.append(desk.send(f"r{i}", items=WORTH_A_LIST))
        await settle()
    other = desk.send("other", tenant="bcme")
    await settle()
    assert [tenant for tenant, _ in desk.verb.lists] == ["acme", "acme", "bcme"]
    desk.verb.open.set()
    await outcomes(other, *waiting)
    await desk.gather.drain()
