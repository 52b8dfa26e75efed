"""What a run leaves for the next one: how far each file was read, and what a window of minutes remembers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from keys.identity import write_private
from vault.cli.failures import CommandError
from vault.cli.reconcile.files import LogFile
from vault.reconcile.audit_log import Unreadable
from vault.service.reconcile import Reconciler

_VERSION = 1


@dataclass(slots=True)
class Places:
    """{file's name: how far it was read}, and which files were growing then."""

    read: dict[str, int] = field(default_factory=dict)
    growing: dict[str, str] = field(default_factory=dict)
    """{file's name: its path, for people}"""

    def missing(self, files: Sequence[LogFile]) -> list[str]:
        """Paths of files that were still growing and are gone."""
        there = {file.name for file in files}
        return [path for name, path in self.growing.items() if name not in there]

    def keep(self, files: Sequence[LogFile]) -> None:
        """The newest of each folder goes on growing; what is gone for good is forgotten."""
        newest = {file.path.parent: file for file in sorted(files, key=lambda one: one.path.stat().st_mtime)}
        self.growing = {file.name: str(file.path) for file in newest.values()}
        there = {file.name for file in files}
        self.read = {name: at for name, at in self.read.items() if name in there}


def load(path: Path, reconciler: Reconciler) -> Places:
    """Go on where the last run stopped; from the beginning when there was none. Raises: CommandError."""
    try:
        kept = orjson.loads(path.read_bytes())
        if kept["v"] != _VERSION:
            raise Unreadable("a state file of another version")
        reconciler.load(kept["remembered"])
        return Places(dict(kept["read"]), dict(kept["growing"]))
    except FileNotFoundError:
        return Places()
    except (ValueError, KeyError, TypeError):
        raise CommandError(
            f"{path} is no state of a reconciliation; name another file, or remove it"
        ) from None


def save(path: Path, reconciler: Reconciler, places: Places) -> None:
    """Write the state, whole or not at all. Raises: OSError."""
    kept = {"v": _VERSION, "read": places.read, "growing": places.growing, "remembered": reconciler.dump()}
    write_private(path, orjson.dumps(kept))
