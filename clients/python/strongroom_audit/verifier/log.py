"""The judge: takes a log page by page, checks everything, and collects what is wrong.

For each page: events follow one another without a gap; each body gives its entry's commitment, is canonical,
speaks of the same event, list, worker and tenant, and of a verb of the worker's plane; each list is complete,
signed by an endorsed worker and follows its chain; the entries together give the root of every signed
checkpoint on the way.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidSignature

from strongroom_audit.faults import Altered, BadSignature, Fault, Gap, RootDiffers
from strongroom_audit.verifier.bodies import Shapes, same_id, show_id
from strongroom_audit.verifier.bundle import Bundle, Heading, Worker, read_bundle
from strongroom_audit.verifier.lists import Chains, WorkerKeys, Workers, list_message
from strongroom_audit.verifier.notes import Checkpoint
from strongroom_audit.verifier.tree import ENTRY_BYTES, Frontier, leaf_hashes
from strongroom_audit.verifier.verbs import KNOWN, own

MOST_FAULTS = 100
"""How many faults are kept; a log that was rewritten has one for each event."""
KEPT = 365 * 86_400_000_000
"""µs for which a vault may drop no event, by the newest event of the log."""
OnBody = Callable[[int, bytes], None]


@dataclass(slots=True)
class Run:
    """A list whose events are coming in."""

    heading: Heading
    worker: Worker
    first: int
    entries: bytearray = field(default_factory=bytearray)
    misplaced: list[tuple[int, int, str]] = field(default_factory=list)
    """Events that came out of place: number, the number that belonged there, which event."""
    shown: bytes = b""
    worker_shown: bytes = b""
    verbs: frozenset[bytes] = frozenset()

    def __post_init__(self) -> None:
        self.shown = show_id("lst", self.heading.id).encode()
        self.worker_shown = self.worker.id.hex().encode()
        self.verbs = own(self.worker.plane)


class Judge:
    """Verifies one tenant's log from where it stands; `faults` is what was found so far."""

    def __init__(self, tenant: str, worker_keys: WorkerKeys, on_body: OnBody | None = None) -> None:
        self.tenant = tenant
        self.frontier, self.chains, self.run = Frontier(), Chains(), None
        self.faults: list[Fault] = []
        self.withheld = 0
        self._workers, self._shapes, self._on_body = Workers(worker_keys), Shapes(), on_body
        self._marks: list[Checkpoint] = []
        self._proven = 0
        self.newest = 0
        """Time of the newest event, µs since 1970."""
        self.gone: list[tuple[int, bytes]] = []
        """Events the vault has no more: number and id."""
        self.misfits: list[tuple[int, bytes, str, str]] = []
        """Events of a verb that is not their worker's plane's: number, id, verb, plane."""
        self.unknown: Counter[str] = Counter()
        """Events of verbs that nothing is known about here."""
        self._tenant = tenant.encode()

    run: Run | None
    """The list that the last page broke off in."""

    @property
    def size(self) -> int:
        """How many entries have been taken."""
        return self.frontier.size

    def resume(self, frontier: Frontier, chains: Chains, run: Run | None) -> None:
        """Go on from a state that a judge reached before."""
        self.frontier, self.chains, self.run = frontier, chains, run

    def expect(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Compare the root at each of these, when its size is reached."""
        self._marks = sorted(checkpoints, key=lambda mark: mark.size)
        self._compare()

    def page(self, entries: bytes, raw: bytes) -> None:
        """Take the next entries and their bundle. Raises: Gap, Malformed when they cannot belong together."""
        bundle = read_bundle(raw)
        if len(entries) != bundle.count * ENTRY_BYTES:
            what = f"{bundle.count} events came for {len(entries) // ENTRY_BYTES} entries"
            raise Gap(what, where=_place(self.size))
        self._same_list(bundle)
        self._events(entries, bundle)
        if self.run is not None and len(self.run.entries) == self.run.heading.size * ENTRY_BYTES:
            self._finish()
        self._grow(leaf_hashes(entries))
        self.newest = max(self.newest, _time(entries[-ENTRY_BYTES + 1 :]))

    def close(self) -> None:
        """Nothing follows: what is still missing is a gap, and checkpoints beyond the end are not met."""
        self._finish()
        for gap in self.chains.gaps():
            self._blame(gap)
        for number, event_id in self.gone:
            if self.newest - _time(event_id) < KEPT:
                what = "its event was deleted, less than a year after it was recorded"
                self._blame(Gap(what, where=f"{show_id('evt', event_id)} (#{number})"))
        for number, event_id, verb, plane in self.misfits:
            what = f"a worker of {plane} wrote an event of the verb {verb}, which is not its plane's"
            self._blame(BadSignature(what, where=f"{show_id('evt', event_id)} (#{number})"))
        for mark in self._marks:
            what = f"the log ends after {self.size} events; a signed checkpoint says {mark.size}"
            self._blame(Gap(what, where=_place(self.size)))

    def _events(self, entries: bytes, bundle: Bundle) -> None:
        """The hot loop: once per event, so names are local and nothing is looked up twice."""
        at, number, run, hashed = 0, self.size, self.run, sha256
        for index, event_id, list_id, position, salt, body in bundle.events():
            entry = entries[at : at + ENTRY_BYTES]
            at += ENTRY_BYTES
            if index != number:
                self._blame(Gap(f"event #{index} came in the place of #{number}", where=_place(number)))
            if run is None or run.heading.id != list_id:
                run = self._turn(list_id, bundle, number)
            if position * ENTRY_BYTES != len(run.entries):
                where = f"{show_id('evt', event_id)} (#{number})"
                run.misplaced.append((position, len(run.entries) // ENTRY_BYTES, where))
            run.entries += entry
            if body is None:
                self._bodiless(event_id, number, gone=not salt)
                if entry[:17] != b"\x01" + event_id:
                    self._altered(event_id, number, "its entry in the log belongs to another event")
            elif b"\x01" + event_id + hashed(salt + body).digest() != entry:
                self._altered(event_id, number, "its body is not the one that was recorded")
            else:
                self._body(body, event_id, run, number)
            number += 1

    def _bodiless(self, event_id: bytes, number: int, *, gone: bool) -> None:
        self.withheld += 1
        if gone and len(self.gone) < MOST_FAULTS:
            self.gone.append((number, event_id))

    def _same_list(self, bundle: Bundle) -> None:
        """A list that goes on from the last page is described as it was there."""
        run, first = self.run, next(bundle.events(), None)
        if run is None or first is None or first[2] != run.heading.id:
            return
        if bundle.lists.get(run.heading.id) != run.heading or bundle.workers.get(run.worker.id) != run.worker:
            self._blame(Altered("the next bundle describes it otherwise", where=_span(run)))

    def _body(self, body: bytes, event_id: bytes, run: Run, number: int) -> None:
        try:
            batch, said, tenant, verb, worker = self._shapes.identity(body)
        except ValueError as error:
            self._altered(event_id, number, f"its body is not canonical JSON ({error})")
            return
        if not same_id(said, event_id):
            self._altered(event_id, number, "its body speaks of another event")
        elif batch != run.shown or worker != run.worker_shown or tenant != self._tenant:
            self._altered(event_id, number, "its body names another list, worker or tenant")
        else:
            if verb not in run.verbs:
                self._stray(verb, event_id, run, number)
            if self._on_body is not None:
                self._on_body(number, body)

    def _stray(self, verb: bytes, event_id: bytes, run: Run, number: int) -> None:
        """A verb of another plane is said at the end, each time: what is in a log stays in it."""
        if verb not in KNOWN:
            self.unknown[verb.decode()] += 1
        elif len(self.misfits) < MOST_FAULTS:
            self.misfits.append((number, event_id, verb.decode(), run.worker.plane))

    def _turn(self, list_id: bytes, bundle: Bundle, number: int) -> Run:
        """Another list begins."""
        self._finish()
        heading = bundle.lists.get(list_id)
        worker = None if heading is None else bundle.workers.get(heading.worker_id)
        if heading is None or worker is None:
            raise Gap(f"{show_id('lst', list_id)} is missing, or its worker", where=_place(number))
        self.run = Run(heading, worker, number)
        return self.run

    def _finish(self) -> None:
        """The list at hand has ended: is it whole, signed, and in its chain?"""
        run, self.run = self.run, None
        if run is None:
            return
        count, where = len(run.entries) // ENTRY_BYTES, _span(run)
        if run.misplaced or count != run.heading.size:
            self._blame(_incomplete(run, count))
            self.chains.doubt(run.heading)
            return
        message = list_message(self.tenant, run.heading, count, sha256(run.entries).digest())
        try:
            self._workers.key(run.worker).verify(run.heading.signature, message)
        except (InvalidSignature, BadSignature) as error:
            why = str(error) if isinstance(error, BadSignature) else "does not carry its worker's signature"
            self._blame(
                BadSignature(f"{why} (worker {run.worker.id.hex()}, {run.worker.plane})", where=where)
            )
            self.chains.doubt(run.heading)
            return
        self._blame(self.chains.link(run.heading, message))

    def _grow(self, leaves: list[bytes]) -> None:
        start, done = self.size, 0
        while self._marks and self._marks[0].size <= start + len(leaves):
            cut = self._marks[0].size - start
            self.frontier.extend(leaves[done:cut])
            done = cut
            self._compare()
        self.frontier.extend(leaves[done:])

    def _compare(self) -> None:
        while self._marks and self._marks[0].size == self.size:
            mark = self._marks.pop(0)
            if mark.root != self.frontier.root():
                self._marks.clear()  # beyond this point every root differs
                what = f"these entries do not give the root signed in checkpoint {mark.size}"
                self._blame(RootDiffers(what, where=f"events #{self._proven}–#{mark.size - 1}"))
            self._proven = mark.size

    def _altered(self, event_id: bytes, number: int, what: str) -> None:
        self._blame(Altered(what, where=f"{show_id('evt', event_id)} (#{number})"))

    def _blame(self, fault: Fault | None) -> None:
        if fault is not None and len(self.faults) < MOST_FAULTS:
            self.faults.append(fault)


def _incomplete(run: Run, count: int) -> Fault:
    """What is wrong with a list whose events are not the ones that were signed, in their order."""
    if not run.misplaced:
        kind = Gap if count < run.heading.size else Altered
        return kind(f"has {count} events where {run.heading.size} were signed", where=_span(run))
    came, belongs, where = run.misplaced[0]
    swapped = sorted(p for p, _, _ in run.misplaced) == sorted(p for _, p, _ in run.misplaced)
    kind = Altered if swapped or count > run.heading.size else Gap
    what = f"event number {came} of {show_id('lst', run.heading.id)} came where number {belongs} belongs"
    return kind(what, where=where)


def _time(event_id: bytes) -> int:
    """When its worker made it, µs since 1970."""
    return int.from_bytes(event_id[:7])


def _place(number: int) -> str:
    return f"event #{number}"


def _span(run: Run) -> str:
    last = run.first + max(len(run.entries) // ENTRY_BYTES, 1) - 1
    return f"{show_id('lst', run.heading.id)} (#{run.first}–#{last})"
