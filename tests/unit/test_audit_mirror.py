"""The mirror on disk: resumption wherever a run was killed, damage wherever a byte was changed."""

import json
import shutil
from pathlib import Path

import pytest
from strongroom_audit.check import check_mirror
from strongroom_audit.faults import Fault, Unusable
from strongroom_audit.store import Store
from strongroom_audit.sync import Sync

from tests.fakes.audit_log import FakeLog
from tests.fakes.audit_source import FakeSource, Killed, code, mirror, open_mirror, words


@pytest.fixture
def log():
    """Eleven lists of one to four events on four chains: 25 events, some lists across pages."""
    log = FakeLog()
    for number in range(10):
        log.write(number % 4 + 1, chain=bytes([number % 3]) * 16)
    log.write(2)
    return log


class Dying(Store):
    """A disk on which the process is killed at the nth write, before it or after it."""

    left, after = 0, False

    def _step(self, act):
        self.left -= 1
        if self.left < 0 and not self.after:
            raise Killed
        act()
        if self.left < 0:
            raise Killed

    def append(self, first, entries, raw):
        self._step(lambda: super(Dying, self).append(first, entries, raw))

    def save(self, state):
        self._step(lambda: super(Dying, self).save(state))

    def keep_checkpoint(self, size, note):
        self._step(lambda: super(Dying, self).keep_checkpoint(size, note))


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(10))
def test_run_killed_at_any_write_is_taken_up_again(log, tmp_path, step, after):
    """Wherever a run is killed, `verify` finds no fault, and the next run ends where an unbroken one does."""
    assert mirror(log, tmp_path, page=5).size == 25
    log.write(4, chain=b"\x01" * 16)
    log.write(13, chain=b"\x02" * 16)
    keys, state = open_mirror(log, tmp_path)[1:]
    dying = Dying(tmp_path)
    dying.left, dying.after = step, after
    try:
        with dying.locked():
            Sync(FakeSource(log, page=3), dying, keys, state).run()
    except Killed:
        assert check_mirror(Store(tmp_path)).faults == []
    outcome = mirror(log, tmp_path, page=5)
    assert (outcome.size, outcome.faults) == (42, [])
    assert check_mirror(Store(tmp_path)).size == 42


@pytest.mark.parametrize("pages", range(8))
def test_run_that_loses_the_log_is_taken_up_again(log, tmp_path, pages):
    """A log that falls silent after any page leaves a mirror that goes on from there, while the log grew."""
    with pytest.raises(Killed):
        mirror(log, tmp_path, page=3, die_after=pages)
    log.write(3)
    outcome = mirror(log, tmp_path, page=4)
    assert (outcome.size, outcome.faults) == (28, [])
    assert check_mirror(Store(tmp_path)).faults == []


def test_half_written_entries_are_cut_off(log, tmp_path):
    """A page whose entries were half written when the power failed is fetched again."""
    mirror(log, tmp_path)
    log.write(5)
    with (tmp_path / "entries.bin").open("ab") as file:
        file.write(bytes(60))
    (tmp_path / f"bodies/{25:015}.bundle").write_bytes(b"half")
    assert mirror(log, tmp_path).faults == []
    assert check_mirror(Store(tmp_path)).size == 30


def test_lost_state_is_worked_out_again(log, tmp_path):
    """Without state.json the mirror is verified from its files and goes on."""
    mirror(log, tmp_path)
    (tmp_path / "state.json").unlink()
    assert check_mirror(Store(tmp_path)).size == 25
    store = Store(tmp_path)
    assert store.state() is None
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(Unusable, match="damaged"):
        store.state()


def test_growing_log_is_followed(log, tmp_path):
    """Many runs over a growing log, with pages of every size, keep every checkpoint and stay verified."""
    for number in range(1, 9):
        log.write(number, chain=bytes([number % 2]) * 16)
        assert mirror(log, tmp_path, page=number).faults == []
    verdict = check_mirror(Store(tmp_path))
    assert (verdict.faults, verdict.checkpoints, verdict.size) == ([], 8, len(log.events))


def test_checkpoint_seen_before_a_kill_is_not_forgotten(log, tmp_path):
    """A checkpoint that was shown binds the log, even if the run that saw it was killed at once."""
    with pytest.raises(Killed):
        mirror(log, tmp_path, die_after=0)
    assert code(mirror(log, tmp_path, note=log.checkpoint(24))) == 11


def test_two_runs_at_once_are_kept_apart(log, tmp_path):
    """The second process is told that the folder is in use."""
    store, _, _ = open_mirror(log, tmp_path)
    with store.locked(), pytest.raises(Unusable, match="another process"), Store(tmp_path).locked():
        pass


def test_nothing_is_kept_of_a_page_that_does_not_verify(log, tmp_path):
    """A page with a fault is not written, nor anything after it."""
    mirror(log, tmp_path)
    before = files(tmp_path / "bodies")
    log.write(4)
    log.events[26].body = b"{}"
    outcome = mirror(log, tmp_path, page=4)
    assert code(outcome) == 12
    assert files(tmp_path / "bodies") == before
    assert check_mirror(Store(tmp_path)).size == 25


def test_repaired_log_is_taken_up_again(log, tmp_path):
    """When the log shows the true event again, the next run goes on."""
    true = log.events[20].body
    log.events[20].body = b"{}"
    assert code(mirror(log, tmp_path)) == 12
    log.events[20].body = true
    assert mirror(log, tmp_path).size == 25


def test_damaged_mirror_accuses_nobody(log, tmp_path):
    """A mirror whose own entries rotted says so, rather than that the log has changed."""
    mirror(log, tmp_path)
    raw = bytearray((tmp_path / "entries.bin").read_bytes())
    raw[100] ^= 1
    (tmp_path / "entries.bin").write_bytes(raw)
    log.write(2)
    log.events[26].body = b"{}"
    with pytest.raises(Unusable, match="its own files are damaged"):
        mirror(log, tmp_path)


def verdict_on(folder):
    """The verdict on a mirror; a fault that ends everything counts as its only one."""
    try:
        return check_mirror(Store(folder)).faults
    except Fault as fault:
        return [fault]


def test_any_changed_byte_is_noticed(tmp_path):
    """Every byte of entries and checkpoints, and every fifth of bodies, changed, is a fault with a place."""
    log = FakeLog()
    for number in range(3):
        log.write(number % 2 + 1, chain=bytes([number]) * 16)
    mirror(log, tmp_path / "m", page=2)
    quiet = []
    for name, content in files(tmp_path / "m").items():
        if name.parts[0] in {"lock", "state.json", "keys.json"}:
            continue  # nothing follows from the first two; the keys are what the auditor decided to trust
        for at in range(0, len(content), 5 if name.parts[0] == "bodies" else 1):
            changed = bytearray(content)
            changed[at] ^= 1 << at % 7
            (tmp_path / "m" / name).write_bytes(changed)
            faults = verdict_on(tmp_path / "m")
            if not faults or not all(fault.where for fault in faults):
                quiet.append((name, at))
        (tmp_path / "m" / name).write_bytes(content)
    assert quiet == []


@pytest.mark.parametrize(
    ("file", "expected"),
    [("entries.bin", 13), (f"bodies/{0:015}.bundle", 13), (f"bodies/{9:015}.bundle", 13)],
)
def test_missing_file_is_a_gap(log, tmp_path, file, expected):
    """A file that was deleted is a gap, which is named."""
    mirror(log, tmp_path, page=9)
    (tmp_path / file).unlink()
    faults = verdict_on(tmp_path)
    assert min(faults, key=lambda fault: fault.rank).exit_code == expected


def test_mirror_cut_back_is_a_gap(log, tmp_path):
    """Newest pages and checkpoints deleted together contradict what the state remembers."""
    mirror(log, tmp_path, page=9)
    old = tmp_path.with_name("old")
    shutil.copytree(tmp_path, old)
    log.write(5)
    mirror(log, tmp_path, page=9)
    shutil.copy(tmp_path / "state.json", old / "state.json")
    verdict = check_mirror(Store(old))
    assert code(verdict) == 13
    assert "files were cut" in words(verdict)


def test_folder_without_a_mirror(tmp_path):
    """A folder that is no mirror is said to be none."""
    with pytest.raises(Unusable, match="not a mirror"):
        check_mirror(Store(Path(tmp_path)))


def test_state_holds_no_bodies(log, tmp_path):
    """state.json is small and readable: sizes, hashes, chains and notes."""
    mirror(log, tmp_path)
    state = json.loads((tmp_path / "state.json").read_text())
    assert set(state) == {"format", "tenant", "url", "size", "root", "seen", "held"}
    assert "Ravi" not in (tmp_path / "state.json").read_text()


def test_verb_nobody_has_heard_of(log, tmp_path):
    """A verb this verifier does not know is counted and said, and is no fault."""
    log.write(2, verb="transmogrify")
    outcome = mirror(log, tmp_path)
    assert (outcome.faults, outcome.unknown) == ([], {"transmogrify": 2})
    assert check_mirror(Store(tmp_path)).unknown == {"transmogrify": 2}


@pytest.mark.parametrize("plane", ["ingest", "reveal", "office", "control", "audit"])
def test_refused_callers_are_every_planes_business(tmp_path, plane):
    """Each plane writes down whom it did not let in."""
    log = FakeLog()
    log.write(1, by=log.worker(plane), verb="authenticate", decision="deny")
    assert mirror(log, tmp_path).faults == []
