"""Brings a mirror up to date: a page is verified before it is kept, and proven when its checkpoint is met."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from strongroom_audit.check import root_of
from strongroom_audit.faults import BadSignature, Fault, Gap, HistoryChanged, Malformed, RootDiffers, Unusable
from strongroom_audit.fetch import PAGE, Page
from strongroom_audit.keyring import Keyring
from strongroom_audit.state import State, held_by
from strongroom_audit.store import Store
from strongroom_audit.verifier.bodies import show_id
from strongroom_audit.verifier.log import Judge
from strongroom_audit.verifier.notes import Checkpoint, read_checkpoint
from strongroom_audit.verifier.tree import EMPTY_ROOT, ENTRY_BYTES

_SAVE_EVERY = 1.0  # seconds of work that a kill may cost
Progress = Callable[[int, int], None]


class Source(Protocol):
    """Where a log is read from."""

    def checkpoint(self) -> str: ...

    def entries(self, first: int, last: int) -> bytes: ...

    def pages(self, first: int, last: int) -> Iterator[Page]: ...


@dataclass(slots=True)
class Outcome:
    """What became of one run."""

    size: int
    """Events that are mirrored and proven."""
    fresh: int = 0
    withheld: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Events of verbs this verifier has not heard of, in this run."""
    faults: list[Fault] = field(default_factory=list)


class Sync:
    """One run over one mirror."""

    def __init__(self, source: Source, store: Store, keys: Keyring, state: State) -> None:
        self._source, self._store, self._keys, self._state = source, store, keys, state

    def run(self, progress: Progress = lambda _done, _all: None) -> Outcome:
        """Fetch, verify and keep what is new. Faults of the log come in the outcome, others are raised."""
        newest = self._checkpoint(self._source.checkpoint())
        contradiction = self._contradiction(newest)
        if contradiction is not None:
            return Outcome(self._state.size, faults=[contradiction])
        judge = self._judge()
        if newest.note not in self._state.seen:
            self._state.seen.append(newest.note)
            self._store.save(self._state)  # from here on the log cannot take it back
        marks = [self._checkpoint(note) for note in self._state.seen]
        judge.expect(mark for mark in marks if mark.size >= judge.size)
        before = self._state.size
        if not judge.faults:
            try:
                self._take(judge, newest, progress)
            except (Gap, Malformed) as fault:
                judge.faults.append(fault)
        if judge.faults:
            return self._failed(judge, newest)
        return self._proven(judge, newest, before)

    def _checkpoint(self, note: str) -> Checkpoint:
        checkpoint = read_checkpoint(note, self._keys.log)
        if checkpoint.origin != self._keys.origin:
            raise BadSignature(f"it is of another log, {checkpoint.origin}", where="checkpoint")
        return checkpoint

    def _contradiction(self, newest: Checkpoint) -> Fault | None:
        """Whether the log takes back what it signed before."""
        if not self._state.seen:
            return None
        seen = self._checkpoint(self._state.seen[-1])
        if newest.size > seen.size or (newest.size == seen.size and newest.root == seen.root):
            return None
        if newest.size == seen.size:
            what = f"two different logs of {seen.size} events, both signed: a split view"
        elif newest.size <= self._state.size and root_of(self._store, newest.size) == newest.root:
            what = f"the log ends at {newest.size} events and had {seen.size}: an older state was put back"
        else:
            what = f"the log has {newest.size} other events and had {seen.size}"
        self._keep(seen)
        kept = self._keep(newest)
        first = self._first_difference(newest.size)
        return HistoryChanged(
            f"{what}{first} (both notes are kept, in {kept})", where=f"checkpoint {newest.size}"
        )

    def _judge(self) -> Judge:
        """A judge who stands where the mirror ends."""
        held = self._state.held
        if held is not None and held.frontier.size <= self._store.size:
            self._store.cut(held.frontier.size)
            return held.judge(self._state.tenant, self._keys.worker)
        return self._again()

    def _again(self) -> Judge:
        """Work out from the files where the mirror ends, as when it was cut back or its state was lost."""
        judge = Judge(self._state.tenant, self._keys.worker)
        self._store.cut(self._state.size)
        for entries, raw in self._store.pages() if self._state.size else ():
            judge.page(entries, raw)
        if judge.faults or (self._state.size and judge.frontier.root() != self._state.root):
            raise _damaged()
        return judge

    def _take(self, judge: Judge, newest: Checkpoint, progress: Progress) -> None:
        saved = time.monotonic()
        for page in self._source.pages(judge.size, newest.size):
            judge.page(page.entries, page.raw)
            if judge.faults:
                return
            self._store.append(page.first, page.entries, page.raw)
            if time.monotonic() - saved > _SAVE_EVERY:
                self._save(judge)
                saved = time.monotonic()
            progress(judge.size, newest.size)

    def _save(self, judge: Judge) -> None:
        self._state.held = held_by(judge)
        self._store.save(self._state)

    def _proven(self, judge: Judge, newest: Checkpoint, before: int) -> Outcome:
        """The checkpoint is met: keep it. What is missing in chains is a gap, now and each time after."""
        held = held_by(judge)
        self._state.size, self._state.root = newest.size, newest.root
        self._state.held, self._state.seen = held, [newest.note]
        # Checkpoint first: a kill in between leaves files that agree, and a state that is behind them.
        self._store.keep_checkpoint(newest.size, newest.note)
        self._store.save(self._state)
        judge.close()
        return Outcome(newest.size, newest.size - before, judge.withheld, judge.unknown, judge.faults)

    def _failed(self, judge: Judge, newest: Checkpoint) -> Outcome:
        """Keep nothing that is in doubt; find out whether what was there before is still the same."""
        state = self._state
        if root_of(self._store, state.size) != (state.root or EMPTY_ROOT):
            raise _damaged()
        kept = self._keep(newest)
        changed = self._first_difference(newest.size)
        if changed:
            what = f"the log no longer holds what was mirrored{changed} (its checkpoint is kept in {kept})"
            judge.faults.insert(0, HistoryChanged(what, where=f"checkpoint {newest.size}"))
        if changed or any(isinstance(fault, RootDiffers) for fault in judge.faults):
            state.held = None
            self._store.cut(state.size)
        self._store.save(state)
        return Outcome(state.size, faults=judge.faults)

    def _first_difference(self, size: int) -> str:
        """Which proven event, if any, the log now tells otherwise."""
        last = min(size, self._state.size)
        for first in range(0, last, PAGE):
            upto = min(first + PAGE, last)
            ours, theirs = self._store.entries(first, upto), self._source.entries(first, upto)
            for at in range(0, len(ours), ENTRY_BYTES):
                mine = ours[at : at + ENTRY_BYTES]
                if mine != theirs[at : at + ENTRY_BYTES]:
                    return f"; first at {show_id('evt', mine[1:17])} (#{first + at // ENTRY_BYTES})"
        return ""

    def _keep(self, checkpoint: Checkpoint) -> str:
        return self._store.keep_evidence(
            f"{checkpoint.size:015}-{checkpoint.root.hex()}.note", checkpoint.note
        )


def _damaged() -> Unusable:
    return Unusable(
        "its own files are damaged: `verify` says where. Put them back, or mirror into a new folder"
    )
