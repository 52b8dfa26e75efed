"""Secrets that came in the environment or in files, out of sight of whoever lists processes.

What a process was started with stays readable in /proc for as long as it runs. So one that runs long, and
was given a secret that way, starts itself again without it and gets it through a pipe; its process id stays.
"""

import json
import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from vault.cli.failures import USAGE, CommandError
from vault.settings import PLANE_URLS, PREFIX

_PIPE = "_STRONGROOM_CONCEALED"
_LONG_LIVED = ("serve", "sequence", "reconcile")
_URLS = tuple(f"{PREFIX}{name.upper()}" for name in ("data_url", "keystore_url", *PLANE_URLS))
_OTHERS = (f"{PREFIX}CLIENT_SECRET", "VAULT_TOKEN", "PGPASSWORD")
_LARGEST = 32_768
"""Bytes that fit into any pipe before somebody reads."""


def settle(arguments: list[str]) -> None:
    """Take up what was concealed or lies in files; start again when this command must not keep it in sight.

    Raises: CommandError when a file cannot be read.
    """
    if _PIPE in os.environ:
        os.environ.update(_received(int(os.environ.pop(_PIPE))))
    elif arguments and arguments[0] in _LONG_LIVED and (told := secrets_in(os.environ)):
        _start_again(told)
    unfold(os.environ)


def forget() -> None:
    """Once settings are read: nothing that this process starts inherits a secret."""
    for name in secrets_in(os.environ):
        del os.environ[name]


def secrets_in(environment: Mapping[str, str]) -> dict[str, str]:
    """Its members that are secrets: database URLs with a password, tokens, a client's secret."""
    named = {name: value for name, value in environment.items() if name in _OTHERS}
    return named | {name: environment[name] for name in _URLS if _has_password(environment.get(name, ""))}


def unfold(environment: MutableMapping[str, str]) -> None:
    """Where <URL's name>_FILE names a file, its one line becomes the URL. Raises: CommandError."""
    for name in _URLS:
        file = environment.pop(f"{name}_FILE", "")
        if not file:
            continue
        if environment.get(name):
            raise CommandError(f"settings: {name} and {name}_FILE do not go together", USAGE)
        try:
            environment[name] = Path(file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise CommandError(f"settings: the file that {name}_FILE names cannot be read", USAGE) from None


def _start_again(told: Mapping[str, str]) -> NoReturn:
    body = json.dumps(told).encode()
    if len(body) > _LARGEST:
        raise CommandError("settings: the database URLs are too long", USAGE)
    reads, writes = os.pipe()
    os.write(writes, body)
    os.close(writes)
    os.set_inheritable(reads, True)
    rest = {name: value for name, value in os.environ.items() if name not in told}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], rest | {_PIPE: str(reads)})  # noqa: S606


def _received(reads: int) -> dict[str, str]:
    with os.fdopen(reads, "rb") as pipe:
        return {str(name): str(value) for name, value in json.loads(pipe.read()).items()}


def _has_password(url: str) -> bool:
    try:
        # A driver takes one from the query as well.
        parts = urlsplit(url)
        return bool(parts.password) or "password" in parts.query.lower()
    except ValueError:
        return True
