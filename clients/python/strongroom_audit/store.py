"""A mirror on disk: plain files that only grow, and a state that is replaced in one piece.

keys.json             keys this mirror trusts
state.json            how far it is verified and held (see state.py)
entries.bin           49 bytes for each entry, in order
bodies/<first>.bundle as the log gave them out, named by the index of their first event
checkpoints/<size>.note
evidence/             signed words of the log that contradict what is mirrored
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strongroom_audit.faults import Gap, Unusable
from strongroom_audit.state import State, read_state
from strongroom_audit.verifier.tree import ENTRY_BYTES

try:
    import fcntl
except ImportError:  # Windows: two mirrors of one folder at once are then not kept apart
    fcntl = None  # type: ignore[assignment]


class Store:
    """One mirror's folder. Raises Unusable where the folder or the disk will not do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries, self._bodies = folder / "entries.bin", folder / "bodies"
        self._notes, self._state = folder / "checkpoints", folder / "state.json"

    @property
    def exists(self) -> bool:
        """Whether there is a mirror here."""
        return (self.folder / "keys.json").is_file()

    @property
    def size(self) -> int:
        """How many entries the files hold, verified or not."""
        return self._entries.stat().st_size // ENTRY_BYTES if self._entries.is_file() else 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out, and turn what the operating system says into our word."""
        try:
            for folder in (self.folder, self._bodies, self._notes):
                folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "lock").open("w") as lock:
                if fcntl is not None:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
        except BlockingIOError:
            raise Unusable("another process is working on it", where=str(self.folder)) from None
        except OSError as error:
            raise Unusable(error.strerror or "input or output failed", where=str(self.folder)) from None

    def read(self, name: str) -> str:
        """One of the text files."""
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise Unusable(f"there is no {name}: not a mirror?", where=str(self.folder)) from None
        except UnicodeDecodeError:
            raise Unusable(f"{name} is damaged", where=str(self.folder)) from None

    def write(self, name: str, text: str) -> None:
        """Replace one of the text files, whole or not at all."""
        _replace(self.folder / name, text.encode())

    def state(self) -> State | None:
        """How far the mirror got; None when it has to be worked out from the files."""
        return read_state(self.read("state.json")) if self._state.is_file() else None

    def save(self, state: State) -> None:
        """Remember how far we got, once what it speaks of is on the disk."""
        if self._entries.is_file():
            _sync(self._entries)
        _sync(self._bodies)
        self.write("state.json", state.write())

    def append(self, first: int, entries: bytes, raw: bytes) -> None:
        """Add a verified page. The state still speaks of the end before it."""
        _replace(self._bodies / f"{first:015}.bundle", raw)
        with self._entries.open("ab") as file:
            file.write(entries)

    def cut(self, size: int) -> None:
        """Forget whatever lies beyond `size`: what came after the last saved state. Claims go first."""
        for path in self._notes.glob("*.note"):
            if path.stem.isdecimal() and int(path.stem) > size:
                path.unlink()
        for first, path in self._bundles():
            if first >= size:
                path.unlink()
        if self.size > size or (self._entries.is_file() and self._entries.stat().st_size % ENTRY_BYTES):
            os.truncate(self._entries, size * ENTRY_BYTES)

    def entries(self, first: int, last: int) -> bytes:
        """The entries from `first` up to, not including, `last`."""
        if not self._entries.is_file():
            return b""
        with self._entries.open("rb") as file:
            file.seek(first * ENTRY_BYTES)
            return file.read((last - first) * ENTRY_BYTES)

    def pages(self) -> Iterator[tuple[bytes, bytes]]:
        """Entries and bundle of each page, in order. Raises: Gap when a file is missing."""
        bundles, end = self._bundles(), self.size
        starts = [first for first, _ in bundles] + [end]
        if starts[0] != 0:
            raise Gap(f"the mirror begins with event #{starts[0]}", where=str(self._bodies))
        for (first, path), after in zip(bundles, starts[1:], strict=True):
            if after <= first:
                raise Gap(f"entries.bin ends at #{end}, before {path.name}", where=str(self._entries))
            yield self.entries(first, after), path.read_bytes()

    def notes(self, folder: str) -> Iterator[tuple[str, str]]:
        """The signed checkpoints in `checkpoints` (met) or `evidence`: file name and note."""
        for path in sorted((self.folder / folder).glob("*.note")):
            yield path.name, self.read(f"{folder}/{path.name}")

    def keep_checkpoint(self, size: int, note: str) -> None:
        """File a checkpoint that the entries fulfil; the first one of a size stays."""
        name = f"checkpoints/{size:015}.note"
        if not (self.folder / name).exists():
            self.write(name, note)

    def keep_evidence(self, name: str, note: str) -> str:
        """File a signed word of the log that goes with a fault; the folder it is kept in."""
        (self.folder / "evidence").mkdir(exist_ok=True)
        self.write(f"evidence/{name}", note)
        return str(self.folder / "evidence")

    def _bundles(self) -> list[tuple[int, Path]]:
        found = [(path.stem, path) for path in self._bodies.glob("*.bundle")]
        return sorted((int(stem), path) for stem, path in found if stem.isdecimal())


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        if not path.name.endswith(".bundle"):  # pages are made safe together, when the state is saved
            os.fsync(file.fileno())
    part.replace(path)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
