"""The folder of a copy: a file for each table and the manifest, for its owner alone, whole or not at all."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, Any

from keys.identity import write_private
from vault.cli.backup.manifest import NAME, Manifest, TableFile, parse, to_bytes
from vault.cli.failures import CommandError
from vault.store.copies import spelling
from vault.store.copies.snapshot import PAGE
from vault.store.copies.spelling import DATA_TABLES, KEYSTORE_TABLES, CopiedTable, NotACopy

Watch = Callable[[str, int], None]
"""Told of a table by name and how many of its rows went by since the last time."""
TABLES = {
    **{f"data/{name}": table for name, table in DATA_TABLES.items()},
    **{f"keystore/{name}": table for name, table in KEYSTORE_TABLES.items()},
}


class TableWriter:
    """The file of one table, as it is written."""

    def __init__(self, file: IO[bytes], table: CopiedTable) -> None:
        self._file = file
        self._table = table
        self._digest = sha256()
        self._rows = 0
        self._put(spelling.heading(table))

    def put(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows."""
        self._put(spelling.spell(self._table, rows))
        self._rows += len(rows)

    @property
    def written(self) -> TableFile:
        """What it holds now."""
        return TableFile(self._rows, self._digest.hexdigest())

    def _put(self, raw: bytes) -> None:
        self._digest.update(raw)
        self._file.write(raw)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill; it gets its name when it is whole. Raises: CommandError when the name is taken."""
    if path.exists() or path.is_symlink():
        raise CommandError(f"{path} is there already and is left as it is: name a new folder")
    fresh = path.with_name(f".{path.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh.mkdir(mode=0o700)  # and not through a link that somebody left there
    for name in ("data", "keystore"):
        (fresh / name).mkdir(mode=0o700)
    fresh.chmod(0o700)
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, fresh, ignore_errors=True)
        yield fresh
        fresh.rename(path)
        undo.pop_all()
    _sync(path.absolute().parent)


@contextmanager
def table_file(folder: Path, name: str) -> Iterator[TableWriter]:
    """The file of the table `data/…` or `keystore/…`, on disk when left."""
    handle = os.open(_file(folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        yield TableWriter(file, TABLES[name])
        file.flush()
        os.fsync(file.fileno())


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, last."""
    write_private(folder / NAME, to_bytes(manifest))
    for inside in (folder / "data", folder / "keystore", folder):
        _sync(inside)


def read_manifest(folder: Path) -> Manifest:
    """What a copy says it holds. Raises: CommandError, OSError."""
    try:
        return parse((folder / NAME).read_bytes())
    except FileNotFoundError:
        raise CommandError(f"{folder} is no copy: it has no {NAME}") from None


def verified(folder: Path, watch: Watch) -> Manifest:
    """The manifest of a copy whose every file is as it says. Raises: CommandError, OSError."""
    manifest = read_manifest(folder)
    if unknown := sorted(set(manifest.tables) - set(TABLES)):
        raise CommandError(f"the copy has tables that this release does not know: {', '.join(unknown)}")
    for name in manifest.tables:
        for columns in pages(folder, name, manifest):
            watch(name, len(next(iter(columns.values()))))
    return manifest


def pages(folder: Path, name: str, manifest: Manifest) -> Iterator[dict[str, list[Any]]]:
    """A table's rows as columns, some at a time; the end is reached only if the file is as it should be.

    Raises: CommandError, OSError.
    """
    table, promised, digest, rows = TABLES[name], manifest.tables[name], sha256(), 0
    try:
        with _file(folder, name).open("rb") as file:
            head = file.readline()
            digest.update(head)
            while lines := list(islice(file, PAGE)):
                digest.update(b"".join(lines))
                rows += len(lines)
                yield spelling.read(table, lines)
    except FileNotFoundError:
        raise CommandError(f"the copy is damaged: {name} is missing") from None
    except NotACopy:
        raise _damaged(name) from None
    if head != spelling.heading(table) or TableFile(rows, digest.hexdigest()) != promised:
        raise _damaged(name)


def _damaged(name: str) -> CommandError:
    return CommandError(f"the copy is damaged: {name} is not what its manifest says")


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.jsonl"


def _sync(folder: Path) -> None:
    """A name is on disk when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
