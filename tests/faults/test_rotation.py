"""A rotation that is killed, overtaken or hindered: every DEK still opens, and no version is retired early.

The key server and both databases are real; the faults are in the calls to them.
"""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest
import pytest_asyncio
from sqlalchemy import delete, text, update

from keys.devserver import RunningServer
from keys.errors import KeysError, KeystoreUnavailable, Outdated, Sealed, Tampered
from keys.holdings import Holdings
from keys.keystore import CANARY, Keystore, dek
from keys.names import kek_of
from keys.pool import Pool
from keys.provision import provision_tenant
from keys.ring import WrappedDek
from keys.transit import OPENING_CHUNK, Transit
from tests.plugins.bao import Provisioned
from tests.plugins.service import KINDS, Databank
from tests.plugins.waiting import until
from vault.service.keks import look
from vault.service.key_work import Step
from vault.service.pace import Pace
from vault.service.rewrap import PAGE
from vault.service.rotate import Rotated, Tools, finish, rotate
from vault.store.engine import open_database

pytestmark = pytest.mark.asyncio(loop_scope="module")
COUNT = 150
_numbers = itertools.count(1)


class Killed(Exception):
    """The process is no more."""


@dataclass
class Hook:
    """Ends the process before a call: the one before it was answered, and that is all it left behind."""

    at: int = 0
    calls: int = 0

    def around(self, what: object) -> "Hooked":
        return Hooked(what, self)


@dataclass
class Hooked:
    """Whatever is behind it, with a hook around each call."""

    _what: object
    _hook: Hook

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        async def call(*arguments, **named):
            self._hook.calls += 1
            if self._hook.calls == self._hook.at:
                raise Killed
            return await getattr(self._what, name)(*arguments, **named)

        return call


@dataclass
class Shop:
    """A tenant of its own with DEKs whose bytes are known, and everyone who works on them."""

    tenant: str
    keystore: Keystore
    holdings: Holdings
    engine: object
    """The keystore database, as its owner."""
    ingest: Transit
    reveal: Transit
    rotator: Transit
    known: dict[bytes, bytes] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    async def note(self, step: Step) -> None:
        self.steps.append(step)

    def tools(self, hook: Hook | None = None) -> Tools:
        hook = hook or Hook()
        return Tools(
            keys=hook.around(self.rotator),
            keystore=hook.around(self.holdings),
            pace=Pace(clock=time.monotonic, rate=1e9),
            note=hook.around(self).note,
            sleep=lambda _: asyncio.sleep(0),
            page_size=64,
        )

    async def add(self, count: int) -> None:
        fresh = {os.urandom(16): os.urandom(32) for _ in range(count)}
        await self.keystore.insert(self.tenant, await self.ingest.wrap(self.tenant, fresh), lease=10**9)
        self.known |= fresh

    async def assert_whole(self) -> None:
        """Every DEK opens to what it was, and no version is retired that one of them is under."""
        found = await self.keystore.fetch(self.tenant, list(self.known))
        opened = await self.reveal.unwrap(self.tenant, list(found.values()), batch="check")
        assert dict(zip(found, opened, strict=True)) == self.known
        kek = await look(self.tenant, self.rotator, self.holdings)
        assert kek.min_decryption <= min(kek.held)

    async def assert_done(self, done: Rotated) -> None:
        """All of it under one version, the others retired, and the count in the log."""
        kek = await look(self.tenant, self.rotator, self.holdings)
        assert (done.retired, done.left) == (True, 0)
        assert list(kek.held) == [kek.latest] == [kek.min_decryption] == [kek.min_encryption]
        assert await self.holdings.behind(self.tenant, kek.latest) == 0
        last = [one for one in self.steps if one.action == "retire"][-1]
        assert last.detail == {"to_version": kek.latest, "old_deks": 0}
        await self.assert_whole()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def shop(
    request: pytest.FixtureRequest, databank: Databank, bao: RunningServer, provisioned: Provisioned
) -> AsyncIterator[Shop]:
    """A shop that is only ever rotated: after each test all is under one version."""
    databases = await databank(request.param)
    tenant = f"rotated_{next(_numbers)}"
    provision_tenant(bao.admin, tenant)
    engine = open_database(databases.keystore_url)
    rings = [provisioned.transit(name) for name in ("ingest", "reveal", "rotator")]
    roles = [databases.plane_urls.get(f"{one}_keystore_url", databases.keystore_url)
             for one in ("ingest", "operator")]  # fmt: skip
    ingest, operator = (open_database(url) for url in roles)
    one = Shop(tenant, Keystore(ingest), Holdings(operator), engine, *rings)
    one.keystore.fetch = Keystore(engine).fetch  # ingest may not read
    await one.add(COUNT)
    canary = os.urandom(32)
    await one.keystore.plant_canary(tenant, (await one.ingest.wrap(tenant, {CANARY: canary}))[0])
    one.known[CANARY] = canary
    yield one
    for ring in rings:
        await ring.aclose()
    for database in (engine, ingest, operator):
        await database.dispose()


async def test_a_rotation_goes_to_its_end(shop: Shop):
    """A new version, every DEK under it, the canary too; the older ones open nothing, all is on record."""
    before = await look(shop.tenant, shop.rotator, shop.holdings)
    done = await rotate(shop.tenant, shop.tools())
    assert (done.version, done.new_version, done.rewrapped) == (before.latest + 1, True, len(shop.known))
    assert [one.action for one in shop.steps[-4:]] == ["rotate", "pin", "rewrap", "retire"]
    await shop.assert_done(done)


async def test_killed_at_every_call_and_run_again(shop: Shop):
    """Before whichever call a process ends, the next run brings the rotation to its end."""
    for at in itertools.count(1):
        try:
            await rotate(shop.tenant, shop.tools(Hook(at)))
            break
        except Killed:
            await shop.assert_whole()
        version = (await look_at(shop)).latest
        done = await rotate(shop.tenant, shop.tools())
        assert done.version <= version + 1
        await shop.assert_done(done)
    assert at > 20


async def test_two_at_once_do_no_harm(shop: Shop):
    """Two runs over the same DEKs rewrap each, and neither undoes what the other did."""
    await shop.rotator.rotate(kek_of(shop.tenant), newest=(await look_at(shop)).latest)
    both = await asyncio.gather(*(finish(shop.tenant, shop.tools()) for _ in range(2)))
    assert sum(one.rewrapped for one in both) == len(shop.known)
    for one in both:
        await shop.assert_done(one)


async def look_at(shop: Shop):
    return await look(shop.tenant, shop.rotator, shop.holdings)


@pytest.mark.parametrize("spoilt", ["garbage", "mislabelled", "other DEK's"])
async def test_one_that_cannot_be_rewrapped_stops_the_retirement(shop: Shop, spoilt: str):
    """A DEK that fails is named, the others are rewrapped, and the old version goes on opening."""
    good = next(one for one in shop.known if one != CANARY)
    rows = await shop.keystore.fetch(shop.tenant, list(shop.known))
    other = next(rows[one].wrapped for one in rows if one not in (good, CANARY))
    wrapped = {
        "garbage": f"vault:v{(await look_at(shop)).latest}:{'bm9uc2Vuc2U' * 4}",
        "mislabelled": "no-key",
        "other DEK's": other,
    }[spoilt]
    before = await look_at(shop)
    version = 2**20 if spoilt == "mislabelled" else before.latest
    await put(shop, good, wrapped, version)
    done = await rotate(shop.tenant, shop.tools())
    assert (done.retired, done.left) == (False, 1)
    assert [(one.dek_id, one.code) for one in done.failures] == [(good, "dek_tampered")]
    after = await look_at(shop)
    assert (after.latest, after.min_decryption) == (before.latest + 1, before.min_decryption)
    assert shop.steps[-1].detail["old_deks"] == 1
    assert not [
        one for one in shop.steps if one.action == "retire" and one.detail["to_version"] == after.latest
    ]
    await put(shop, good, rows[good].wrapped, rows[good].kek_version)
    again = await rotate(shop.tenant, shop.tools())
    assert (again.version, again.rewrapped) == (after.latest, 1)
    await shop.assert_done(again)


async def put(shop: Shop, dek_id: bytes, wrapped: str, version: int) -> None:
    """What an administrator of the keystore could do."""
    row = update(dek).where(dek.c.tenant == shop.tenant, dek.c.dek_id == dek_id)
    async with shop.engine.begin() as connection:
        await connection.execute(row.values(wrapped=wrapped, kek_version=version))


async def test_what_was_wrapped_before_and_stored_after_is_refused(shop: Shop):
    """A DEK under a version that was left behind is not added; the pool wraps anew, and no caller notices."""
    late = await shop.ingest.wrap(shop.tenant, {os.urandom(16): os.urandom(32)})
    await shop.assert_done(await rotate(shop.tenant, shop.tools()))
    with pytest.raises(Outdated):
        await shop.keystore.insert(shop.tenant, late, lease=10**9)
    with pytest.raises(Outdated):
        await shop.keystore.plant_canary(shop.tenant, WrappedDek(CANARY, late[0].wrapped))
    ring = Stale(shop.ingest, late[0].wrapped, times=2)
    pool = Pool(ring, shop.keystore, now=lambda: time.time_ns() // 1000, random=os.urandom, size=16)
    taken = await pool.take(shop.tenant, 1)
    shop.known |= {one.dek_id: one.key for one in taken}
    assert ring.times == 0
    await pool.close()
    await delete_unknown(shop)
    await shop.assert_whole()


async def delete_unknown(shop: Shop) -> None:
    """What the pool made beside what was taken."""
    async with shop.engine.begin() as connection:
        mine = dek.c.tenant == shop.tenant, dek.c.dek_id.not_in(list(shop.known))
        await connection.execute(delete(dek).where(*mine))


@dataclass
class Stale:
    """A ring that reaches a node which has not heard of a rotation, so many times."""

    ring: Transit
    old: str
    times: int

    async def wrap(self, tenant: str, deks: dict[bytes, bytes]) -> list[WrappedDek]:
        if self.times:
            self.times -= 1
            return [WrappedDek(dek_id, self.old) for dek_id in deks]
        return await self.ring.wrap(tenant, deks)


async def test_the_fence_waits_for_those_who_passed_it(shop: Shop):
    """An insert that had passed the fence is committed before the fence stands, so the count sees it."""
    if shop.engine.dialect.name == "sqlite":
        pytest.skip("one writer at a time: nobody is under way")
    latest = (await look_at(shop)).latest
    passing = text("SELECT min_version FROM kek_fence WHERE tenant = :tenant FOR SHARE")
    async with shop.engine.begin() as insert:
        await insert.execute(passing, {"tenant": shop.tenant})
        fence = asyncio.create_task(shop.holdings.raise_fence(shop.tenant, latest + 1))
        await asyncio.sleep(0.5)
        assert not fence.done()
    await fence
    with pytest.raises(Outdated):
        await shop.add(1)
    await lower_fence(shop)


async def lower_fence(shop: Shop) -> None:
    """What no role may do."""
    async with shop.engine.begin() as connection:
        await connection.execute(text("UPDATE kek_fence SET min_version = 0"))


@pytest.mark.parametrize("ahead", [0, 1])
async def test_an_insert_that_waited_for_the_fence_is_judged_by_it(shop: Shop, ahead: int):
    """A fence that is raised while an insert waits for it lets in what is not older, and else nothing."""
    if shop.engine.dialect.name == "sqlite":
        pytest.skip("one writer at a time: nobody waits for a row")
    late = await shop.ingest.wrap(shop.tenant, {os.urandom(16): os.urandom(32) for _ in range(3)})
    raised = text("UPDATE kek_fence SET min_version = :version WHERE tenant = :tenant")
    version = late[0].kek_version + ahead
    async with shop.engine.begin() as raising:
        await raising.execute(raised, {"tenant": shop.tenant, "version": version})
        insert = asyncio.create_task(shop.keystore.insert(shop.tenant, late, lease=10**9))
        await until(lambda: somebody_waits(shop))
    [outcome] = await asyncio.gather(insert, return_exceptions=True)
    assert isinstance(outcome, Outdated if ahead else int)
    found = await shop.keystore.fetch(shop.tenant, [one.dek_id for one in late])
    assert found == ({} if ahead else {one.dek_id: one for one in late})
    await delete_unknown(shop)
    await lower_fence(shop)


async def somebody_waits(shop: Shop) -> bool:
    """Whether a transaction waits for another's row."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
    async with shop.engine.connect() as connection:
        return await connection.scalar(waiting) > 0


async def test_deks_of_which_one_is_too_old_are_not_added(shop: Shop):
    """A list with one DEK behind the fence is refused whole; where no fence ever stood it is not."""
    old = await shop.ingest.wrap(shop.tenant, {os.urandom(16): os.urandom(32)})
    await shop.assert_done(await rotate(shop.tenant, shop.tools()))
    new = await shop.ingest.wrap(shop.tenant, {os.urandom(16): os.urandom(32)})
    with pytest.raises(Outdated):
        await shop.keystore.insert(shop.tenant, [*new, *old], lease=10**9)
    await shop.assert_whole()
    assert await shop.keystore.fetch(shop.tenant, [one.dek_id for one in (*new, *old)]) == {}
    assert await shop.keystore.insert("nobody_yet", [*new, *old], lease=10**9) > 10**15


async def test_a_canary_is_planted_once(shop: Shop):
    """Planting another leaves the first in its place, and says nothing."""
    other = (await shop.ingest.wrap(shop.tenant, {CANARY: os.urandom(32)}))[0]
    await shop.keystore.plant_canary(shop.tenant, other)
    await shop.assert_whole()


class Sore:
    """A key server, or a keystore, that fails now and then."""

    def __init__(self, what: object, error: KeysError, every: int) -> None:
        self.what, self.error, self.every, self.calls = what, error, every, 0

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        async def call(*arguments, **named):
            if name in ("rewrap", "page", "swap"):
                self.calls += 1
                if self.calls % self.every == 0:
                    raise self.error
            return await getattr(self.what, name)(*arguments, **named)

        return call


async def test_outages_that_pass_are_waited_for(shop: Shop):
    """A key server that is sealed and a keystore that is away for a moment end no rotation."""
    tools = shop.tools()
    sore = replace(
        tools,
        keys=Sore(shop.rotator, Sealed(), 3),
        keystore=Sore(shop.holdings, KeystoreUnavailable(), 4),
    )
    await shop.assert_done(await rotate(shop.tenant, sore))
    with pytest.raises(Tampered):  # what will not pass is not waited for
        await rotate(shop.tenant, replace(tools, keys=Sore(shop.rotator, Tampered(), 1)))
    await shop.assert_done(await rotate(shop.tenant, tools))


async def test_a_page_of_its_real_size_is_rewrapped_whole(shop: Shop):
    """As many DEKs as go in one call are accepted by the key server, and more than a call's in one commit."""
    await shop.add(OPENING_CHUNK)
    done = await rotate(shop.tenant, replace(shop.tools(), page_size=PAGE))
    assert done.rewrapped == len(shop.known) > OPENING_CHUNK
    await shop.assert_done(done)
