"""A tenant's log as the service shows it: proofs and tiles to anyone, events to whoever holds the grant."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from vault.cli.failures import CommandError, UsageFault
from vault.cli.http import Api, Problem
from vault.cli.receipts.match import Standing
from vault.log.event import timestamp
from vault.log.malformed import Malformed
from vault.log.notes import NoteKey, read_key
from vault.log.tiles import Tile
from vault.model.names import show_id

_PAGE = 1000
_ABSENT = {"not_sequenced_yet": "pending", "event_not_found": "unknown"}


class ServiceLog:
    """One tenant's log over HTTP."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._log = f"/v1/log/{api.access.tenant}"

    def keys(self, pinned: Sequence[str]) -> list[NoteKey]:
        """The keys to trust: those pinned, else those the log shows. Raises: UsageFault, CommandError."""
        try:
            if pinned:
                return self._ours([read_key(text) for text in pinned])
            return self._ours([read_key(str(text)) for text in self._shown()])
        except Malformed as error:
            raise UsageFault(f"a key: {error.rule}") from None

    def proof(self, event_id: bytes) -> str | Standing:
        """A proof as text, or `pending`, or `unknown`. Raises: Problem, CommandError."""
        try:
            return self._text(f"{self._log}/proof/{show_id('evt', event_id)}")
        except Problem as problem:
            if problem.http_status == 404 and problem.code in _ABSENT:
                return _ABSENT[problem.code]
            raise

    def entries(self, tile: Tile) -> bytes:
        """An entry bundle. Raises: Problem, CommandError."""
        return self._api.fetch(f"{self._log}/tile/entries/{tile.place}", plane="audit")

    def events(self, purpose: str, since: int | None, until: int | None) -> Iterator[dict[str, Any]]:
        """Every opening for a purpose, oldest first. Reading is an event too. Raises: Problem."""
        asked: dict[str, Any] = {"verb": "detokenize", "purpose": purpose, "order": "oldest", "limit": _PAGE}
        asked |= {"since": timestamp(since)} if since is not None else {}
        asked |= {"until": timestamp(until)} if until is not None else {}
        while True:
            answer = self._api.post("/v1/events/query", asked, plane="audit", patient=True)
            yield from answer["events"]
            if answer["next"] is None:
                return
            asked["cursor"] = answer["next"]

    def _shown(self) -> list[object]:
        try:
            return list(orjson.loads(self._text(f"{self._log}/keys"))["log"])
        except (ValueError, KeyError, TypeError):
            raise CommandError("the log shows no keys that can be read") from None

    def _ours(self, keys: list[NoteKey]) -> list[NoteKey]:
        """A key of another tenant's log would let that one's proofs pass for ours."""
        if any(key.name.rpartition("/")[2] != self._api.access.tenant for key in keys):
            raise UsageFault(f"a key is not of the log of {self._api.access.tenant}")
        return keys

    def _text(self, path: str) -> str:
        try:
            return self._api.fetch(path, plane="audit").decode()
        except UnicodeDecodeError:
            raise CommandError(f"the answer to {path} is not text") from None
