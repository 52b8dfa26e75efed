"""What calls return: frozen values. Unknown members of an answer are ignored, so that the vault may grow.

In mode `each` an item that failed stands in its place as `NotTokenized` or `NotDone`: its `problem` says
why, and reading the result it does not have raises the matching error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NoReturn, TypeAlias

from strongroom.errors import Problem
from strongroom.values import Plain, Value

Mode: TypeAlias = Literal["all", "each"]
"""`all`: a bad item fails its request; `each`: every item has a result or a problem of its own."""


@dataclass(frozen=True, slots=True)
class Tokenized:
    """One value sealed. Keep `token`, show `masked` if you like, file `receipt` with your records."""

    token: str
    type: str
    subject: str
    masked: Plain
    receipt: str

    @property
    def problem(self) -> None:
        """No problem."""
        return


@dataclass(frozen=True, slots=True)
class NotTokenized:
    """One value that was not sealed, and why."""

    type: str
    subject: str
    problem: Problem

    @property
    def token(self) -> NoReturn:
        raise self.problem.error()

    masked = receipt = token


@dataclass(frozen=True, slots=True)
class Opened:
    """One token opened, on record under `receipt`."""

    token: str
    type: str
    value: Value
    receipt: str

    @property
    def problem(self) -> None:
        """No problem."""
        return


@dataclass(frozen=True, slots=True)
class Masked:
    """One token shown masked, on record under `receipt`."""

    token: str
    type: str
    masked: Plain
    receipt: str

    @property
    def problem(self) -> None:
        """No problem."""
        return


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the vault tells of a token without opening it."""

    token: str
    type: str
    subject: str
    state: str
    created: datetime | None
    versions: int | None
    erased: datetime | None

    @property
    def problem(self) -> None:
        """No problem."""
        return


@dataclass(frozen=True, slots=True)
class Erasure:
    """One token whose value is gone for ever, or archived because a law still needs it; under `receipt`."""

    token: str
    erased: datetime | None
    """None for what is archived."""
    receipt: str
    tell: tuple[str, ...] = ()
    """Recipients who were given the value, and are to be told."""
    state: str = "shredded"
    """`shredded`; `erasing` while its key waits to be destroyed; `archived` while a law keeps it."""
    until: date | None = None
    """For archived: the last day; None while the relationship has no end."""
    law: str | None = None
    """For archived: what keeps it."""

    @property
    def problem(self) -> None:
        """No problem."""
        return


@dataclass(frozen=True, slots=True)
class NotDone:
    """One token that was not opened, inspected or erased, and why."""

    token: str
    problem: Problem

    @property
    def value(self) -> NoReturn:
        raise self.problem.error()

    masked = type = receipt = subject = state = created = versions = erased = value


@dataclass(frozen=True, slots=True)
class Found:
    """The tokens that hold the value looked for, and the receipt of having looked."""

    tokens: tuple[str, ...]
    receipt: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One access on record: who, what, when, for which purpose, by which rule."""

    event_id: str
    time: datetime
    verb: str
    decision: str
    credential: str | None
    """Who; none for failed log-ins."""
    person: str | None
    reason: str | None
    purpose: str | None
    reference: str | None
    token: str | None
    type: str | None
    subject: str | None
    policy: str | None
    """Hash of the policy in force."""
    document: Mapping[str, object]
    """The event as the vault wrote it, with all its members."""


@dataclass(frozen=True, slots=True)
class Field:
    """A type of field the vault knows: its class, the parts of a composite, and whether it may be used."""

    type: str
    field_class: str
    title: str
    parts: tuple[str, ...]
    searchable: bool
    disabled: str | None
    """Why it may not be used, where it may not."""
    document: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Policy:
    """What each purpose may see of each class of field, and the hash that stands in each event."""

    hash: str
    matrix: Mapping[tuple[str, str], str]
    """(class, purpose) → `plain` or `masked`; what is absent is closed."""
    document: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, and where the next ones begin."""

    events: tuple[Event, ...]
    next: str | None


TokenizedItem: TypeAlias = Tokenized | NotTokenized
OpenedItem: TypeAlias = Opened | NotDone
MaskedItem: TypeAlias = Masked | NotDone
InspectedItem: TypeAlias = Inspected | NotDone
ErasedItem: TypeAlias = Erasure | NotDone
