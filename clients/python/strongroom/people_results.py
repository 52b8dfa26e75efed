"""What calls about people return: frozen values. Days are civil days, where the law of the vault is."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias

Act: TypeAlias = Literal["grant", "withdraw", "object"]
"""What a person may say about a purpose."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What one person said about one purpose, and what that does under the policy in force."""

    subject: str
    purpose: str
    act: str
    source: str
    notice: str | None
    at: datetime
    effect: str
    """`applies`, `stops`, or `recorded` where the purpose rests on something else and goes on."""
    explanation: str
    """The same in words for the person."""
    receipt: str | None
    """Of recording it; none when it is read from the history."""


@dataclass(frozen=True, slots=True)
class OutdatedConsent:
    """A consent in force that was given before a notice took effect."""

    subject: str
    purpose: str
    notice: str | None
    given: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """One version of the privacy notice in one language."""

    name: str
    """version/language: how a tokenization or a consent names it."""
    version: str
    language: str
    title: str
    effective: datetime
    sha256: str
    purposes: tuple[str, ...]
    receipt: str | None


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact about a subject on record: `closed`, `reopened`, `invoiced` or `active`."""

    subject: str
    fact: str
    on: date
    reference: str | None
    receipt: str


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """One record of a subject, without its value."""

    token: str
    type: str
    state: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """What the vault knows of somebody, without values."""

    subject: str
    account: str
    """`open` or `closed`."""
    since: date | None
    """Since when; None for an account that was never closed."""
    invoiced: date | None
    """The day of the last invoice."""
    active: date | None
    """The last sign of life."""
    open_holds: int
    records: tuple[SubjectRecord, ...]


@dataclass(frozen=True, slots=True)
class Lifted:
    """How a hold ended, and by whom."""

    reason: str
    credential: str
    person: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold, and who placed it. Without a token, everything about the subject is held."""

    hold_id: str
    subject: str
    token: str | None
    reason: str
    reference: str
    credential: str
    person: str
    placed: datetime
    lifted: Lifted | None
    receipt: str | None
    """Of placing or lifting it; none when it is read from the list."""
