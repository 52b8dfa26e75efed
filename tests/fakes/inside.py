"""Verbs without HTTP and without a key server: real databases in files, a fake ring, fixed policies."""

import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from keys.database import Database
from keys.keystore import Keystore
from keys.migrate import KEYSTORE, migrate
from keys.pool import Pool
from tests.fakes.ring import FakeRing
from tests.fakes.rules import KEEPS_NOTHING_SIGNED
from vault.fields.catalogue import Catalogue
from vault.log.lists import WorkerKey
from vault.log.writer import LogWriter
from vault.log_bound import bound_of
from vault.model.ask import Caller
from vault.model.grants import parse_grant
from vault.model.register import Register
from vault.policy.load import DEFAULT, parse_toml
from vault.policy.rules import Policy, to_canonical
from vault.service.blind import Lookup
from vault.service.honey import HoneyTokens
from vault.service.idempotency import Fingerprints
from vault.service.parts import Ingest, Office, Reveal
from vault.service.provenance import Provenance
from vault.service.registers import Authority, authority_of
from vault.service.reopening import Resealer
from vault.service.verified_lists import ListVerifier
from vault.store.backlog import Backlog
from vault.store.engine import open_database
from vault.store.honey import Honey
from vault.store.ledger import Ledger
from vault.store.log import LogStore
from vault.store.migrate import DATA
from vault.store.records import Store
from vault.store.resealing import Resealing
from vault.store.sequencing import SequencerStore

AT = 1_800_000_000_000_000
ENOUGH = Backlog(10_000, 600_000_000)
SHIPPED = parse_toml(DEFAULT.read_text())
FIELDS = Catalogue(())


class FixedRegisters:
    """Every tenant has the same policy, which a test may change."""

    def __init__(self, policy: Policy = SHIPPED) -> None:
        self.policy = policy

    async def of(self, tenant: str) -> Authority:
        return authority_of(Register(tenant, 1, (), to_canonical(self.policy), KEEPS_NOTHING_SIGNED))


class Clock:
    """Wall clock in µs that moves only when told to."""

    def __init__(self) -> None:
        self.us = AT

    def __call__(self) -> int:
        return self.us


@dataclass(slots=True)
class Inside:
    """Three planes' parts, and a resealer's, over one pair of databases."""

    ring: FakeRing
    registers: FixedRegisters
    clock: Clock
    ingest: Ingest
    reveal: Reveal
    office: Office
    resealer: Resealer

    @property
    def store(self) -> Store:
        return self.ingest.store


def caller(tenant: str, name: str, *grants: str) -> Caller:
    """Somebody who proved to be `<tenant>.<name>` and holds these grants."""
    held = tuple(parse_grant(text) for text in grants)
    return Caller(tenant, f"{tenant}.{name}", "Ravi", held, "client_secret_basic", "203.0.113.7", "req_1")


@asynccontextmanager
async def inside(
    folder: Path,
    tenants: Sequence[str] = ("acme", "bcme"),
    *,
    urls: tuple[str, str] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Inside]:
    """Build the parts in an empty folder, or on the data and the keystore database of `urls`.

    `monotonic`: seconds, by which planted records and the log's backlog are looked at now and then.
    """
    files = f"sqlite+aiosqlite:///{folder}/data.db", f"sqlite+aiosqlite:///{folder}/keystore.db"
    data, keys = (open_database(url) for url in urls or files)
    await migrate(data, DATA)
    await migrate(keys, KEYSTORE)
    ring, clock, registers, keystore = FakeRing(tenants), Clock(), FixedRegisters(), Keystore(keys)
    log = LogWriter(WorkerKey("ingest", os.urandom(16), AT), now=clock, random=os.urandom)
    common = {
        "store": Store(data), "registers": registers, "now": clock, "random": os.urandom,
        "ledger": Ledger(data),
    }  # fmt: skip
    ingest = Ingest(
        **common, log=log, indexer=ring, fingerprints=Fingerprints(ring, clock),
        pool=Pool(ring, keystore, now=clock, random=os.urandom, size=64),
    )  # fmt: skip
    others = {**common, "keystore": keystore}
    lists = SequencerStore(data)
    others["provenance"] = Provenance(lists, ListVerifier(lists, {}))
    others["honey"] = HoneyTokens(ring, Honey(data), clock=monotonic)
    bound = replace(bound_of(LogStore(data), ENOUGH), clock=monotonic)
    lookup = Lookup(ring, clock=lambda: clock.us / 1e6)
    reveal = Reveal(**others, log=log, unwrapper=ring, lookup=lookup, bound=bound)
    office = Office(
        **others, log=log, pool=ingest.pool, indexer=ring, signer=ring, log_name="log.test", backup_days=35
    )  # fmt: skip
    resealer = _resealer(ingest, ring, keystore, data)
    yield Inside(ring, registers, clock, ingest, reveal, office, resealer)
    await ingest.pool.close()
    await keystore.close()
    await data.dispose()


def _resealer(ingest: Ingest, ring: FakeRing, keystore: Keystore, data: Database) -> Resealer:
    return Resealer(
        **{name: getattr(ingest, name) for name in ("store", "registers", "now", "random", "log", "pool")},
        keystore=keystore,
        unwrapper=ring,
        indexer=ring,
        resealing=Resealing(data),
    )


def opening(*classes: str) -> Policy:
    """The shipped policy, with these classes opened to payment beside money."""
    opened = {(name, "payment"): "plain" for name in classes}
    return replace(SHIPPED, matrix={**SHIPPED.matrix, **opened})
