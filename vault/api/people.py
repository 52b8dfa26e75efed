"""The office plane over HTTP: what people were told, and what they say about it."""

import re
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import Body, decode
from vault.api.operation import OFFICE_STATUSES, Operation
from vault.errors import BadRequest
from vault.log.event import timestamp
from vault.service import consent, notices
from vault.service.authenticate import Authenticator
from vault.service.parts import Office
from vault.store.notices import Notice

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOST = 1000
_RECEIPT = "rcp_AQZBuk…"


class ConsentAct(Body, frozen=True):
    """What one person said about one purpose. `at` is RFC 3339; absent, it is now."""

    subject: str
    purpose: str
    act: Literal["grant", "withdraw", "object"]
    source: str
    notice: str | None = None
    at: str | None = None


class ConsentsBody(Body, frozen=True):
    """`POST /v1/consents`: all of it is recorded, or nothing."""

    items: list[ConsentAct]


class SubjectBody(Body, frozen=True):
    """`POST /v1/consents/history`"""

    subject: str


class OutdatedBody(Body, frozen=True):
    """`POST /v1/consents/outdated`: `notice` is a version, or version/language."""

    notice: str
    purpose: str | None = None
    limit: int = 1000
    cursor: str | None = None


class NoticeBody(Body, frozen=True):
    """`POST /v1/notices`. `effective` is RFC 3339; `sha256` is of the text as it was published."""

    version: str
    language: str
    title: str
    effective: str
    sha256: str
    purposes: list[str]


class PeopleApi:
    """`/v1/notices`, `/v1/consents`, `/v1/consents/history`, `/v1/consents/outdated`"""

    def __init__(self, authenticator: Authenticator, parts: Office) -> None:
        self._authenticator = authenticator
        self._parts = parts

    async def publish_notice(self, request: Request) -> Response:
        """A version of the privacy notice; it is never changed afterwards."""
        caller, raw = await edge.received(request, self._authenticator)
        new = _notice(decode(raw, NoticeBody))
        receipt = await notices.publish(caller, new, self._parts)
        return edge.answer(_shown_notice(new) | {"receipt": receipt}, 201)

    async def list_notices(self, request: Request) -> Response:
        """Every version, the newest first."""
        caller = await edge.caller(request, self._authenticator)
        found = await notices.listing(caller, self._parts)
        return edge.answer({"notices": [_shown_notice(one) for one in found]})

    async def record_consents(self, request: Request) -> Response:
        """What people grant, withdraw or object to; in force from the next request on."""
        caller, raw = await edge.received(request, self._authenticator)
        body: ConsentsBody = decode(raw, ConsentsBody)
        edge.count(request, body.items)
        acts = [_act(one) for one in body.items]
        done = await consent.consent(caller, acts, self._parts)
        return edge.answer({"items": [_shown(one) for one in done]})

    async def consent_history(self, request: Request) -> Response:
        """Everything one person ever said."""
        caller, raw = await edge.received(request, self._authenticator)
        body: SubjectBody = decode(raw, SubjectBody)
        subject = edge.checked_reference(body.subject, "subject") or ""
        found = await consent.history(caller, subject, self._parts)
        return edge.answer({"items": [_shown(one) for one in found]})

    async def outdated_consents(self, request: Request) -> Response:
        """Whose consent is older than a notice."""
        caller, raw = await edge.received(request, self._authenticator)
        body: OutdatedBody = decode(raw, OutdatedBody)
        if not 1 <= body.limit <= _MOST:
            raise BadRequest("bad_request", f"limit is 1 to {_MOST}.")
        found = await consent.outdated(
            caller,
            _named_notice(body.notice),
            self._parts,
            purpose=body.purpose,
            after=_cursor(body.cursor),
            limit=body.limit,
        )
        return edge.answer(
            {
                "items": [
                    {
                        "purpose": one.purpose,
                        "subject": one.subject,
                        "notice": one.notice,
                        "given": timestamp(one.given_at),
                    }
                    for one in found.said
                ],
                "next": f"{found.next[0]}/{found.next[1]}" if found.next else None,
            }
        )


def _notice(body: NoticeBody) -> Notice:
    """Raises: BadRequest."""
    if _VERSION.fullmatch(body.version) is None or _LANGUAGE.fullmatch(body.language) is None:
        raise BadRequest("bad_notice", "version is [A-Za-z0-9._-]{1,32}, language a tag such as en or en-IN.")
    if _SHA256.fullmatch(body.sha256) is None:
        raise BadRequest("bad_notice", "sha256 is 64 hexadecimal characters, of the text as published.")
    if not (1 <= len(body.title) <= 200 and body.title.isprintable()):
        raise BadRequest("bad_notice", "title is one printable line of 1 to 200 characters.")
    if not body.purposes or len(set(body.purposes)) != len(body.purposes):
        raise BadRequest("bad_notice", "purposes names at least one, each once.")
    effective = edge.read_time(body.effective, "effective") or 0
    purposes = tuple(sorted(body.purposes))
    return Notice(body.version, body.language, body.title, effective, body.sha256, purposes)


def _named_notice(name: str) -> str:
    """A notice as the log may repeat it. Raises: BadRequest."""
    version, slash, language = name.partition("/")
    if _VERSION.fullmatch(version) is None or (slash and _LANGUAGE.fullmatch(language) is None):
        raise BadRequest("unknown_notice", "A notice is named by its version, or version/language.")
    return name


def _act(body: ConsentAct) -> consent.NewAct:
    """Raises: BadRequest."""
    subject = edge.checked_reference(body.subject, "subject") or ""
    source = edge.checked_reference(body.source, "source") or ""
    notice = _named_notice(body.notice) if body.notice is not None else None
    return consent.NewAct(subject, body.purpose, body.act, source, notice, edge.read_time(body.at, "at"))


def _cursor(text: str | None) -> tuple[str, str] | None:
    """Raises: BadRequest."""
    if text is None:
        return None
    purpose, slash, subject = text.partition("/")
    if not slash:
        raise BadRequest("bad_cursor", "cursor is what the page before gave as next.")
    return purpose, subject


def _shown(one: consent.Recorded) -> dict[str, object]:
    said = one.said
    shown: dict[str, object] = {
        "subject": said.subject,
        "purpose": said.purpose,
        "act": said.act,
        "source": said.source,
        "notice": said.notice,
        "at": timestamp(said.given_at),
        "effect": one.effect,
        "explanation": one.explanation,
    }
    return shown | ({"receipt": one.receipt} if one.receipt else {})


def _shown_notice(one: Notice) -> dict[str, object]:
    return {
        "notice": one.name,
        "version": one.version,
        "language": one.language,
        "title": one.title,
        "effective": timestamp(one.effective_at),
        "sha256": one.sha256,
        "purposes": list(one.purposes),
    }


_NOTICE: dict[str, Any] = {
    "version": "2026-04",
    "language": "en",
    "title": "Privacy notice",
    "effective": "2026-04-01T00:00:00+05:30",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "purposes": ["payment", "marketing_display"],
}
_SAID: dict[str, Any] = {
    "subject": "cust-8472",
    "purpose": "marketing_display",
    "act": "withdraw",
    "source": "preference-page",
    "notice": "2026-04/en",
}
_DONE: dict[str, Any] = {
    **_SAID,
    "at": "2026-11-07T09:30:00.000000Z",
    "effect": "stops",
    "explanation": "Marketing, and showing a business to others: this stops from the next request on.",
    "receipt": _RECEIPT,
}


def _operation(does: str, path: str, summary: str, body: type[Body] | None, **more: Any) -> Operation:
    method = "POST" if body is not None else "GET"
    return Operation("people", does, method, path, summary, body, statuses=OFFICE_STATUSES, **more)


OPERATIONS = (
    _operation(
        "publish_notice",
        "/v1/notices",
        "A version of the privacy notice",
        NoticeBody,
        status=201,
        example=_NOTICE,
        answer={"notice": "2026-04/en", **_NOTICE, "receipt": _RECEIPT},
    ),
    _operation("list_notices", "/v1/notices", "Every version of the privacy notice", None),
    _operation(
        "record_consents",
        "/v1/consents",
        "What people grant, withdraw or object to",
        ConsentsBody,
        example={"items": [_SAID]},
        answer={"items": [_DONE]},
    ),
    _operation(
        "consent_history",
        "/v1/consents/history",
        "Everything one person ever said",
        SubjectBody,
        example={"subject": "cust-8472"},
        answer={"items": [_DONE]},
    ),
    _operation(
        "outdated_consents",
        "/v1/consents/outdated",
        "Whose consent is older than a notice",
        OutdatedBody,
        example={"notice": "2026-04", "purpose": "marketing_display"},
        answer={"items": [], "next": None},
    ),
)
