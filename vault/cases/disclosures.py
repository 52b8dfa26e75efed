"""Who may receive what about a subject: the register's recipients, and whether a field may go to one. Pure.

Total, with refusals in this order: recipient ended, undertaking missing or expired, class not needed, country
blocked, no safeguard abroad, no legal reference, no second person.
"""

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from vault.cases import documents
from vault.cases.documents import BadDocument, Document
from vault.cases.machine import Case
from vault.fields.codes import COUNTRIES
from vault.model.ask import Allowed, Decision, Denied
from vault.model.grants import CLASSES
from vault.model.lines import acceptable_line
from vault.model.names import acceptable_reference

RecipientKind = Literal["authority", "provider", "affiliate"]
RECIPIENT_KINDS: tuple[RecipientKind, ...] = ("authority", "provider", "affiliate")
NAME = re.compile(r"[a-z0-9_-]{1,32}", re.ASCII)
_BOUND = ("provider", "affiliate")
_ORDER = {"v", "recipient", "legal_reference", "tokens", "sealed"}
_TERMS = {"classes", "undertaking", "safeguard", "expires", "ended"}
_RECIPIENT = {"v", "name", "title", "kind", "country", *_TERMS}


class RecipientError(ValueError):
    """No such recipient can be. `rule` says why and names no value."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Recipient:
    """One who may receive personal data. Raises: RecipientError."""

    name: str
    title: str
    kind: RecipientKind
    country: str
    """ISO 3166-1 alpha-2."""
    classes: frozenset[str]
    """Classes of field it needs to know."""
    undertaking: str | None = None
    """Contract or undertaking on file."""
    safeguard: str | None = None
    """What protects the data in another country."""
    expires: date | None = None
    """Last day of the undertaking."""
    ended: bool = False

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class Borders:
    """Where the tenant is at home, and where nothing may go."""

    home_country: str
    blocked_countries: frozenset[str] = frozenset()

    def blocks(self, country: str) -> bool:
        """Whether nothing may go there, however the list spells it."""
        return country.upper() in {one.strip().upper() for one in self.blocked_countries}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One field of one subject that should go to a recipient, and on what ground."""

    subject: str
    token: str
    field_class: str
    legal_reference: str | None
    approved: Case | None = field(default=None, compare=False)
    """For an authority: the case in which two persons approved it."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a disclosure case decides: these fields, to this recipient, on this ground.

    Raises: RecipientError.
    """

    recipient: str
    legal_reference: str
    tokens: tuple[str, ...]
    """Sorted, each once."""
    sealed: bool = False
    """The order says that it stays confidential."""

    def __post_init__(self) -> None:
        if NAME.fullmatch(self.recipient) is None or not acceptable_reference(self.legal_reference):
            raise RecipientError("an order names its recipient and legal reference")
        if not self.tokens or self.tokens != tuple(sorted(set(self.tokens))):
            raise RecipientError("an order names its tokens, sorted, each once")


def may_disclose(recipient: Recipient, wanted: Wanted, *, borders: Borders, today: date) -> Decision:
    """Whether this field may go to this recipient today."""
    refused = (
        _standing(recipient, today)
        or _need(recipient, wanted.field_class)
        or _border(recipient, borders)
        or _ground(recipient, wanted)
    )
    return refused or Allowed(f"{recipient.kind} {recipient.name} needs class {wanted.field_class}")


def order_document(order: Order) -> dict[str, object]:
    """The order as the document of a disclosure case's act `decide`."""
    return {
        "v": 1,
        "recipient": order.recipient,
        "legal_reference": order.legal_reference,
        "tokens": list(order.tokens),
        "sealed": order.sealed,
    }


def read_order(document: Document) -> Order:
    """Read what `order_document` wrote. Raises: BadDocument."""
    found = documents.members(document, _ORDER)
    recipient, reference = documents.text(found["recipient"]), documents.text(found["legal_reference"])
    tokens = tuple(documents.text(one) for one in documents.rows(found["tokens"]))
    try:
        order = Order(recipient, reference, tokens, documents.flag(found["sealed"]))
    except RecipientError as error:
        raise BadDocument(error.rule) from None
    if documents.write(order_document(order)) != documents.write(document):
        raise BadDocument("not the one spelling of this order")
    return order


def recipient_document(recipient: Recipient) -> dict[str, object]:
    """The recipient as the register keeps it; `read_recipient` reads it back."""
    return {
        "v": 1,
        "name": recipient.name,
        "title": recipient.title,
        "kind": recipient.kind,
        "country": recipient.country,
        "classes": sorted(recipient.classes),
        "undertaking": recipient.undertaking,
        "safeguard": recipient.safeguard,
        "expires": recipient.expires.isoformat() if recipient.expires else None,
        "ended": recipient.ended,
    }


def read_recipient(document: object) -> Recipient:
    """Read what `recipient_document` wrote. Raises: BadDocument."""
    found = documents.members(document, _RECIPIENT)
    kind = next((one for one in RECIPIENT_KINDS if one == found["kind"]), None)
    if kind is None:
        raise BadDocument(f"a recipient is one of {', '.join(RECIPIENT_KINDS)}")
    try:
        recipient = Recipient(
            documents.text(found["name"]),
            documents.text(found["title"]),
            kind,
            documents.text(found["country"]),
            frozenset(map(documents.text, documents.rows(found["classes"]))),
            undertaking=documents.maybe(documents.text, found["undertaking"]),
            safeguard=documents.maybe(documents.text, found["safeguard"]),
            expires=documents.maybe(documents.day, found["expires"]),
            ended=documents.flag(found["ended"]),
        )
    except RecipientError as error:
        raise BadDocument(error.rule) from None
    if recipient_document(recipient) != document:
        raise BadDocument("not the one spelling of this recipient")
    return recipient


def _standing(recipient: Recipient, today: date) -> Denied | None:
    if recipient.ended:
        return Denied("recipient_ended", f"{recipient.name} is no recipient any more")
    if recipient.kind in _BOUND and recipient.undertaking is None:
        return Denied("undertaking_missing", f"no contract or undertaking of {recipient.name} is on file")
    if recipient.expires is not None and today > recipient.expires:
        return Denied("undertaking_expired", f"the undertaking ended on {recipient.expires}")
    return None


def _need(recipient: Recipient, field_class: str) -> Denied | None:
    if field_class in recipient.classes:
        return None
    return Denied("not_needed_to_know", f"{recipient.name} does not need this class")


def _border(recipient: Recipient, borders: Borders) -> Denied | None:
    if borders.blocks(recipient.country):
        return Denied("country_blocked", f"nothing goes to {recipient.country}")
    if recipient.country != borders.home_country and recipient.safeguard is None:
        return Denied("safeguard_missing", f"no safeguard for {recipient.country} is on record")
    return None


def _ground(recipient: Recipient, wanted: Wanted) -> Denied | None:
    if wanted.legal_reference is None or not acceptable_reference(wanted.legal_reference):
        return Denied("legal_reference_required", "a disclosure names its order, contract or law")
    # A case that is named must approve, whoever receives: it is what the caller refers to.
    if (recipient.kind == "authority" or wanted.approved is not None) and not _approved(recipient, wanted):
        return Denied("two_persons_required", "two persons approve what goes to an authority")
    return None


def _approved(recipient: Recipient, wanted: Wanted) -> bool:
    """Whether the case names exactly this: subject, recipient, ground and token, decided and released."""
    case = wanted.approved
    if case is None or case.kind != "disclosure" or case.state not in ("released", "carried_out"):
        return False
    if case.decided is None or case.released is None or case.subject != wanted.subject:
        return False
    try:
        order = read_order(case.decided.document)
    except BadDocument:
        return False
    named = (order.recipient, order.legal_reference) == (recipient.name, wanted.legal_reference)
    return named and wanted.token in order.tokens


def _check(recipient: Recipient) -> None:
    if NAME.fullmatch(recipient.name) is None or not acceptable_line(recipient.title):
        raise RecipientError("a recipient has a name [a-z0-9_-]{1,32} and a title of one line")
    if recipient.kind not in RECIPIENT_KINDS:
        raise RecipientError(f"a recipient is one of {', '.join(RECIPIENT_KINDS)}")
    if recipient.country not in COUNTRIES:
        raise RecipientError("a country is written as in ISO 3166-1, in two capital letters")
    if not recipient.classes <= set(CLASSES):
        raise RecipientError(f"a class is one of {', '.join(CLASSES)}")
    for named in (recipient.undertaking, recipient.safeguard):
        if named is not None and not acceptable_line(named):
            raise RecipientError("undertaking and safeguard are one line each")
