"""What each verb is given to work with: one bundle for each plane, built in vault/app.py."""

from collections.abc import Callable
from dataclasses import dataclass

from keys.keystore import Keystore
from keys.pool import Pool
from keys.ring import Indexer, Signer, Unwrapper
from vault.log.writer import LogWriter
from vault.service.backlog import Bound
from vault.service.blind import Lookup
from vault.service.honey import HoneyTokens
from vault.service.idempotency import Fingerprints
from vault.service.provenance import Provenance
from vault.service.registers import Registers
from vault.service.verified_lists import ListVerifier
from vault.store.ledger import Ledger
from vault.store.records import Store
from vault.store.sequencing import SequencerStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What every verb needs."""

    store: Store
    log: LogWriter
    registers: Registers
    now: Callable[[], int]
    """Microseconds since 1970, UTC."""
    random: Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest(Parts):
    """Can seal, cannot open."""

    pool: Pool
    indexer: Indexer
    fingerprints: Fingerprints
    ledger: Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Reveal(Parts):
    """Can open, cannot change."""

    keystore: Keystore
    unwrapper: Unwrapper
    lookup: Lookup
    """The digests that a value may stand under in the blind index."""
    ledger: Ledger
    provenance: Provenance
    """Of the acts of cases, which the office's workers sign."""
    honey: HoneyTokens
    bound: Bound
    """How much may be opened that the log does not prove yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office(Parts):
    """Can end a record's life, and records what people and the office decide."""

    keystore: Keystore
    ledger: Ledger
    provenance: Provenance
    """Of the acts of cases: the office's own workers."""
    pool: Pool
    indexer: Indexer
    signer: Signer
    """Signs certificates, under `cert`."""
    log_name: str
    honey: HoneyTokens
    backup_days: int
    """After so many days no backup is left of what was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit(Parts):
    """Can read the log, and see whether a worker signed what it reads."""

    lists: SequencerStore
    verifier: ListVerifier
