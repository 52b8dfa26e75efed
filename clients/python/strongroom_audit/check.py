"""Checks a mirror again from its first byte, without a network; and one proof by itself."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from strongroom_audit.faults import Altered, BadSignature, Fault, Gap, HistoryChanged, Unusable
from strongroom_audit.keyring import Keyring, read_pinned
from strongroom_audit.store import Store
from strongroom_audit.verifier.bodies import show_id
from strongroom_audit.verifier.log import Judge, OnBody
from strongroom_audit.verifier.notes import Checkpoint, Key, read_checkpoint, read_note, read_proof, signed_by
from strongroom_audit.verifier.tree import Frontier, leaf_hashes, root_by_proof

_STEP = 4096


@dataclass(slots=True)
class Verdict:
    """What was found in a mirror."""

    tenant: str
    origin: str
    size: int = 0
    """Events up to the newest checkpoint that was met."""
    root: bytes = b""
    checkpoints: int = 0
    withheld: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Events of verbs this verifier has not heard of."""
    faults: list[Fault] = field(default_factory=list)


def check_mirror(
    store: Store, *, on_body: OnBody | None = None, progress: Callable[[int, int], None] = lambda _d, _a: None
) -> Verdict:
    """Verify every page, list, chain and checkpoint of a mirror. Faults of the log come in the verdict."""
    keys = read_pinned(store.read("keys.json"))
    tenant = keys.origin.rpartition("/")[2]
    verdict = Verdict(tenant, keys.origin)
    judge = Judge(tenant, keys.worker, on_body)
    marks = list(_checkpoints(store, keys, verdict))
    judge.expect(marks)
    proven = max((mark.size for mark in marks), default=0)
    try:
        for entries, raw in store.pages():
            if judge.size >= proven:
                break  # beyond the last checkpoint: fetched by a run that was cut off
            judge.page(entries, raw)
            progress(judge.size, proven)
        judge.close()
    except Fault as fault:
        judge.faults.append(fault)
    verdict.size, verdict.withheld = min(judge.size, proven), judge.withheld
    verdict.unknown = judge.unknown
    verdict.root = max(marks, key=lambda mark: mark.size).root if marks else b""
    verdict.faults += (
        judge.faults + _against_state(store, verdict) + list(_evidence(store, keys, verdict.size))
    )
    return verdict


def _checkpoints(store: Store, keys: Keyring, verdict: Verdict) -> Iterator[Checkpoint]:
    for name, note in store.notes("checkpoints"):
        try:
            checkpoint = read_checkpoint(note, keys.log)
            if checkpoint.origin != keys.origin:
                raise BadSignature("it is of another log", where="checkpoint")
            if name != f"{checkpoint.size:015}.note":
                raise Gap(f"holds the checkpoint of size {checkpoint.size}", where=name)
        except Fault as fault:
            fault.where = f"checkpoints/{name}"
            verdict.faults.append(fault)
            continue
        verdict.checkpoints += 1
        yield checkpoint


def _against_state(store: Store, verdict: Verdict) -> list[Fault]:
    """What the mirror remembers of itself, and evidence of earlier runs, must not say otherwise."""
    faults: list[Fault] = []
    try:
        state = store.state()
    except Unusable as damaged:
        return [damaged]
    if state is not None and state.size > verdict.size:
        what = f"the mirror was proven up to {state.size} events and holds {verdict.size}: files were cut"
        faults.append(Gap(what, where=f"event #{verdict.size}"))
    elif state is not None and state.size == verdict.size and state.root != verdict.root:
        faults.append(HistoryChanged("state.json remembers another root", where=f"checkpoint {state.size}"))
    return faults


def _evidence(store: Store, keys: Keyring, size: int) -> Iterator[Fault]:
    """Signed checkpoints of earlier runs that this mirror, or another of them, contradicts."""
    roots: dict[int, bytes] = {}
    for name, note in store.notes("evidence"):
        try:
            claim = read_checkpoint(note, keys.log)
        except Fault as fault:
            fault.where = f"evidence/{name}"
            yield fault
            continue
        ours = root_of(store, claim.size) if claim.size <= size else roots.setdefault(claim.size, claim.root)
        if ours != claim.root:
            what = "the log has signed another history than the one mirrored here"
            yield HistoryChanged(what, where=f"evidence/{name}")


def root_of(store: Store, size: int) -> bytes:
    """The root over the first `size` entries a mirror holds."""
    frontier = Frontier()
    for first in range(0, size, _STEP):
        frontier.extend(leaf_hashes(store.entries(first, min(first + _STEP, size))))
    return frontier.root()


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof shows."""

    index: int
    checkpoint: Checkpoint
    witnesses: tuple[str, ...]


def check_proof(text: str, entry: bytes, *, keys: list[Key], witnesses: list[Key]) -> Proven:
    """That `entry` stands in the log under a signed checkpoint. Raises: Fault."""
    proof = read_proof(text)
    checkpoint = read_checkpoint(proof.note, keys)
    root = root_by_proof(leaf_hashes(entry)[0], proof.index, checkpoint.size, proof.path)
    where = f"{show_id('evt', entry[1:17])} (#{proof.index})"
    if root != checkpoint.root:
        what = f"the proof does not lead from this event to the root of checkpoint {checkpoint.size}"
        raise Altered(what, where=where)
    return Proven(proof.index, checkpoint, tuple(signed_by(read_note(proof.note), witnesses)))
