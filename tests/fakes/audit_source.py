"""Reads a FakeLog as the auditor's tools read a vault, in small pages; can stop in the middle."""

from pathlib import Path

from strongroom_audit.faults import exit_code
from strongroom_audit.fetch import Page
from strongroom_audit.keyring import read_shown
from strongroom_audit.state import State
from strongroom_audit.store import Store
from strongroom_audit.sync import Sync


class Killed(BaseException):
    """The process was killed here."""


class FakeSource:
    """`page`: events in one page. `die_after`: how many pages are given out before the kill."""

    def __init__(self, log, *, page=4, die_after=None, note=None):
        self.log, self._page, self._left, self._note = log, page, die_after, note

    def checkpoint(self):
        return self.log.checkpoint() if self._note is None else self._note

    def entries(self, first, last):
        return self.log.entries(first, last)

    def pages(self, first, last):
        for start in range(first, last, self._page):
            if self._left is not None:
                if self._left == 0:
                    raise Killed
                self._left -= 1
            end = min(start + self._page, last)
            yield Page(start, self.log.entries(start, end), self.log.bundle(start, end))


def open_mirror(log, folder):
    """A mirror with its keys pinned, where nothing has been fetched yet or some has."""
    store, keys = Store(Path(folder)), read_shown(log.keys())
    with store.locked():
        if not store.exists:
            store.write("keys.json", keys.write())
    return store, keys, store.state() or State(log.tenant, "http://vault.example")


def mirror(log, folder, **how):
    """One run of `mirror` without HTTP; what came of it."""
    store, keys, state = open_mirror(log, folder)
    with store.locked():
        return Sync(FakeSource(log, **how), store, keys, state).run()


def code(outcome):
    """The exit code of an outcome or a verdict."""
    return exit_code(outcome.faults)


def words(outcome):
    """All that is said of it, in one text."""
    return "\n".join(map(str, outcome.faults))
