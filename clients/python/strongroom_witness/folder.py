"""A witness's folder: its private key, its state, and what it put on record."""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from strongroom_witness.cosigner import Cosigner, new_cosigner, read_cosigner
from strongroom_witness.evidence import Evidence
from strongroom_witness.faults import Unusable
from strongroom_witness.state import State
from strongroom_witness.witness import Witness

KEY, STATE = "key", "state.sqlite"


class Folder:
    """The folder at `path`. Methods raise Unusable."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def state(self) -> State:
        """What it remembers."""
        return State(self._path / STATE)

    @property
    def evidence(self) -> Evidence:
        """What it put on record."""
        return Evidence(self._path)

    def create(self, name: str) -> Cosigner:
        """Make a new witness. Never touches one that is there. Raises: Malformed for a bad name."""
        cosigner = new_cosigner(name)
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(self._path.iterdir()):
                raise Unusable("the folder is not empty", where=str(self._path))
            # The key comes last: a folder without one is no witness, whatever interrupted its making.
            self.state.create()
            with suppress(OSError):
                (self._path / STATE).chmod(0o600)
            self._write_key(cosigner.text)
        except OSError as error:
            raise Unusable(str(error.strerror), where=str(self._path)) from None
        return cosigner

    def cosigner(self) -> Cosigner:
        """Its key. Raises: Unusable, Malformed."""
        path = self._path / KEY
        try:
            with path.open(encoding="utf-8") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise Unusable("must not be readable by group or others: chmod 600", where=str(path))
                return read_cosigner(file.read().strip())
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not text"
            raise Unusable(f"no witness here ({why}): strongroom-witness init", where=str(path)) from None

    def witness(self, clock: Callable[[], int], say: Callable[[str], None]) -> Witness:
        """All of it, ready to answer. Raises: Unusable, Malformed."""
        state = self.state
        state.logs()
        return Witness(cosigner=self.cosigner(), state=state, evidence=self.evidence, clock=clock, say=say)

    def _write_key(self, text: str) -> None:
        handle = os.open(self._path / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
