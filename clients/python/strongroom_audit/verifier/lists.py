"""Signed lists (docs/FORMATS.md §5): who signed, whether they may, and whether a chain misses one.

A worker signs each list of entries and counts its lists in a chain; the key server's `worker-<plane>` key
endorses the worker, and only its plane can have it do so. So a database writer cannot invent events, nor one
plane those of another, and leaving a list out leaves a hole in its chain.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strongroom_audit.faults import Altered, BadSignature, Fault, Gap
from strongroom_audit.verifier.bodies import show_id
from strongroom_audit.verifier.bundle import Heading, Worker

_START = bytes(32)
WorkerKeys = Mapping[tuple[str, int], bytes]
"""Public `worker-<plane>` keys by plane and version."""


def bind(*parts: bytes) -> bytes:
    """docs/FORMATS.md §0.1."""
    return b"".join(len(part).to_bytes(4) + part for part in parts)


def list_message(tenant: str, heading: Heading, count: int, entries_hash: bytes) -> bytes:
    """The bytes a worker signs for one list (§5.1)."""
    return b"strongroom/list/v1\x00" + bind(
        tenant.encode(),
        heading.id,
        heading.worker_id,
        heading.chain,
        heading.seq.to_bytes(8),
        heading.previous,
        count.to_bytes(4),
        entries_hash,
    )


def endorsement_message(worker: Worker) -> bytes:
    """The bytes its plane's key signs for one worker (§5.2)."""
    return b"strongroom/worker/v1\x00" + bind(
        worker.plane.encode(), worker.id, worker.public, worker.started_at.to_bytes(8)
    )


class Workers:
    """The workers met so far, each endorsed under the key of the plane it names."""

    def __init__(self, keys: WorkerKeys) -> None:
        self._endorsers = {which: Ed25519PublicKey.from_public_bytes(raw) for which, raw in keys.items()}
        self._known: dict[bytes, tuple[Worker, Ed25519PublicKey]] = {}

    def key(self, worker: Worker) -> Ed25519PublicKey:
        """The worker's key, once its endorsement holds. Raises: BadSignature."""
        known = self._known.get(worker.id)
        if known is not None and known[0] == worker:
            return known[1]
        where = f"worker {worker.id.hex()} ({worker.plane})"
        if known is not None:
            raise BadSignature("it shows another key or endorsement than before", where=where)
        endorser = self._endorsers.get((worker.plane, worker.key_version))
        if endorser is None:
            which = f"version {worker.key_version} of the worker key of {worker.plane}"
            raise BadSignature(f"endorsed by {which}, unknown to you", where=where)
        try:
            endorser.verify(worker.endorsement, endorsement_message(worker))
            public = Ed25519PublicKey.from_public_bytes(worker.public)
        except (InvalidSignature, ValueError):
            raise BadSignature("no worker of the vault: its endorsement does not hold", where=where) from None
        self._known[worker.id] = worker, public
        return public


@dataclass(slots=True)
class Chain:
    """One chain: the list that must come next, and lists that came before their turn."""

    worker_id: bytes
    next_seq: int = 0
    previous: bytes | None = _START
    """Hash of the last list message; None after a list that did not hold: nothing is said about the next."""
    early: dict[int, tuple[Heading, bytes]] = field(default_factory=dict)


class Chains:
    """Every worker's chains. Lists may come out of order; at the end none may be missing."""

    def __init__(self, chains: Mapping[bytes, Chain] | None = None) -> None:
        self.chains = dict(chains or {})

    def link(self, heading: Heading, message: bytes) -> Fault | None:
        """Put a list whose signature holds in its place; a fault if that place is taken or does not fit."""
        chain = self.chains.setdefault(heading.chain, Chain(heading.worker_id))
        if chain.worker_id != heading.worker_id:
            return Altered("its chain belongs to another worker", where=show_id("lst", heading.id))
        if heading.seq < chain.next_seq or heading.seq in chain.early:
            what = f"stands in the log twice: number {heading.seq} of its chain was there before"
            return Altered(what, where=show_id("lst", heading.id))
        chain.early[heading.seq] = heading, sha256(message).digest()
        return self._settle(chain)

    def doubt(self, heading: Heading) -> None:
        """A list did not hold, which has been said; its chain goes on after it."""
        chain = self.chains.setdefault(heading.chain, Chain(heading.worker_id))
        if heading.seq == chain.next_seq:
            chain.next_seq, chain.previous = heading.seq + 1, None
            self._settle(chain)

    def gaps(self) -> list[Fault]:
        """What is missing, now that all lists there are have been seen."""
        return [_gap(name, chain) for name, chain in self.chains.items() if chain.early]

    @staticmethod
    def _settle(chain: Chain) -> Fault | None:
        fault: Fault | None = None
        while chain.next_seq in chain.early:
            heading, digest = chain.early.pop(chain.next_seq)
            if chain.previous not in {None, heading.previous}:
                what = f"does not follow number {heading.seq - 1} of its chain {heading.chain.hex()}"
                fault = Altered(what, where=show_id("lst", heading.id))
            chain.next_seq, chain.previous = heading.seq + 1, digest
        return fault


def _gap(name: bytes, chain: Chain) -> Gap:
    first, then = chain.next_seq, min(chain.early)
    missing = f"list number {first} is" if then == first + 1 else f"lists number {first} to {then - 1} are"
    after = show_id("lst", chain.early[then][0].id)
    return Gap(
        f"{missing} missing before {after}", where=f"chain {name.hex()} of worker {chain.worker_id.hex()}"
    )
