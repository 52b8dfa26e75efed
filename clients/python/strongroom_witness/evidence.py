"""What the witness puts on record when it refuses: `ALARM` for a proven fork, `REFUSED` for a doubt.

Both hold, word for word, the checkpoint cosigned before and the submission that was refused. `ALARM` grows,
up to a bound, and stays until a human removes it; `REFUSED` holds the latest only, as anybody can cause it.
"""

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

from strongroom_witness.faults import Unusable

ALARM, REFUSED = "ALARM", "REFUSED"
_LARGEST = 1024 * 1024


class Evidence:
    """The two files in the witness's folder. Methods may raise Unusable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def alarm(self, what: str, *, time: int, cosigned: str, refused: bytes) -> None:
        """Add a proven fork, durable when this returns. What comes after the first megabyte is not kept."""
        path = self._folder / ALARM
        if not path.exists() or path.stat().st_size <= _LARGEST:
            self._write(path, os.O_APPEND, _record(what, time, cosigned, refused), durable=True)

    def refusal(self, what: str, *, time: int, cosigned: str, refused: bytes) -> None:
        """Keep the latest submission whose proof did not hold."""
        record = _record(what, time, cosigned, refused)
        self._write(self._folder / REFUSED, os.O_TRUNC, record, durable=False)

    def found(self) -> dict[str, list[str]]:
        """What each file that exists says happened, oldest first."""
        return {name: _headlines(self._folder / name) for name in (ALARM, REFUSED)}

    def _write(self, path: Path, flag: int, record: bytes, *, durable: bool) -> None:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | flag, 0o600)
            with self._lock, os.fdopen(handle, "wb") as file:
                file.write(record)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
        except OSError as error:
            raise Unusable(f"cannot be written ({error.strerror})", where=path.name) from None


def _record(what: str, time: int, cosigned: str, refused: bytes) -> bytes:
    when = datetime.fromtimestamp(time, UTC).isoformat()
    head = f"== {when} {what}\n-- cosigned before\n{cosigned}-- refused submission\n"
    return head.encode() + refused + b"-- end\n"


def _headlines(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unusable(f"cannot be read ({error.strerror})", where=path.name) from None
    return [line[3:] for line in lines if line.startswith("== ")]
