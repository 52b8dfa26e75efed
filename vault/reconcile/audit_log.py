"""One entry of the audit log of HashiCorp Vault or OpenBao: what of it matters here. Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

from vault.log.event import read_timestamp

HASHED = "hmac-sha256:"
"""How every text begins that the key server has hashed for its log."""
_HEADER = "x-strongroom-batch"


class Unreadable(ValueError):
    """A line is no entry of an audit log."""


class Hidden(Unreadable):
    """A request was made so deep, or so long, that its entry is not read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A request as it came in, or the answer as it was about to leave."""

    at: int
    """µs since 1970 on the key server's clock."""
    answered: bool
    """False for the request, True for its response, which is logged before anybody gets it."""
    request_id: str
    operation: str
    path: str
    address: str
    who: str
    """The entity, or where there is none the token's accessor."""
    role: str
    policies: frozenset[str]
    failed: bool
    namespace: str
    batch: str
    """The audited header; empty when there is none, or more than one."""
    data: msgspec.Raw

    @property
    def writes(self) -> bool:
        return self.operation in ("create", "update", "patch", "delete")

    def evidence(self) -> dict[str, str]:
        """What a person needs to find this entry again, and whom to ask."""
        told = {"audit_request": self.request_id, "operation": self.operation, "path": self.path,
                "from": self.address, "role": self.role, "entity": self.who, "batch": self.batch}  # fmt: skip
        return {name: text for name, text in told.items() if text}


class _Auth(msgspec.Struct):
    accessor: str | None = None
    display_name: str | None = None
    entity_id: str | None = None
    metadata: dict[str, Any] | None = None
    policies: list[str] | None = None
    token_policies: list[str] | None = None


class _Namespace(msgspec.Struct):
    path: str | None = None


class _Request(msgspec.Struct):
    id: str
    operation: str
    path: str
    remote_address: str | None = None
    namespace: _Namespace | None = None
    headers: dict[str, list[str]] | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Line(msgspec.Struct):
    time: str
    type: str
    request: _Request
    auth: _Auth | None = None
    error: str | None = None


class _Item(msgspec.Struct):
    context: str | None = None


class _Batch(msgspec.Struct):
    batch_input: list[_Item] | None = None
    context: str | None = None


def read_entry(line: bytes) -> Entry:
    """Read one line. Raises: Unreadable."""
    try:
        found = msgspec.json.decode(line, type=_Line)
        at = read_timestamp(found.time)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError, OverflowError):
        raise Unreadable("not an entry of an audit log") from None
    except RecursionError:
        raise Hidden("nested too deep") from None
    if found.type not in ("request", "response"):
        raise Unreadable("neither a request nor a response")
    asked, auth = found.request, found.auth or _Auth()
    sent = [
        value for name, values in (asked.headers or {}).items() if name.lower() == _HEADER for value in values
    ]
    return Entry(
        at=at,
        answered=found.type == "response",
        request_id=asked.id,
        operation=asked.operation,
        path=asked.path,
        address=asked.remote_address or "",
        who=auth.entity_id or auth.accessor or "",
        role=_role(auth),
        policies=frozenset(auth.policies or ()) | frozenset(auth.token_policies or ()),
        failed=bool(found.error),
        namespace=((asked.namespace and asked.namespace.path) or "").strip("/"),
        batch=sent[0] if len(sent) == 1 else "",
        data=asked.data,
    )


def contexts_of(entry: Entry) -> tuple[str, ...]:
    """The context of each item of a transit call, as the log has it. Raises: Unreadable."""
    try:
        body = msgspec.json.decode(entry.data, type=_Batch | None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable("a transit call in another shape") from None
    if body is None:
        return ("",)
    if body.batch_input is None:
        return (body.context or "",)
    return tuple(item.context or "" for item in body.batch_input)


def members_of(entry: Entry) -> frozenset[str]:
    """The names of what a request wrote."""
    try:
        return frozenset(msgspec.json.decode(entry.data, type=dict[str, Any] | None) or ())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return frozenset({"?"})


def _role(auth: _Auth) -> str:
    told = auth.metadata or {}
    named = next((told[name] for name in ("role_name", "role", "cert_name") if told.get(name)), None)
    return str(named or auth.display_name or "")
