"""A copy of everything about one person: how it is asked for, and the file that comes back."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from strongroom.answers import garbage
from strongroom.calls import Call, Caller
from strongroom.errors import Misused
from strongroom.flow import Flow
from strongroom.values import encode

_MEDIA = {"json": "application/json", "html": "text/html", "age": "application/age"}
_ENCRYPTING = 90.0
"""Encrypting to a passphrase takes seconds on purpose, and others may be before us."""


@dataclass(frozen=True, slots=True)
class DataCopy:
    """A person's copy. What is in it does not print."""

    media: str
    """application/json, text/html, or application/age for one that a passphrase opens."""
    receipt: str
    """Of the copy's own event."""
    content: bytes = field(repr=False)

    def document(self) -> dict[str, Any]:
        """The copy as data (`strongroom-export/1`), values in the clear. Raises: Misused for other media."""
        if self.media != _MEDIA["json"]:
            raise Misused("not_json", "Only a copy that was asked for as JSON, unencrypted, can be read.")
        return dict(json.loads(self.content))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a new file for its owner alone. Raises: FileExistsError, OSError."""
        handle = os.open(Path(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(self.content)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A copy as it is asked for. The passphrase does not print."""

    subject: str
    reference: str
    case: str | None = None
    html: bool = False
    passphrase: str | None = field(default=None, repr=False)


def copied(caller: Caller, wanted: Wanted) -> Flow[DataCopy]:
    """The copy."""
    form = "html" if wanted.html else "json"
    asked = {"subject": wanted.subject, "reference": wanted.reference, "format": form}
    more = {"case": wanted.case, "passphrase": wanted.passphrase}
    body = encode(asked | {name: value for name, value in more.items() if value is not None})
    media = _MEDIA["age" if wanted.passphrase is not None else form]
    seconds = _ENCRYPTING if wanted.passphrase is not None else 0.0
    call = Call("reveal", "/v1/export", body, safety="reveal", seconds=seconds)
    return caller.whole(call, lambda answer: _read(answer, media))


def _read(answer: httpx.Response, media: str) -> DataCopy:
    """Raises: ProtocolError for anything but what was asked for: encrypted above all."""
    said = answer.headers.get("content-type", "").partition(";")[0].strip()
    receipt = answer.headers.get("strongroom-receipt", "")
    if said != media or not receipt:
        raise garbage(answer)
    return DataCopy(media, receipt, answer.content)
