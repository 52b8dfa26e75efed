"""The office plane over HTTP: who may receive personal data, and who has received what."""

from datetime import date
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import Body, decode
from vault.api.operation import OFFICE_STATUSES, Operation
from vault.cases.disclosures import Recipient, RecipientError, recipient_document
from vault.errors import BadRequest
from vault.log.event import timestamp
from vault.model.names import acceptable_reason, acceptable_reference, read_id, show_id
from vault.model.token import MalformedToken, parse
from vault.service import recipients
from vault.service.authenticate import Authenticator
from vault.service.parts import Office
from vault.store.recipients import Disclosure, Wanted

_MOST = 1000


class RecipientItem(Body, frozen=True):
    """A recipient as it stands from now on. `expires` is the last day of its undertaking."""

    name: str
    title: str
    kind: Literal["authority", "provider", "affiliate"]
    country: str
    classes: list[str]
    undertaking: str | None = None
    safeguard: str | None = None
    expires: str | None = None
    ended: bool = False


class RecipientsBody(Body, frozen=True):
    """`POST /v1/recipients`: the next version of each, or of none."""

    items: list[RecipientItem]


class DisclosuresBody(Body, frozen=True):
    """`POST /v1/disclosures/query`: each member narrows."""

    subject: str | None = None
    token: str | None = None
    recipient: str | None = None
    limit: int = 1000
    cursor: str | None = None


class RecipientsApi:
    """`/v1/recipients`, `/v1/disclosures/query`"""

    def __init__(self, authenticator: Authenticator, parts: Office) -> None:
        self._authenticator = authenticator
        self._parts = parts

    async def put_recipients(self, request: Request) -> Response:
        """The next version of each recipient. What was on file before stays on record."""
        caller, raw = await edge.received(request, self._authenticator)
        body: RecipientsBody = decode(raw, RecipientsBody)
        edge.count(request, body.items)
        if len({one.name for one in body.items}) != len(body.items):
            raise BadRequest("bad_recipient", "A recipient stands twice in the request.")
        done = await recipients.put(caller, [_recipient(one) for one in body.items], self._parts)
        return edge.answer({"items": [_shown(one) | {"receipt": one.receipt} for one in done]})

    async def list_recipients(self, request: Request) -> Response:
        """Every recipient as it stands."""
        caller = await edge.caller(request, self._authenticator)
        found = await recipients.listing(caller, self._parts)
        return edge.answer({"recipients": [_shown(one) for one in found]})

    async def query_disclosures(self, request: Request) -> Response:
        """Who has received anything, the newest first. Sealed ones are there for grant `release` alone."""
        caller, raw = await edge.received(request, self._authenticator)
        body: DisclosuresBody = decode(raw, DisclosuresBody)
        if not 1 <= body.limit <= _MOST:
            raise BadRequest("bad_request", f"limit is 1 to {_MOST}.")
        wanted = Wanted(
            edge.checked_reference(body.subject, "subject"),
            _token(body.token),
            checked_name(body.recipient) if body.recipient is not None else None,
        )
        found = await recipients.disclosed(
            caller, wanted, self._parts, after=_cursor(body.cursor), limit=body.limit
        )
        following = show_id("evt", found.next) if found.next else None
        return edge.answer({"disclosures": [_given(one) for one in found.given], "next": following})


def checked_name(text: str) -> str:
    """A recipient's name as the log may repeat it. Raises: BadRequest."""
    if not acceptable_reference(text):
        raise BadRequest("bad_recipient", "a recipient has a name [a-z0-9_-]{1,32}, and none like a number.")
    return text


def _recipient(body: RecipientItem) -> Recipient:
    """Raises: BadRequest."""
    lines = [body.title, *(one for one in (body.undertaking, body.safeguard) if one is not None)]
    if not all(map(acceptable_reason, lines)):
        raise BadRequest(
            "bad_recipient",
            "title, undertaking and safeguard are one line of 1 to 200 characters each, with nothing like "
            "a phone, tax or account number or an address.",
        )
    expires: date | None = edge.read_day(body.expires, "expires") if body.expires is not None else None
    try:
        return Recipient(
            checked_name(body.name),
            body.title,
            body.kind,
            body.country,
            frozenset(body.classes),
            undertaking=body.undertaking,
            safeguard=body.safeguard,
            expires=expires,
            ended=body.ended,
        )
    except RecipientError as error:
        raise BadRequest("bad_recipient", error.rule) from None


def _token(text: str | None) -> str | None:
    """Raises: BadRequest: what is no token may be a value sent by mistake."""
    try:
        return parse(text).text if text is not None else None
    except MalformedToken:
        raise BadRequest("malformed_token", "token is not a token.") from None


def _cursor(text: str | None) -> bytes | None:
    """Raises: BadRequest."""
    try:
        return read_id("evt", text) if text is not None else None
    except ValueError:
        raise BadRequest("bad_cursor", "cursor is what the page before gave as next.") from None


def _shown(one: recipients.OnFile) -> dict[str, object]:
    """What the log does not bear out is named, and nothing of it shown."""
    if one.recipient is None:
        return {"name": one.name, "version": one.number, "proven": False}
    document = {name: value for name, value in recipient_document(one.recipient).items() if name != "v"}
    return {**document, "version": one.number, "proven": True}


def _given(one: Disclosure) -> dict[str, object]:
    return {
        "event": show_id("evt", one.event_id),
        "subject": one.subject,
        "token": one.token,
        "type": one.field_type,
        "recipient": one.recipient,
        "country": one.country,
        "legal_reference": one.reference,
        "sealed": one.sealed,
        "at": timestamp(one.recorded_at),
    }


_ASKED: dict[str, Any] = {
    "name": "mailer",
    "title": "Bulk Mail Private Limited",
    "kind": "provider",
    "country": "IN",
    "classes": ["contact"],
    "undertaking": "Data processing agreement of 2 May 2026",
    "safeguard": None,
    "expires": "2027-05-01",
    "ended": False,
}
_ON_FILE: dict[str, Any] = {**_ASKED, "version": 1, "proven": True}
_GIVEN: dict[str, Any] = {
    "event": "evt_0069ctx8xfj0m4e2s7c5v9k3qd",
    "subject": "cust-8472",
    "token": "tok_email_1m3vqxq3b9w0zk7a8ph2n5rcyd5g",
    "type": "email",
    "recipient": "mailer",
    "country": "IN",
    "legal_reference": "dpa-2026-05",
    "sealed": False,
    "at": "2026-11-07T09:30:00.000000Z",
}


def _operation(does: str, path: str, summary: str, body: type[Body] | None, **more: Any) -> Operation:
    method = "POST" if body is not None else "GET"
    return Operation("recipients", does, method, path, summary, body, statuses=OFFICE_STATUSES, **more)


OPERATIONS = (
    _operation(
        "put_recipients",
        "/v1/recipients",
        "The next version of recipients, and on which terms they receive",
        RecipientsBody,
        example={"items": [_ASKED]},
        answer={"items": [_ON_FILE | {"receipt": "rcp_AQZBuk…"}]},
    ),
    _operation(
        "list_recipients",
        "/v1/recipients",
        "Every recipient as it stands",
        None,
        answer={"recipients": [_ON_FILE]},
    ),
    _operation(
        "query_disclosures",
        "/v1/disclosures/query",
        "Who has received anything about a subject",
        DisclosuresBody,
        example={"subject": "cust-8472"},
        answer={"disclosures": [_GIVEN], "next": None},
    ),
)
