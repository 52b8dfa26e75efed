"""What the witness remembers: which logs it trusts, and of each the checkpoint it cosigned last.

One row a log, in SQLite. A row is on the disk before the cosignature leaves: whoever restores this file from
a copy makes the witness forget what it signed, and must make a new witness instead.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from strongroom_audit.verifier.notes import Checkpoint, Key, read_key

from strongroom_witness.faults import Unusable
from strongroom_witness.judgement import Last

_SCHEMA = """
PRAGMA user_version = 1;
CREATE TABLE trusted (vkey TEXT PRIMARY KEY, origin TEXT NOT NULL) STRICT;
CREATE TABLE log (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL,
    time INTEGER NOT NULL
) STRICT;
"""
_WAIT = 5.0
"""Seconds a submission waits for another one's transaction."""


class Unit:
    """One transaction on the state: nobody else reads or writes before it ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def last(self, origin: str) -> Last:
        """The checkpoint cosigned last."""
        row = self._connection.execute(
            "SELECT size, root, note, time FROM log WHERE origin = ?", (origin,)
        ).fetchone()
        return Last(*row) if row else Last()

    def remember(self, head: Checkpoint, *, time: int) -> None:
        """Make `head` the last one. Counts once the unit is committed."""
        self._connection.execute(
            "REPLACE INTO log (origin, size, root, note, time) VALUES (?, ?, ?, ?, ?)",
            (head.origin, head.size, head.root, head.note, time),
        )

    def commit(self) -> None:
        """On the disk when this returns."""
        self._connection.execute("COMMIT")


class State:
    """The state's file. Every method may raise Unusable."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def create(self) -> None:
        """Make an empty state where there is none."""
        with _translated(), closing(sqlite3.connect(self._file)) as connection:
            connection.executescript(_SCHEMA)

    @contextmanager
    def begin(self) -> Iterator[Unit]:
        """A transaction; leaving without `commit` rolls it back."""
        with _translated(), closing(self._open()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield Unit(connection)

    def keys(self, origin: str) -> list[Key]:
        """The keys trusted to sign for a log."""
        with _translated(), closing(self._open()) as connection:
            rows = connection.execute("SELECT vkey FROM trusted WHERE origin = ?", (origin,)).fetchall()
        return [read_key(row[0]) for row in rows]

    def trust(self, key: Key) -> None:
        """Cosign what this key signs under its own name, from now on."""
        with _translated(), closing(self._open()) as connection:
            connection.execute("INSERT OR IGNORE INTO trusted VALUES (?, ?)", (key.text, key.name))

    def distrust(self, key: Key) -> None:
        """Cosign nothing of this key any more. What was cosigned of its log stays remembered."""
        with _translated(), closing(self._open()) as connection:
            connection.execute("DELETE FROM trusted WHERE vkey = ?", (key.text,))

    def logs(self) -> dict[str, Last]:
        """Every log that is trusted or was once cosigned."""
        query = """
            SELECT origin, ifnull(size, 0), ifnull(root, x''), ifnull(note, ''), ifnull(time, 0)
            FROM (SELECT origin FROM trusted UNION SELECT origin FROM log) LEFT JOIN log USING (origin)
            ORDER BY origin
        """
        with _translated(), closing(self._open()) as connection:
            return {row[0]: Last(*row[1:]) for row in connection.execute(query)}

    def _open(self) -> sqlite3.Connection:
        # mode=rw: a state that is gone must never be begun anew in silence.
        connection = sqlite3.connect(
            f"{self._file.absolute().as_uri()}?mode=rw", uri=True, timeout=_WAIT, isolation_level=None
        )
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA trusted_schema = OFF")
        if connection.execute("PRAGMA user_version").fetchone()[0] != 1:
            connection.close()
            raise Unusable("not a witness's state", where=str(self._file))
        return connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unusable(f"the state cannot be used ({type(error).__name__})", where="state") from None
