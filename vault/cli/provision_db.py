"""`strongroom provision-db`: a database role for each plane, with exactly its rights, on PostgreSQL."""

import asyncio
import os
import secrets
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vault.cli.console import AsJson, print_json, screen
from vault.cli.failures import CommandError

Passwords = Annotated[
    Path,
    typer.Option(
        help="Folder of data-passwords and keystore-passwords: lines of role=password, mode 0600. "
        "Roles without a line get a password made for them, and the line."
    ),
]
Apply = Callable[[Any, Mapping[str, str]], Awaitable[list[str]]]
"""One database's `apply_roles`. What a connection is, only the wall knows."""


def provision_db(passwords: Passwords = Path("database-passwords"), as_json: AsJson = False) -> None:
    """Make the planes' roles and give them exactly their rights. Doing it twice does no harm.

    Reads STRONGROOM_DATA_URL and STRONGROOM_KEYSTORE_URL, which log in as the owner of the tables and may
    make roles; either may be absent. Run it after every `strongroom migrate`.

    Example: strongroom provision-db --passwords /etc/strongroom/database-passwords
    """
    from keys import roles as keystore_roles
    from vault.cli import databases
    from vault.store import roles as data_roles

    parts: dict[str, tuple[Apply, Mapping[str, object]]] = {
        "data": (data_roles.apply_roles, data_roles.RIGHTS),
        "keystore": (keystore_roles.apply_roles, keystore_roles.KEYSTORE_RIGHTS),
    }
    done = {}
    for name, url, _ in databases.wanted(os.environ):
        apply, rights = parts[name]
        words = kept_passwords(passwords / f"{name}-passwords", list(rights))
        done[name] = {"roles": list(rights), "created": asyncio.run(_apply(name, url, apply, words))}
    _say(done, as_json)


def kept_passwords(path: Path, roles: list[str]) -> dict[str, str]:
    """{role: password} from a file, after writing it with those that were missing.

    Raises: CommandError for a file that others may read, or with a line that is none; OSError.
    """
    from keys.identity import write_private

    found = _read(path) if path.exists() else {}
    missing = [role for role in roles if role not in found]
    if missing:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written before they are put in force: a password that nobody knows helps nobody.
        found |= {role: secrets.token_urlsafe(24) for role in missing}
        write_private(path, "".join(f"{role}={word}\n" for role, word in found.items()).encode())
    return {role: found[role] for role in roles}


def _read(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise CommandError(f"{path} must not be readable by group or others: chmod 600")
        lines = file.read().splitlines()
    found = {}
    for number, line in enumerate(lines, 1):
        role, equals, word = line.partition("=")
        if not (role and equals and word):
            raise CommandError(f"{path}, line {number}: not role=password")
        found[role] = word
    return found


async def _apply(name: str, url: str, apply: Apply, passwords: Mapping[str, str]) -> list[str]:
    """Put one database's roles in force; answer the new ones.

    Raises: CommandError, KeysError, Unavailable.
    """
    from vault.store import failures
    from vault.store.engine import open_database

    if url.startswith("sqlite"):
        raise CommandError(f"the {name} database is SQLite, which knows no roles")
    engine = open_database(url)
    try:
        with failures.statements():
            async with engine.begin() as connection:
                return await apply(connection, passwords)
    finally:
        await engine.dispose()


def _say(done: Mapping[str, Mapping[str, list[str]]], as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    for name, what in done.items():
        new = ", ".join(what["created"]) or "none"
        screen().print(f"{name}: rights of {len(what['roles'])} roles in force, new: {new}", markup=False)
