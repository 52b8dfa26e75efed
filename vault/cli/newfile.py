"""A new file for its owner alone. One that is there is never overwritten: people may have worked on it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from vault.cli.failures import CommandError


@contextmanager
def new_file(path: Path) -> Iterator[IO[str]]:
    """The file, open for text; gone again if what fills it fails. Raises: CommandError when it is there."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} is there already and is left as it is") from None
    with ExitStack() as undo:
        undo.callback(path.unlink, missing_ok=True)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
        undo.pop_all()


def write_new(path: Path, text: str) -> None:
    """A whole text in a new file. Raises: CommandError when the file is there."""
    with new_file(path) as file:
        file.write(text)
