"""How far a mirror got: what is proven by a signed checkpoint, what is held beyond it, where chains stand.

Everything in it can be worked out again from the mirror's other files; `verify` does, and does not read it
for anything but comparison.
"""

import json
from copy import deepcopy
from dataclasses import dataclass, field

from strongroom_audit.faults import Unusable
from strongroom_audit.verifier.bundle import Heading, Worker
from strongroom_audit.verifier.lists import Chain, Chains, WorkerKeys
from strongroom_audit.verifier.log import Judge, Run
from strongroom_audit.verifier.tree import Frontier

_FORMAT = 1
_HEADING = ("id", "worker_id", "chain", "seq", "previous", "size", "signature")
_WORKER = ("id", "plane", "public", "started_at", "key_version", "endorsement")


@dataclass(slots=True)
class State:
    """A mirror's place in its log."""

    tenant: str
    url: str
    size: int = 0
    """Proven: the entries up to here give the root of a signed checkpoint."""
    root: bytes = b""
    seen: list[str] = field(default_factory=list)
    """Checkpoints the log has shown since then, met or not, the newest last: it cannot take them back."""
    held: "Held | None" = None

    def write(self) -> str:
        """As `state.json` has it."""
        document = {
            "format": _FORMAT,
            "tenant": self.tenant,
            "url": self.url,
            "size": self.size,
            "root": self.root.hex(),
            "seen": self.seen,
            "held": None if self.held is None else self.held.document(),
        }
        return json.dumps(document, indent=1) + "\n"


@dataclass(slots=True)
class Held:
    """Where a judge stood at the end of the last page on disk."""

    frontier: Frontier
    chains: Chains
    run: Run | None
    withheld: int = 0
    newest: int = 0
    gone: list[tuple[int, bytes]] = field(default_factory=list)
    misfits: list[tuple[int, bytes, str, str]] = field(default_factory=list)

    def judge(self, tenant: str, worker_keys: WorkerKeys) -> Judge:
        """A judge who goes on from here."""
        judge, own = Judge(tenant, worker_keys), deepcopy(self)
        judge.resume(own.frontier, own.chains, own.run)
        judge.withheld, judge.newest, judge.gone = own.withheld, own.newest, own.gone
        judge.misfits = own.misfits
        return judge

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "size": self.frontier.size,
            "edge": [node.hex() for node in self.frontier.edge],
            "chains": {name.hex(): _chain(chain) for name, chain in self.chains.chains.items()},
            "run": None if self.run is None else _run(self.run),
            "withheld": self.withheld,
            "newest": self.newest,
            "gone": [[number, event_id.hex()] for number, event_id in self.gone],
            "misfits": [[number, event_id.hex(), *rest] for number, event_id, *rest in self.misfits],
        }


def held_by(judge: Judge) -> Held:
    """What to remember of a judge."""
    counted = judge.withheld, judge.newest, judge.gone, judge.misfits
    return deepcopy(Held(judge.frontier, judge.chains, judge.run, *counted))


def read_state(text: str) -> State:
    """Read `state.json`. Raises: Unusable."""
    try:
        document = json.loads(text)
        held = {_FORMAT: document["held"]}[document["format"]]  # a KeyError for any other format
        return State(
            tenant=str(document["tenant"]),
            url=str(document["url"]),
            size=int(document["size"]),
            root=bytes.fromhex(document["root"]),
            seen=[str(note) for note in document["seen"]],
            held=None if held is None else _read_held(held),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        what = "state.json is damaged; remove it and it is worked out again from the other files"
        raise Unusable(what, where="state.json") from None


def _read_held(document: dict[str, object]) -> Held:
    size, edge, chains, run, gone = (document[name] for name in ("size", "edge", "chains", "run", "gone"))
    if not isinstance(size, int) or not isinstance(edge, list):
        raise TypeError("held")
    misfits = document["misfits"]
    if not isinstance(chains, dict) or not isinstance(gone, list) or not isinstance(misfits, list):
        raise TypeError("held")
    return Held(
        Frontier(size, [bytes.fromhex(node) for node in edge]),
        Chains({bytes.fromhex(name): _read_chain(chain) for name, chain in chains.items()}),
        None if not isinstance(run, dict) else _read_run(run),
        int(str(document["withheld"])),
        int(str(document["newest"])),
        [(int(number), bytes.fromhex(event_id)) for number, event_id in gone],
        [(int(number), bytes.fromhex(at), str(verb), str(plane)) for number, at, verb, plane in misfits],
    )


def _chain(chain: Chain) -> list[object]:
    early = [[_fields(heading, _HEADING), digest.hex()] for heading, digest in chain.early.values()]
    previous = None if chain.previous is None else chain.previous.hex()
    return [chain.worker_id.hex(), chain.next_seq, previous, early]


def _read_chain(document: list[object]) -> Chain:
    worker, next_seq, previous, early = document
    chain = Chain(bytes.fromhex(str(worker)), int(str(next_seq)))
    chain.previous = None if previous is None else bytes.fromhex(str(previous))
    for fields, digest in early if isinstance(early, list) else []:
        heading = Heading(*_read_fields(fields))
        chain.early[heading.seq] = heading, bytes.fromhex(digest)
    return chain


def _run(run: Run) -> dict[str, object]:
    return {
        "heading": _fields(run.heading, _HEADING),
        "worker": _fields(run.worker, _WORKER),
        "first": run.first,
        "entries": run.entries.hex(),
    }


def _read_run(document: dict[str, object]) -> Run:
    heading = Heading(*_read_fields(document["heading"]))
    number, plane, *rest = _read_fields(document["worker"])
    worker = Worker(number, plane.decode(), *rest)
    entries = bytearray.fromhex(str(document["entries"]))
    return Run(heading, worker, int(str(document["first"])), entries)


def _fields(value: object, names: tuple[str, ...]) -> list[str | int]:
    fields = [getattr(value, name) for name in names]
    return [_shown(field) for field in fields]


def _shown(field: bytes | str | int) -> str | int:
    if isinstance(field, int):
        return field
    return (field.encode() if isinstance(field, str) else field).hex()


def _read_fields(document: object) -> list:  # type: ignore[type-arg]  # bytes and integers, in the fields' order
    if not isinstance(document, list):
        raise TypeError("fields")
    return [field if isinstance(field, int) else bytes.fromhex(field) for field in document]
