"""Announcements of erasures, told to others: a file of JSON lines, a webhook. No line holds a value.

The vault has an announcement on record before it is told here; whoever missed one is told again by --resend.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from vault.cli.failures import CommandError, UsageFault
from vault.cli.serve import is_loopback

_SECONDS = 10.0
_TOLD = ("token", "subject", "type", "due", "erase_after", "why")


def lines(run: str, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is told of each announcement."""
    return [{"run": run, **{name: one[name] for name in _TOLD}} for one in items]


@dataclass(frozen=True, slots=True)
class Outbox:
    """A file of the run's name in a folder, 0600: lines are appended, and on the disk when `put` returns."""

    path: Path

    def put(self, told: Sequence[Mapping[str, Any]]) -> None:
        """Raises: CommandError when others could read the file, OSError."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        with os.fdopen(os.open(self.path, flags, 0o600), "ab") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise CommandError(f"{self.path} must not be readable by group or others: chmod 600")
            file.write(b"".join(orjson.dumps(one) + b"\n" for one in told))
            file.flush()
            os.fsync(file.fileno())


def outbox(folder: Path, run: str) -> Outbox:
    """The outbox of a run; its folder is made when it is not there. Raises: OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    return Outbox(folder / f"{run}.jsonl")


@dataclass(slots=True)
class Webhook:
    """Somebody else's address. After one failure it is left alone: each would cost the run its patience."""

    url: str
    failure: str = ""
    missed: int = 0
    _transport: httpx.BaseTransport | None = field(default=None, repr=False)

    def put(self, told: Sequence[Mapping[str, Any]]) -> None:
        """POST them as one JSON document. Does not raise: what went wrong stands in `failure`."""
        if not self.failure:
            self.failure = self._send({"v": 1, "announcements": list(told)})
        if self.failure:
            self.missed += len(told)

    def _send(self, document: Mapping[str, Any]) -> str:
        """Why it was not taken; empty when it was."""
        try:
            with httpx.Client(
                timeout=_SECONDS, trust_env=False, follow_redirects=False, transport=self._transport
            ) as client:
                status = client.post(self.url, json=document).status_code
        except httpx.HTTPError as error:
            return f"cannot be reached ({type(error).__name__})"
        return "" if 200 <= status < 300 else f"answered {status}"


def webhook(url: str, *, transport: httpx.BaseTransport | None = None) -> Webhook:
    """Raises: UsageFault for an address that would show announcements or a secret to others."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise UsageFault("a webhook is https:// (http:// only on loopback)")
    if not parts.hostname or parts.username or parts.password or parts.query:
        raise UsageFault("a webhook is an address without user, password or query: arguments are no secret")
    return Webhook(url, _transport=transport)
