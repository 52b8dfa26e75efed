"""One run of `mirror`: the keys to trust, the way to the vault, then the sync."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from strongroom.errors import Misused
from strongroom.settings import Connection, connection, from_environment

from strongroom_audit.check import check_mirror
from strongroom_audit.faults import BadSignature, Unusable, exit_code
from strongroom_audit.fetch import LogReader
from strongroom_audit.keyring import Keyring, one_log, read_pinned, read_shown
from strongroom_audit.state import State
from strongroom_audit.store import Store
from strongroom_audit.sync import Outcome, Progress, Sync
from strongroom_audit.verifier.notes import read_key

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Watcher:
    """How a run speaks while it goes on."""

    progress: Progress
    tell: Tell
    """Takes a line for whoever runs it."""


def update(
    url: str, folder: Path, tenant: str, *, keys: Sequence[str], accept: bool, watcher: Watcher
) -> Outcome:
    """Bring the mirror in `folder` up to date. Raises: Fault."""
    store, reader = Store(folder), LogReader(_way(url), tenant)
    # Verifying keeps the interpreter busy; at the usual 5 ms a fetching thread waits longer than it works.
    sys.setswitchinterval(0.0005)
    try:
        with store.locked():
            ring = _keyring(store, reader, tenant, given=keys, accept=accept, tell=watcher.tell)
            return Sync(reader, store, ring, _state(store, tenant, url)).run(watcher.progress)
    finally:
        reader.close()


def _way(url: str) -> Connection:
    environ = {**os.environ, "STRONGROOM_URL": url}
    try:
        address, client, secret, options = from_environment(environ, {"timeout": 60.0, "deadline": 180.0})
        return connection(address, client, secret, options)
    except Misused as error:
        raise typer.BadParameter(str(error)) from None


def _keyring(
    store: Store, reader: LogReader, tenant: str, *, given: Sequence[str], accept: bool, tell: Tell
) -> Keyring:
    """The keys to trust: pinned before, given now, or on the very first run what the log shows."""
    shown, new = read_shown(reader.keys()), [read_key(text) for text in given]
    if store.exists:
        pinned = read_pinned(store.read("keys.json"))
        ring = pinned.widened(Keyring(tuple(new), {})) if new else pinned
    else:
        ring = Keyring(tuple(new) or shown.log, shown.worker, shown.cert)
        _tell_all(tell, "trusting from now on", [key.text for key in ring.log])
    one_log(ring.log, tenant)
    unknown = ring.unknown(shown)
    if accept and unknown:
        ring = ring.widened(shown)
        one_log(ring.log, tenant)
        _tell_all(tell, "trusting from now on", unknown)
    elif unknown:
        _tell_all(tell, "the log shows a new key, which is not trusted", unknown)
        tell("ask the operator; if these keys are theirs, run again with --accept-new-keys")
    store.write("keys.json", ring.write())
    return ring


def _tell_all(tell: Tell, what: str, keys: Sequence[str]) -> None:
    for key in keys:
        tell(f"{what}: {key}")


def _state(store: Store, tenant: str, url: str) -> State:
    """Where the mirror stands; worked out from its checkpoints if the state was lost."""
    state = store.state()
    if state is None and store.size:
        verdict = check_mirror(store)
        if verdict.faults:
            what = "its own files do not verify, and there is no state.json to go on from"
            raise Unusable(
                f"{what} (exit code {exit_code(verdict.faults)} of `verify`)", where=str(store.folder)
            )
        newest = [note for _, note in store.notes("checkpoints")][-1:]
        state = State(tenant, url, verdict.size, verdict.root, newest)
    state = state or State(tenant, url)
    if state.tenant != tenant:
        raise BadSignature(f"this mirror is of tenant {state.tenant}", where=str(store.folder))
    state.url = url
    return state
