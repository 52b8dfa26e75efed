"""What requests look like as JSON. These structs stop here; verbs get values of the model."""

import json
import re
from functools import cache
from typing import Any, Literal

import msgspec
import orjson

from vault.errors import BadRequest, InvalidValue
from vault.fields.forbidden import forbidden_payload

Mode = Literal["all", "each"]


class Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A strict object: an unknown member is an error."""


class NewItem(Body, frozen=True):
    """A value to keep. `subject` overrides the request's."""

    type: str
    value: Any
    subject: str | None = None


class TokenizeBody(Body, frozen=True):
    """`POST /v1/tokenize`"""

    items: list[NewItem]
    subject: str | None = None
    mode: Mode = "all"
    notice: str | None = None


class TokenItem(Body, frozen=True):
    """A token."""

    token: str


class DetokenizeBody(Body, frozen=True):
    """`POST /v1/detokenize`"""

    purpose: str
    items: list[TokenItem]
    reference: str | None = None
    reveal: Literal["plain", "masked"] = "plain"
    mode: Mode = "all"


class SearchBody(Body, frozen=True):
    """`POST /v1/search`"""

    type: str
    value: Any
    purpose: str | None = None


class InspectBody(Body, frozen=True):
    """`POST /v1/inspect`"""

    tokens: list[str]


class EraseBody(Body, frozen=True):
    """`POST /v1/erase`"""

    tokens: list[str]
    reason: str
    mode: Mode = "all"


class EventsBody(Body, frozen=True):
    """`POST /v1/events/query`. Times are RFC 3339; `since` is included, `until` is not."""

    token: str | None = None
    subject: str | None = None
    credential: str | None = None
    purpose: str | None = None
    decision: Literal["allow", "deny"] | None = None
    verb: str | None = None
    since: str | None = None
    until: str | None = None
    order: Literal["newest", "oldest"] = "newest"
    limit: int = 100
    cursor: str | None = None


class BodiesBody(Body, frozen=True, rename={"first": "from"}):
    """`POST /v1/events/bodies`: `limit` numbered events from the index `from` on."""

    first: int
    limit: int = 1024


class NewCredentialBody(Body, frozen=True):
    """`POST /v1/credentials`. With `public_key` (an Ed25519 JWK's `x`) the credential has no secret."""

    name: str
    person: str
    grants: list[str]
    expires: str | None = None
    public_key: str | None = None


class GrantsBody(Body, frozen=True):
    """`POST /v1/credentials/{credential}/grant` and `/ungrant`"""

    grants: list[str]


class RotateBody(Body, frozen=True):
    """`POST /v1/credentials/{credential}/rotate`"""

    public_key: str | None = None


class EmptyBody(Body, frozen=True):
    """`POST /v1/credentials/{credential}/revoke`: `{}`"""


class PolicyBody(Body, frozen=True):
    """`POST /v1/policy/apply`. `base` is the hash of the policy the change was compared with."""

    toml: str
    base: str | None = None


def decode(body: bytes, kind: type[msgspec.Struct]) -> Any:
    """Read a body. Raises: BadRequest that names the place and never quotes what stood there."""
    try:
        return _read(body, kind)
    except msgspec.ValidationError as error:
        _refuse_forbidden(body)
        raise BadRequest("bad_request", _place(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("not_json", "The body is not JSON.") from None


def _read(body: bytes, kind: type[msgspec.Struct]) -> Any:
    found = msgspec.json.decode(body, type=kind)
    if not _surely_unrepeated(body):
        json.loads(body, object_pairs_hook=_refuse_repeated, parse_int=str, parse_float=str)
    return found


def _surely_unrepeated(body: bytes) -> bool:
    """Whether no member stands twice, where that can be told from colons; False where it cannot.

    Of two members with one name one is gone once a body has been read, and its colon with it. Without a
    backslash no other colon comes or goes: those inside texts are written as they were.
    """
    if b"\\" in body:
        return False
    try:
        return body.count(b":") == orjson.dumps(orjson.loads(body)).count(b":")
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return False


def _refuse_repeated(members: list[tuple[str, object]]) -> None:
    """Of two members with one name, who checks a body may read the one and who uses it the other."""
    if len({name for name, _ in members}) != len(members):
        raise BadRequest("bad_request", "A member stands twice in one object.")


def refuse_forbidden_value(value: object) -> None:
    """Raises: InvalidValue when a value holds what no payload may hold at all."""
    found = forbidden_payload(value)
    if found is not None:
        raise InvalidValue("sensitive_authentication_data", f"A {found} may never be stored (PCI DSS 3.3.1).")


def _refuse_forbidden(body: bytes) -> None:
    try:
        refuse_forbidden_value(orjson.loads(body))
    except orjson.JSONDecodeError:
        return


def _place(message: str) -> str:
    """Only the path of msgspec's message is ours to show, and only as far as our own members name it.

    The message quotes an unknown member before the path, and that may be written to look like one.
    """
    form = _PATH.search(message)
    known = form[1] if form is not None and set(form.group(2, 3)) - {None} <= _members() else ""
    what = "has a member this operation does not know" if "unknown field" in message else "is not as expected"
    if "missing required field" in message:
        what = "lacks a required member"
    return f"${known} {what}."


_PATH = re.compile(r" - at `\$(\.([a-z_]+)(?:\[[0-9]{1,6}\](?:\.([a-z_]+))?)?)`$")


@cache
def _members() -> frozenset[str]:
    """The names of every body's members; each face of the API has some of its own."""
    return frozenset(name for kind in Body.__subclasses__() for name in kind.__struct_fields__)
