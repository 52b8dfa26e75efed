"""Who asks for what, and what was decided. Pure values."""

from dataclasses import dataclass
from typing import Literal

import msgspec

Verb = Literal[
    "tokenize", "detokenize", "search", "inspect", "erase",
    "events", "events_sealed", "credentials", "policy",
    "notices", "consent", "subjects", "replace", "retention", "holds", "cases", "release", "recipients",
    "export", "disclose", "honey",
]  # fmt: skip
Form = Literal["plain", "masked"]

PLANES: dict[str, str] = {
    "tokenize": "ingest",
    "detokenize": "reveal",
    "search": "reveal",
    "inspect": "reveal",
    "export": "reveal",
    "disclose": "reveal",
    "erase": "office",
    "notices": "office",
    "consent": "office",
    "subjects": "office",
    "replace": "office",
    "retention": "office",
    "holds": "office",
    "cases": "office",
    "release": "office",
    "recipients": "office",
    "honey": "office",
    "events": "audit",
    "events_sealed": "audit",
    "credentials": "control",
    "policy": "control",
}
"""The plane that serves each verb."""

OPENING = frozenset({"detokenize", "search", "export", "disclose"})
"""Verbs that let something about a value out; no credential carries one of them beside `tokenize`."""

PURPOSEFUL = frozenset({"detokenize", "search"})
"""Verbs whose grant names a purpose."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One right: a verb, for a purpose where the verb wants one, on classes of field (empty: all)."""

    verb: str
    purpose: str | None = None
    classes: frozenset[str] = frozenset()

    def __str__(self) -> str:
        purpose = f":{self.purpose}" if self.purpose else ""
        classes = f"@{','.join(sorted(self.classes))}" if self.classes else ""
        return f"{self.verb}{purpose}{classes}"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated credential at the moment of a request."""

    tenant: str
    credential: str
    person: str
    grants: tuple[Grant, ...]
    auth_method: str
    address: str
    request_id: str
    frozen: bool = False
    """A person must look at it first: it has a name and no right."""

    def may(self, verb: str, *, purpose: str | None = None) -> tuple[Grant, ...]:
        """The grants that cover `verb` for `purpose`; empty when there is none."""
        return tuple(g for g in self.grants if g.verb == verb and (purpose is None or g.purpose == purpose))


class Ask(msgspec.Struct, frozen=True):
    """One caller, one verb, one purpose, one token (or, for tokenize, one field type)."""

    caller: Caller
    verb: str
    field_type: str = ""
    field_class: str = ""
    purpose: str | None = None
    token: str | None = None
    form: Form = "plain"
    reference: str | None = None


class Allowed(msgspec.Struct, frozen=True):
    """Yes, by this rule."""

    rule: str


class Denied(msgspec.Struct, frozen=True):
    """No, for this reason: a stable problem code, and the rule in words that name no value."""

    code: str
    rule: str = ""
    still_applies: tuple[tuple[str, str], ...] | None = None
    """For a refusal that the person brought about: (purpose, basis) of what goes on regardless."""


Decision = Allowed | Denied
