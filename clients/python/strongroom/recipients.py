"""What a client can say and ask about recipients, each call once, as flows, as in `verbs.py`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

from strongroom.answers import Document, maybe, objects, text, time
from strongroom.calls import Call, Caller
from strongroom.errors import Misused, ProtocolError
from strongroom.flow import Flow
from strongroom.people import Leaf
from strongroom.people_items import about, following
from strongroom.results import Mode
from strongroom.values import encode

RecipientKind: TypeAlias = Literal["authority", "provider", "affiliate"]


class Terms(TypedDict):
    """On which terms a recipient receives."""

    title: str
    kind: RecipientKind
    country: str
    """ISO 3166-1 alpha-2."""
    classes: Iterable[str]
    """Classes of field it needs to know."""
    undertaking: NotRequired[str | None]
    safeguard: NotRequired[str | None]
    expires: NotRequired[date | None]
    """Last day of the undertaking."""
    ended: NotRequired[bool]


@dataclass(frozen=True, slots=True)
class Recipient:
    """One who may receive personal data, and on which terms."""

    name: str
    version: int
    proven: bool
    """False when the log does not bear it out: then nothing more is told of it, and it is given nothing."""
    title: str | None
    kind: str | None
    country: str | None
    classes: tuple[str, ...]
    undertaking: str | None
    safeguard: str | None
    expires: date | None
    ended: bool
    receipt: str | None
    """Of putting it on file; none when it is read from the register."""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One field that was given to a recipient, on record as `event_id`."""

    event_id: str
    subject: str
    token: str
    type: str
    recipient: str
    country: str
    legal_reference: str
    sealed: bool
    """An order keeps it confidential."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Ground:
    """To whom values go, and on what ground."""

    recipient: str
    legal_reference: str
    case: str | None = None
    mode: Mode = "all"

    def head(self) -> bytes:
        """How the body of a disclose request begins."""
        members = {"recipient": self.recipient, "legal_reference": self.legal_reference, "mode": self.mode}
        if self.case is not None:
            members["case"] = self.case
        return encode(members)[:-1]


class Recipients:
    """The verbs about recipients, over a Caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def put(self, terms: Mapping[str, object]) -> Flow[Recipient]:
        """The next version of a recipient."""

        def read(answer: Document) -> Recipient:
            one = _recipient(objects(answer, "items", 1)[0])
            return about(one, terms["name"], one.name)

        call = Call("office", "/v1/recipients", encode({"items": [dict(terms)]}), safety="once")
        return self._caller.call(call, read)

    def listing(self) -> Flow[list[Recipient]]:
        """Every recipient as it stands."""
        call = Call("office", "/v1/recipients", method="GET")
        return self._caller.call(call, lambda answer: list(map(_recipient, objects(answer, "recipients"))))

    def disclosures(self, which: Mapping[str, object], cursor: str | None) -> Flow[Leaf[Disclosure]]:
        """One page of what was given."""
        body = dict(which) | ({"cursor": cursor} if cursor is not None else {})
        return self._caller.call(
            Call("office", "/v1/disclosures/query", encode(body)),
            lambda answer: Leaf(
                tuple(map(_disclosure, objects(answer, "disclosures"))), following(answer, cursor)
            ),
        )


def terms_of(name: str, terms: Terms) -> dict[str, object]:
    """A recipient as the vault takes it. Raises: Misused."""
    classes, expires = terms["classes"], terms.get("expires")
    if isinstance(classes, str):
        raise Misused("not_a_list", "Pass a list of classes, not one text.")
    if isinstance(expires, datetime):
        raise Misused("not_a_day", "A day is a date, without a time.")
    day = expires.isoformat() if expires is not None else None
    members = {"name": name, **terms, "classes": list(classes), "expires": day}
    return {member: value for member, value in members.items() if value is not None}


def _recipient(item: Document) -> Recipient:
    version, classes = item.get("version"), item.get("classes", [])
    if not isinstance(version, int) or isinstance(version, bool) or not isinstance(classes, list):
        raise ProtocolError
    expires = maybe(item, "expires")
    return Recipient(
        name=text(item, "name"),
        version=version,
        proven=item.get("proven") is True,
        title=maybe(item, "title"),
        kind=maybe(item, "kind"),
        country=maybe(item, "country"),
        classes=tuple(map(str, classes)),
        undertaking=maybe(item, "undertaking"),
        safeguard=maybe(item, "safeguard"),
        expires=_day(expires) if expires is not None else None,
        ended=item.get("ended") is True,
        receipt=maybe(item, "receipt"),
    )


def _disclosure(item: Document) -> Disclosure:
    return Disclosure(
        event_id=text(item, "event"),
        subject=text(item, "subject"),
        token=text(item, "token"),
        type=text(item, "type"),
        recipient=text(item, "recipient"),
        country=text(item, "country"),
        legal_reference=text(item, "legal_reference"),
        sealed=item.get("sealed") is True,
        at=time(item, "at"),
    )


def _day(shown: str) -> date:
    try:
        return date.fromisoformat(shown)
    except ValueError:
        pass
    raise ProtocolError
