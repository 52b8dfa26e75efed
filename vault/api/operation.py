"""What one operation of the HTTP API is; vault/api/operations.py lists them all."""

from dataclasses import dataclass
from typing import Any

import msgspec

Endpoints = dict[str, Any]
"""The API object of each plane: {"ingest": IngestApi, …}."""

OFFICE_STATUSES = (400, 401, 403, 404, 409, 410, 413, 415, 422, 503)
"""What the office's operations may answer when they refuse."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One route. `does` names the method of its plane's API object."""

    plane: str
    does: str
    method: str
    path: str
    summary: str
    body: type[msgspec.Struct] | None = None
    status: int = 200
    statuses: tuple[int, ...] = (400, 401, 403, 413, 415, 422, 429, 503)
    open: bool = False
    """Whether it is called without an access token."""
    media: str = "application/json"
    """What the good answer is."""
    also: tuple[str, ...] = ()
    """Other media that the good answer may be, for who asks for them."""
    example: Any = None
    """A request, where vault/api/examples.py has none."""
    answer: Any = None
    """The good answer, likewise."""
    accepted: Any = None
    """What it answers, 202, when it takes a second person first."""
