"""One access, allowed or denied: its canonical body, its commitment, its entry (docs/FORMATS.md §4). Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

import msgspec
import orjson

from vault.model.ask import Caller
from vault.model.names import show_id

SALT_BYTES = 32
ENTRY_VERSION = b"\x01"


class Draft(msgspec.Struct, frozen=True):
    """An event as a verb knows it, before it has an identity, a time and a salt.

    Nothing a caller typed goes in unchecked: `token` only when its check characters hold (else
    "malformed"), `subject` and `reference` only in their strict alphabet.
    """

    caller: Caller
    verb: str
    decision: Literal["allow", "deny"]
    reason: str
    """The rule that allowed, or the problem code that denied."""
    token: str | None = None
    field_type: str | None = None
    subject: str | None = None
    purpose: str | None = None
    reference: str | None = None
    dek_id: bytes | None = None
    policy: str | None = None
    detail: Mapping[str, str | int] = msgspec.field(default_factory=dict)
    sealed: bool = False
    """The law keeps it confidential: only those with the grant events_sealed read it. Not in the body."""


class Event(msgspec.Struct, frozen=True):
    """A stamped event. `body` is guarded; `entry` says nothing and may be shown to anyone."""

    event_id: bytes
    draft: Draft
    body: bytes
    salt: bytes
    commitment: bytes

    @property
    def entry(self) -> bytes:
        """The 49 bytes that become a leaf: version, event id, commitment."""
        return entry(self.event_id, self.commitment)


def entry(event_id: bytes, commitment: bytes) -> bytes:
    """`01 | event id 16 | commitment 32`."""
    return ENTRY_VERSION + event_id + commitment


def commit_to(body: bytes, salt: bytes) -> bytes:
    """SHA-256 over the salt, then the body: binding, and silent without the salt."""
    return sha256(salt + body).digest()


class Stamp:
    """Gives drafts an identity each, and the time (µs, UTC) and place in a signed list that they share."""

    def __init__(self, *, at: int, place: Mapping[str, str | int]) -> None:
        self._shared = {"v": 1, "time": timestamp(at), **place}
        self._frames: dict[int, tuple[Caller, dict[str, str | int]]] = {}

    def event(self, draft: Draft, *, event_id: bytes, salt: bytes) -> Event:
        """The event of a draft."""
        body = canonical(_members(draft, event_id, self._frame(draft.caller)))
        return Event(event_id, draft, body, salt, commit_to(body, salt))

    def _frame(self, caller: Caller) -> Mapping[str, str | int]:
        """What all events of one caller in this list say."""
        known = self._frames.get(id(caller))
        if known is None:
            # With the caller, who must live as long as it is known by its identity.
            known = self._frames[id(caller)] = (caller, _of_caller(caller) | self._shared)
        return known[1]


def canonical(members: Mapping[str, object]) -> bytes:
    """RFC 8785 for strings, integers and lists of them: sorted keys, no spaces, UTF-8."""
    return orjson.dumps(members, option=orjson.OPT_SORT_KEYS)


def timestamp(microseconds: int) -> str:
    """RFC 3339 in UTC with microseconds, the spelling of every time in a body or an answer."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def read_timestamp(text: str) -> int:
    """Read what `timestamp` wrote. Raises: ValueError."""
    passed = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def _of_caller(caller: Caller) -> dict[str, str | int]:
    return {
        "tenant": caller.tenant,
        "actor": caller.credential,
        "person": caller.person,
        "auth_method": caller.auth_method,
        "client_ip": caller.address,
        "request_id": caller.request_id,
    }


def _members(draft: Draft, event_id: bytes, frame: Mapping[str, str | int]) -> dict[str, str | int]:
    members: dict[str, str | int | None] = {
        **draft.detail,  # first, so that no detail can stand in the place of a member below
        **frame,
        "event_id": show_id("evt", event_id),
        "verb": draft.verb,
        "decision": draft.decision,
        "reason": draft.reason,
        "purpose": draft.purpose,
        "reference": draft.reference,
        "token": draft.token,
        "field_type": draft.field_type,
        "subject": draft.subject,
        "dek_id": draft.dek_id.hex() if draft.dek_id else None,
        "policy": draft.policy,
    }
    return {name: value for name, value in members.items() if value is not None}
