"""The pool of DEKs: no key is handed out twice, none before it is stored, none after its time."""

import asyncio
import os

import pytest
import pytest_asyncio
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from keys import keystore
from keys.errors import KeystoreUnavailable, PoolEmpty, Sealed, Unreachable
from keys.keystore import Keystore
from keys.migrate import KEYSTORE, migrate
from keys.pool import Pool
from tests.fakes.inside import Clock
from tests.fakes.ring import FakeRing
from tests.plugins.waiting import until
from vault.store.engine import open_database

LEASE = 1_000_000


class Bench:
    """A pool over a real keystore in a file and a fake ring."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.clock = Clock()
        self.ring = FakeRing(("acme", "bcme"))
        self.keystore = Keystore(engine)
        self.pool = self.new()

    def new(self, size: int = 16, lease: int = LEASE) -> Pool:
        return Pool(self.ring, self.keystore, now=self.clock, random=os.urandom, size=size, lease=lease)

    async def stored(self) -> set[bytes]:
        async with self.engine.connect() as connection:
            return {row[0] for row in await connection.execute(select(keystore.dek.c.dek_id))}

    def wraps(self) -> list[int]:
        """How many DEKs each call of `wrap` was about."""
        return [items for verb, _, items in self.ring.calls if verb == "wrap"]


@pytest_asyncio.fixture
async def bench(tmp_path):
    engine = open_database(f"sqlite+aiosqlite:///{tmp_path}/keystore.db")
    await migrate(engine, KEYSTORE)
    made = Bench(engine)
    yield made
    await made.pool.close()
    await engine.dispose()


async def test_no_dek_is_handed_out_twice(bench):
    """However many take at once, and whatever they ask for, each DEK and each id has one taker."""
    taken = await asyncio.gather(*(bench.pool.take("acme", count % 9) for count in range(120)))
    deks = [dek for some in taken for dek in some]
    assert [len(some) for some in taken] == [count % 9 for count in range(120)]
    assert len({dek.dek_id for dek in deks}) == len({dek.key for dek in deks}) == len(deks)


async def test_dek_is_stored_before_it_is_handed_out(bench):
    """Whoever holds a DEK finds it in the keystore, wrapped under his tenant, and nowhere in the clear."""
    deks = await bench.pool.take("acme", 40)
    assert {dek.dek_id for dek in deks} <= await bench.stored()
    wrapped = await bench.keystore.fetch("acme", [dek.dek_id for dek in deks])
    opened = await bench.ring.unwrap("acme", [wrapped[dek.dek_id] for dek in deks], batch="t")
    assert opened == [dek.key for dek in deks]
    assert not any(str(dek.key) in repr(dek) or dek.key.hex() in repr(dek) for dek in deks)


async def test_tenants_have_pools_of_their_own(bench):
    """A DEK wrapped for one tenant is never given to another."""
    mine, theirs = await asyncio.gather(bench.pool.take("acme", 5), bench.pool.take("bcme", 5))
    assert not {dek.dek_id for dek in mine} & {dek.dek_id for dek in theirs}
    assert await bench.keystore.fetch("bcme", [dek.dek_id for dek in mine]) == {}


async def test_stale_dek_is_dropped(bench):
    """Past half its lease a pooled DEK is thrown away, and others are made."""
    await bench.pool.warm("acme")
    before = await bench.stored()
    bench.clock.us += LEASE // 2
    assert bench.pool.level("acme") == 0
    fresh = await bench.pool.take("acme", 3)
    assert not {dek.dek_id for dek in fresh} & before


async def test_lease_is_on_the_databases_clock(bench):
    """However wrong the worker's clock, a lease ends a lease after the insert on the database's."""
    bench.clock.us = 0
    dek = (await bench.pool.take("acme", 1))[0]
    async with bench.engine.connect() as connection:
        row = (await connection.execute(select(keystore.dek.c.lease_until))).first()
    assert dek.lease_until == row[0] > 1_700_000_000_000_000


@pytest.mark.parametrize("failure", [Sealed(), Unreachable("deadline")], ids=lambda f: f.code)
async def test_failed_refill_says_why(bench, failure):
    """With an empty pool and no key server the taker learns the reason; later it works again."""
    bench.ring.down = failure
    with pytest.raises(type(failure)):
        await bench.pool.take("acme", 1)
    assert await bench.stored() == set()
    bench.ring.down = None
    assert len(await bench.pool.take("acme", 1)) == 1


class Halting:
    """A ring whose first call fails, while the others go on until they are let go."""

    def __init__(self, ring: FakeRing) -> None:
        self.wrap_now, self.go = ring.wrap, asyncio.Event()
        self.calls, self.under_way = 0, 0

    async def wrap(self, tenant, deks):
        self.calls += 1
        if self.calls == 1:
            raise Sealed
        self.under_way += 1
        try:
            await self.go.wait()
            return await self.wrap_now(tenant, deks)
        finally:
            self.under_way -= 1


async def test_closed_pool_holds_no_key_of_a_failed_refill(bench):
    """After a refill of which a part failed, a closed pool stays empty, whenever the other parts end."""
    ring = Halting(bench.ring)
    bench.ring.wrap = ring.wrap
    taker = asyncio.create_task(bench.pool.take("acme", 300))
    await until(lambda: ring.under_way == 2)
    await bench.pool.close()
    ring.go.set()
    with pytest.raises((Sealed, asyncio.CancelledError)):
        await taker
    await asyncio.sleep(0.05)
    assert (bench.pool.level("acme"), await bench.stored()) == (0, set())


async def test_failed_refill_is_over_when_it_is_told(bench):
    """Who is told that a refill failed finds none of its parts under way, and what they made in the pool."""
    ring = Halting(bench.ring)
    bench.ring.wrap = ring.wrap
    taker = asyncio.create_task(bench.pool.take("acme", 300))
    await until(lambda: ring.under_way == 2)
    assert not taker.done()
    ring.go.set()
    with pytest.raises(Sealed):
        await taker
    assert ring.under_way == 0
    assert bench.pool.level("acme") == len(await bench.stored()) == 300 + 16 // 2 - 128


async def test_key_servers_absence_is_survived_from_the_pool(bench):
    """What is pooled is handed out while the key server is away, and a failed refill hurts nobody."""
    await bench.pool.warm("acme")
    bench.ring.down = Sealed()
    assert len(await bench.pool.take("acme", 10)) == 10
    await asyncio.sleep(0.01)
    assert len(await bench.pool.take("acme", 6)) == 6
    with pytest.raises(Sealed):
        await bench.pool.take("acme", 1)


async def test_keystore_that_fails_gives_no_dek(bench, tmp_path):
    """A DEK that could not be stored is never handed out."""
    async with bench.engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE dek")
    with pytest.raises(KeystoreUnavailable):
        await bench.pool.take("acme", 1)
    assert bench.pool.level("acme") == 0


async def test_one_refill_at_a_time(bench):
    """Many takers of an empty pool wait for one refill, not one each."""
    bench.ring.delay = 0.02
    await asyncio.gather(*(bench.pool.take("acme", 1) for _ in range(10)))
    assert bench.wraps()[0] == 16
    assert len(bench.wraps()) <= 2  # the second is the next refill, begun because little was left


async def test_large_takers_do_not_starve_each_other(bench):
    """Two lists that each take all of a refill are both served; neither is told that the pool is empty."""
    bench.ring.delay = 0.01
    taken = await asyncio.gather(*(bench.pool.take("acme", count) for count in (100, 100, 300, 1, 16)))
    assert [len(some) for some in taken] == [100, 100, 300, 1, 16]


async def test_a_long_list_leaves_some_for_short_ones(bench):
    """While a list that takes nearly all waits for more to be made, whoever takes one is served at once."""
    pool = bench.new(size=200)
    await pool.warm("acme")
    bench.ring.delay = 5
    long = asyncio.create_task(pool.take("acme", 190))
    await asyncio.sleep(0)
    wrapped = len(bench.wraps())
    assert [len(await pool.take("acme", 1)) for _ in range(20)] == [1] * 20
    assert len(bench.wraps()) == wrapped
    assert not long.done()
    long.cancel()
    await pool.close()


async def test_refill_is_made_in_batches_the_key_server_takes(bench):
    """A large refill is cut into calls of at most 128."""
    await bench.pool.take("acme", 300)
    assert max(bench.wraps()) <= 128
    assert sum(bench.wraps()) >= 300


async def test_what_nobody_waits_for_is_made_a_batch_at_a_time(bench):
    """A pool that is touched fills up again by itself, and never wraps two batches at once for that."""
    pool = bench.new(size=512)
    await pool.warm("acme")
    under_way, most = 0, 0
    wrap = bench.ring.wrap

    async def counted(tenant, deks):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        try:
            return await wrap(tenant, deks)
        finally:
            under_way -= 1

    bench.ring.wrap = counted
    bench.ring.calls.clear()
    for _ in range(300):
        await pool.take("acme", 1)
    async with asyncio.timeout(5):
        while pool.level("acme") <= 512 - 128:
            await asyncio.sleep(0.01)
    assert (set(bench.wraps()), most) == ({128}, 1)
    await pool.close()


async def test_taker_that_goes_away_does_not_stop_the_refill(bench):
    """A cancelled taker leaves the refill running for the others."""
    bench.ring.delay = 0.02
    leaver = asyncio.create_task(bench.pool.take("acme", 1))
    other = asyncio.create_task(bench.pool.take("acme", 1))
    await asyncio.sleep(0)
    leaver.cancel()
    assert len(await other) == 1
    assert leaver.cancelled()


async def test_pool_without_lease_gives_up(bench):
    """A lease too short to be used ends in an answer, not in a loop."""
    pool = bench.new(lease=1)
    async with asyncio.timeout(5):
        with pytest.raises(PoolEmpty):
            await pool.take("acme", 1)
    await pool.close()


async def test_drained_dek_is_never_handed_out(bench):
    """After `drain` none of what was pooled comes back."""
    await bench.pool.warm("acme")
    before = await bench.stored()
    bench.pool.drain("acme")
    assert bench.pool.level("acme") == 0
    assert not {dek.dek_id for dek in await bench.pool.take("acme", 16)} & before


async def test_levels_tell_the_truth(bench):
    """A level counts what is ready now; the lowest is that of the poorest tenant."""
    assert bench.pool.lowest() is None
    await bench.pool.warm("acme")
    assert (bench.pool.level("acme"), bench.pool.lowest()) == (16, 16)
    bench.ring.down = Sealed()
    await bench.pool.take("acme", 3)
    assert (bench.pool.level("acme"), bench.pool.level("bcme"), bench.pool.lowest()) == (13, 0, 13)


async def test_destroyed_dek_is_gone(bench):
    """Destroying twice does no harm, touches no other tenant, and leaves nothing to fetch."""
    mine, theirs = await bench.pool.take("acme", 2), await bench.pool.take("bcme", 1)
    ids = [dek.dek_id for dek in mine]
    for _ in range(2):
        await bench.keystore.destroy("acme", [*ids, theirs[0].dek_id])
    assert await bench.keystore.fetch("acme", ids) == {}
    assert len(await bench.keystore.fetch("bcme", [theirs[0].dek_id])) == 1


async def test_swapped_dek_row_does_not_unwrap(bench):
    """A wrapped DEK moved to another id's row is refused by the key server's context."""
    one, two = await bench.pool.take("acme", 2)
    moved = (await bench.keystore.fetch("acme", [one.dek_id]))[one.dek_id].wrapped
    async with bench.engine.begin() as connection:
        row = keystore.dek.c.dek_id == two.dek_id
        await connection.execute(update(keystore.dek).where(row).values(wrapped=moved))
    fetched = await bench.keystore.fetch("acme", [two.dek_id])
    opened = await bench.ring.unwrap("acme", list(fetched.values()), batch="t")
    assert [error.code for error in opened] == ["dek_tampered"]


async def test_the_pool_says_how_long_it_lasts(bench):
    """At a steady rate it lasts level / rate seconds; at none until its DEKs are too old; empty, no time."""
    assert bench.pool.seconds_left() == 0
    bench.pool = bench.new(size=120, lease=1800 * LEASE)
    await bench.pool.warm("acme")
    assert bench.pool.seconds_left() == pytest.approx(900)
    for _ in range(12):
        await bench.pool.take("acme", 5)
        bench.clock.us += 5 * LEASE
    assert bench.pool.level("acme") == 60
    assert bench.pool.seconds_left() == pytest.approx(60, rel=0.1)
    bench.clock.us += 61 * LEASE
    assert bench.pool.seconds_left() == pytest.approx(900 - 121, abs=1)
    bench.clock.us += 900 * LEASE
    assert bench.pool.seconds_left() == 0


async def test_the_tenant_that_runs_out_first_counts(bench):
    """With two tenants the one that uses its DEKs up faster says how long the pool lasts."""
    bench.pool = bench.new(size=64, lease=1800 * LEASE)
    for tenant in ("acme", "bcme"):
        await bench.pool.warm(tenant)
    await bench.pool.take("bcme", 30)
    assert bench.pool.seconds_left() == pytest.approx(34 / (30 / 60))
    assert bench.pool.low_water == 8
