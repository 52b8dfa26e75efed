"""Workers, a database and sequencers without a key server: what the log's tests break and verify."""

import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from keys.policies import worker_key
from tests.fakes.inside import caller
from tests.fakes.ring import FakeRing
from tests.plugins.world import Databases
from vault.log.checkpoints import read_signed
from vault.log.event import Draft
from vault.log.lists import SignedList, WorkerKey
from vault.log.merkle import Frontier, leaf_hash
from vault.log.notes import NoteKey
from vault.log.writer import LogWriter
from vault.service.authority_keys import PublicKeys, worker_keys
from vault.service.sequence import Sequencer
from vault.service.signed_heads import SignedState, Signing
from vault.service.tree import Tree
from vault.service.verified_lists import ListVerifier
from vault.store import schema
from vault.store.engine import open_database
from vault.store.log import Leaf
from vault.store.records import Store
from vault.store.sequencing import SequencerStore

NAME = "log.test"


class Clock:
    """Monotonic seconds that a test can hurry on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def now() -> int:
    return time.time_ns() // 1000


@dataclass(slots=True)
class LogWorld:
    """One data database, its workers, and the sequencers a test starts."""

    databases: Databases
    folder: Path
    owner: AsyncEngine
    ring: FakeRing = field(default_factory=FakeRing)
    clock: Clock = field(default_factory=Clock)
    alarms: list[tuple[str, str, str]] = field(default_factory=list)
    engines: list[AsyncEngine] = field(default_factory=list)
    _worker: LogWriter | None = None

    async def worker(self, *, plane: str = "reveal", enrolled: bool = True) -> LogWriter:
        """A worker's log; its key endorsed and known, unless told otherwise."""
        key = WorkerKey(plane, os.urandom(16), now())
        if enrolled:
            version, endorsement = await self.ring.sign(worker_key(plane), key.endorsement_message)
            await Store(self.owner).enrol(key, key_version=version, endorsement=endorsement)
        return LogWriter(key, now=now, random=os.urandom)

    async def commit(
        self,
        events: int = 1,
        *,
        tenant: str = "acme",
        verb: str = "detokenize",
        log: LogWriter | None = None,
        at: int | None = None,
    ) -> SignedList:
        """Commit a list of events as a worker does. `at`: the time in its id, µs."""
        if log is None:
            log = self._worker = self._worker or await self.worker()
        lane = log.lane(tenant)
        list_id = log.new_list_id() if at is None else at.to_bytes(7) + os.urandom(9)
        signed = log.write(lane, [Draft(caller(tenant, "pay"), verb, "allow", "r")] * events, list_id=list_id)
        await self.store(signed)
        log.keep(lane, signed)
        return signed

    async def store(self, signed: SignedList) -> None:
        """Put a list into the database as it is."""
        async with Store(self.owner).begin() as unit:
            await unit.add_list(signed)
            await unit.commit()

    def sequencer(
        self,
        name: str = "one",
        *,
        watch: Callable[[AsyncEngine], None] = lambda _: None,
        state: str | None = None,
    ) -> Sequencer:
        """A sequencer under the sequencer's own role, with nothing in memory. `watch` is shown its engine."""
        engine = open_database(self.databases.plane_urls.get("sequencer_data_url", self.databases.data_url))
        self.engines.append(engine)
        watch(engine)
        store, kept = SequencerStore(engine), SignedState(self.folder / (state or "state"))
        kept.prepare()
        tree = Tree(store)
        log_keys = PublicKeys(self.ring, "log", clock=time.monotonic)
        return Sequencer(
            store=store,
            tree=tree,
            verifier=ListVerifier(store, worker_keys(self.ring, clock=time.monotonic)),
            signing=Signing(store, tree, self.ring, log_keys, kept, log_name=NAME),
            alarm=lambda *told: self.alarms.append(told),
            holder=name,
            clock=self.clock,
        )

    async def lease_ends(self) -> None:
        """As if the leader had died a lease ago."""
        await self.sql(update(schema.sequencer_lease).values(until=0))

    async def sql(self, statement) -> None:
        """What a database administrator does."""
        async with self.owner.begin() as connection:
            await connection.execute(text(statement) if isinstance(statement, str) else statement)

    async def rows(self, query) -> Sequence:
        async with self.owner.connect() as connection:
            return (await connection.execute(query)).all()

    async def leaves(self, tenant: str = "acme") -> list[Leaf]:
        """The log as it is numbered."""
        c = schema.leaf.c
        query = select(c.idx, c.event_id, c.commitment, c.list_id, c.position).where(c.tenant == tenant)
        return [Leaf(*row) for row in await self.rows(query.order_by(c.idx))]

    async def drop_tail(self, size: int) -> None:
        """What a database of an earlier day looks like."""
        await self.sql(delete(schema.leaf).where(schema.leaf.c.idx >= size))
        await self.sql(delete(schema.node).where(schema.node.c.number >= size // 256))
        await self.sql(delete(schema.checkpoint).where(schema.checkpoint.c.size > size))

    async def verify(self, *, events: int, tenant: str = "acme") -> None:
        """The whole log, from nothing but its rows and the public key: numbers, lists, nodes, checkpoints."""
        leaves = await self.leaves(tenant)
        assert [one.idx for one in leaves] == list(range(events))
        assert len({one.event_id for one in leaves}) == events
        for list_id, members in groupby(leaves, key=lambda one: one.list_id):
            size = (
                await self.rows(
                    select(schema.signed_list.c.size).where(schema.signed_list.c.list_id == list_id)
                )
            )[0][0]
            assert [one.position for one in members] == list(range(size))
        roots, nodes, frontier = {0: sha256(b"").digest()}, {}, Frontier(0, ())
        for one in leaves:
            nodes |= {(level, at): value for level, at, value in frontier.append(leaf_hash(one.entry))}
            roots[frontier.size] = frontier.root()
        stored = await self.rows(
            select(schema.node.c.level, schema.node.c.number, schema.node.c.hash).where(
                schema.node.c.tenant == tenant
            )
        )
        expected = {place: value for place, value in nodes.items() if place[0] and place[0] % 8 == 0}
        assert {(level, at): value for level, at, value in stored} == expected
        await self._verify_checkpoints(tenant, roots)

    async def _verify_checkpoints(self, tenant: str, roots: dict[int, bytes]) -> None:
        keys = [NoteKey(f"{NAME}/{tenant}", raw) for raw in (await self.ring.public_keys("log")).values()]
        notes = [(await SignedState(self.folder / "state").read(tenant)) or ""]
        c = schema.checkpoint.c
        notes += [row[0] for row in await self.rows(select(c.note).where(c.tenant == tenant))]
        for note in filter(None, notes):
            head, signed = read_signed(note)
            assert signed.signed_by_any(keys)
            assert roots[head.size] == head.root

    async def signed_sizes(self, tenant: str = "acme") -> list[int]:
        """The sizes of all published checkpoints."""
        c = schema.checkpoint.c
        return [row[0] for row in await self.rows(select(c.size).where(c.tenant == tenant).order_by(c.size))]


@asynccontextmanager
async def log_world(databases: Databases, folder: Path) -> AsyncIterator[LogWorld]:
    """A world on fresh databases."""
    world = LogWorld(databases, folder, open_database(databases.data_url))
    try:
        yield world
    finally:
        for engine in (*world.engines, world.owner):
            await engine.dispose()
