"""Sequence: give every committed event its number in its tenant's tree, and sign what the tree is.

One leader at a time, by a lease whose term fences every write. What the leader knows by heart it forgets
whenever a write did not clearly succeed, and reads again from the database.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from keys.errors import KeysError
from vault import metrics
from vault.errors import ServiceError
from vault.log.merkle import Frontier, frontier_of
from vault.model.names import TENANT, show_id
from vault.service.heads import BATCH, Head, grow, some, start_of, time_of
from vault.service.log_tail import assert_numbered
from vault.service.signed_heads import Signing
from vault.service.tree import LogDamaged, Tree
from vault.service.verified_lists import BadList, GoodList, ListVerifier
from vault.store.failures import Clash
from vault.store.log import StoredCheckpoint
from vault.store.sequencing import Lease, LeaseLost, SequencerStore, Window

CHECKPOINT_SECONDS = 10.0
ROUND_SECONDS = 1.0
"""Between two rounds of a leader that keeps up: each costs some queries and a commit, however few events."""
BUSY = BATCH // 4
"""Events in one round after which the next begins at once."""
FOLLOW_SECONDS = 0.5
"""Between two looks of a sequencer that does not lead."""
LEASE = 5_000_000
"""µs a lease runs: a leader that died is followed after that."""
RENEW_SECONDS = 1.0
LATE = 20_000_000
"""µs by which a list may be committed after its id was made without leaving the window looked at always."""
SWEEP_SECONDS = 60.0
SWEPT = 3_600_000_000
"""µs that are swept each time; what lies before is swept a page at a time."""
PAGE = 20_000
HALT_SECONDS = 10.0
"""How long a tenant whose log is damaged is left alone before it is looked at again."""
BEHIND_SECONDS = 60.0

Alarm = Callable[[str, str, str], None]
"""Told (code, tenant, what exactly)."""
log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Sequencer:
    """The sequencer. `step` is one round through all tenants; `run` goes on until told to stop."""

    store: SequencerStore
    tree: Tree
    verifier: ListVerifier
    signing: Signing
    alarm: Alarm
    holder: str
    """Who this is, among those who may lead."""
    clock: Callable[[], float] = time.monotonic
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    lease: Lease | None = None
    _kept: float = 0.0
    _heads: dict[str, Head] = field(default_factory=dict)
    _halted: dict[str, float] = field(default_factory=dict)
    _behind: dict[str, float] = field(default_factory=dict)
    _alarmed: float = float("-inf")
    _database_ahead: int | None = None

    async def step(self, *, sign: bool = False) -> int:
        """One round: the events numbered, 0 when somebody else leads. `sign` does not wait for the interval.

        Raises: Unavailable when the database cannot be asked who leads.
        """
        try:
            if not await self._lead():
                return 0
            tenants = await self.store.tenants()
            done = sum([await self._attempt(tenant, sign=sign) for tenant in tenants])
        except LeaseLost:
            self._forget()
            return 0
        self._observe()
        return done

    async def run(self, stop: asyncio.Event) -> None:
        """Rounds until `stop` is set; then the lease is given back."""
        while not stop.is_set():
            try:
                done = await self.step()
            except (ServiceError, KeysError) as error:
                log.warning("sequencer_waits", code=error.code)
                done = 0
            pause = pause_after(done) if self.lease else FOLLOW_SECONDS
            if pause:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause)
        await self.close()

    async def close(self) -> None:
        """Give the lease back, so that another leads at once."""
        lease, self.lease = self.lease, None
        if lease is not None:
            with contextlib.suppress(ServiceError):
                await self.store.release(lease)
        self._forget()

    def signed(self) -> dict[str, StoredCheckpoint]:
        """The newest published checkpoint of each log that is sound; none while somebody else leads."""
        return {tenant: head.last for tenant, head in self._heads.items() if head.last is not None}

    async def _lead(self) -> bool:
        if self.lease is None:
            self.lease = await self.store.take_lease(self.holder, LEASE)
            if self.lease is None:
                return False
            self._heads.clear()
            self._kept = self.clock()
            metrics.log_leader.set(1)
            log.info("leads", says=f"term {self.lease.term}")
        elif self.clock() - self._kept > RENEW_SECONDS:
            await self._keep(self.lease)
        return True

    async def _keep(self, lease: Lease) -> None:
        started = self.clock()
        await self.store.keep_lease(lease, LEASE)
        self._kept = started

    def _forget(self) -> None:
        self.lease = None
        self._heads.clear()
        metrics.log_leader.set(0)

    async def _attempt(self, tenant: str, *, sign: bool) -> int:
        """One tenant's turn. What fails there leaves the others alone."""
        if self.clock() < self._halted.get(tenant, 0.0):
            return 0
        try:
            return await self._turn(tenant, sign=sign)
        except LeaseLost:
            raise
        except LogDamaged as damage:
            self._halted[tenant] = self.clock() + HALT_SECONDS
            self.tree.forget(tenant)  # once the true rows are back, nothing has to be restarted
            self.alarm(damage.alarm, tenant, damage.says)
        except (ServiceError, KeysError) as error:
            log.warning("sequencer_waits", tenant=tenant, code=error.code)
        # Whatever was written or not, the database knows it better than we do.
        self._heads.pop(tenant, None)
        self._behind.setdefault(tenant, self.clock())
        return 0

    async def _turn(self, tenant: str, *, sign: bool) -> int:
        lease = self._held()
        if tenant not in self._heads:
            self._heads[tenant] = await self._load(tenant, lease)
        head = self._heads[tenant]
        done = 0
        for window in await self._windows(tenant, head):
            done += await self._number(tenant, head, window)
        if head.unsigned:
            self._behind.setdefault(tenant, self.clock())
        if head.is_due(self.clock(), self.checkpoint_seconds) or (sign and head.unsigned):
            await self._sign(tenant, head)
        if not head.unsigned:
            self._behind.pop(tenant, None)
        return done

    async def _load(self, tenant: str, lease: Lease) -> Head:
        """Read the tree's right edge, and hold the tree to what was signed. Raises: LogDamaged."""
        if TENANT.fullmatch(tenant) is None:
            raise LogDamaged(alarm="tenant_malformed", says="a tenant's name has another shape")
        newest = await self.store.last_leaf(tenant)
        size = newest.idx + 1 if newest is not None else 0
        frontier = await self.tree.compute(tenant, size, lambda nodes: frontier_of(size, nodes))
        last = await self.signing.audit(tenant, size, frontier.root())
        if last is not None and not await self.signing.is_published(tenant, last):
            await self.store.publish(tenant, last, lease=lease, microseconds=LEASE)
        await assert_numbered(tenant, last.size if last else 0, size, self.store, self.verifier)
        long_ago = self.clock() - self.checkpoint_seconds
        return Head(frontier, newest.list_id if newest is not None else bytes(16), last, long_ago)

    async def _windows(self, tenant: str, head: Head) -> list[Window]:
        """Always what is new; now and then also what is old or was refused."""
        now = await self._database_now()
        windows = [Window(start_of(min(time_of(head.newest), now) - LATE))]
        if self.clock() - head.swept >= SWEEP_SECONDS:
            head.swept = self.clock()
            end = await self.store.page_end(tenant, head.page, PAGE)
            windows.append(Window(start_of(now - SWEPT), refused_too=True))
            windows.append(Window(head.page, end, refused_too=True))
            head.page = end or bytes(16)
        return windows

    async def _number(self, tenant: str, head: Head, window: Window) -> int:
        """Number the lists of a window that verify, up to a batch; refuse the others, aloud."""
        rows = await self.store.waiting(tenant, window, most=head.most)
        checked = await self.verifier.check(tenant, some(rows, head.most))
        for bad in checked.bad:
            await self._refuse(tenant, bad)
        for gap in checked.gaps:
            self.alarm("chain_gap", tenant, gap.says)
        return await self._append(tenant, head, checked.good) if checked.good else 0

    async def _append(self, tenant: str, head: Head, lists: Sequence[GoodList]) -> int:
        grown = Frontier(head.frontier.size, head.frontier.subtrees)
        leaves, nodes = grow(grown, lists)
        try:
            await self.store.append(tenant, leaves, nodes, lease=self._held(), microseconds=LEASE)
        except Clash:
            newest = await self.store.last_leaf(tenant)
            if (newest.idx + 1 if newest is not None else 0) != head.frontier.size:
                raise  # the tree is not as we know it: it is read, and verified, again
            if len(lists) == 1:
                await self._refuse(tenant, BadList(lists[0].row.list_id, "an event is numbered already"))
            head.most = 1  # one by one until the culprit stands by itself
            return 0
        self._kept = self.clock()
        head.frontier, head.newest = grown, lists[-1].row.list_id
        head.most = min(2 * head.most, BATCH)
        metrics.sequenced.inc(len(leaves))
        return len(leaves)

    async def _sign(self, tenant: str, head: Head) -> None:
        """Sign and publish the head. While nobody can sign, numbering goes on."""
        head.signed, head.failed = self.clock(), True
        await self._keep(self._held())
        try:
            signed = await self.signing.sign(tenant, head.frontier.size, head.frontier.root(), last=head.last)
        except KeysError as error:
            log.warning("not_signed", tenant=tenant, code=error.code)
            return
        await self.store.publish(tenant, signed, lease=self._held(), microseconds=LEASE)
        head.last, head.failed = signed, False
        metrics.checkpoints.inc()

    async def _refuse(self, tenant: str, bad: BadList) -> None:
        """Remember a list that must not be numbered; the first time, wake someone."""
        with contextlib.suppress(Clash):
            await self.store.refuse(tenant, bad.list_id, bad.reason)
            self.alarm("list_refused", tenant, f"{name_of(bad.list_id)}: {bad.reason}")

    async def _database_now(self) -> int:
        """The database's clock in µs, asked once and counted on from there."""
        here = int(self.clock() * 1_000_000)
        if self._database_ahead is None:
            self._database_ahead = await self.store.clock() - here
        return here + self._database_ahead

    def _held(self) -> Lease:
        if self.lease is None:
            raise LeaseLost
        return self.lease

    def _observe(self) -> None:
        behind = max((self.clock() - since for since in self._behind.values()), default=0.0)
        metrics.log_lag.set(behind)
        if behind >= BEHIND_SECONDS and self.clock() - self._alarmed >= BEHIND_SECONDS:
            self._alarmed = self.clock()
            tenant = min(self._behind, key=self._behind.__getitem__)
            self.alarm("log_lagging", tenant, f"no checkpoint for {int(behind)} s")


def pause_after(done: int) -> float:
    """Seconds until the next round of a leader whose last one numbered so many events.

    The more there were, the sooner: what waits at 5,000 events a second would else come near the bound past
    which nothing is opened.
    """
    return ROUND_SECONDS * max(0.0, 1 - done / BUSY)


def name_of(list_id: bytes) -> str:
    """A list as an alarm names it."""
    return show_id("lst", list_id) if len(list_id) == 16 else list_id.hex()
