"""The audit plane over HTTP."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import EventsBody, decode
from vault.errors import BadRequest
from vault.log.event import timestamp
from vault.model.ask import PLANES
from vault.model.grants import PURPOSE
from vault.model.names import CREDENTIAL, read_id
from vault.model.token import MalformedToken, parse
from vault.service.authenticate import Authenticator
from vault.service.events import Events, EventsRequest
from vault.service.gather import Gather
from vault.store.events import Filter, Page

MOST_EVENTS = 1000
_UNGRANTED = (
    "authenticate", "freeze", "log_retention", "log_keys", "keys", "backup", "restore", "reseal", "reindex",
    "verify", "doctor",
)  # fmt: skip
_VERBS = frozenset(PLANES) - {"events_sealed"} | set(_UNGRANTED)


class AuditApi:
    """`POST /v1/events/query`"""

    def __init__(self, authenticator: Authenticator, events: Gather[EventsRequest, Events]) -> None:
        self._authenticator = authenticator
        self._events = events

    async def query(self, request: Request) -> Response:
        """Who did what. Reading is an event too."""
        caller, raw = await edge.received(request, self._authenticator)
        body: EventsBody = decode(raw, EventsBody)
        asked = EventsRequest(caller, _filter(body), _page(body))
        found = await self._events.submit(caller.tenant, caller.credential, asked, items=1)
        bodies = [orjson.Fragment(one) for one in found.bodies]
        gone = timestamp(found.dropped_before) if found.dropped_before else None
        return edge.answer({"events": bodies, "next": found.next, "dropped_before": gone})


def _filter(body: EventsBody) -> Filter:
    """Every member in the shape the log knows: anything else cannot be in it, and must not get into it."""
    if body.token is not None:
        try:
            parse(body.token)
        except MalformedToken:
            raise BadRequest("malformed_token", "token is not a token.") from None
    if body.credential is not None and CREDENTIAL.fullmatch(body.credential) is None:
        raise BadRequest("bad_request", "credential is written <tenant>.<name>.")
    if body.purpose is not None and PURPOSE.fullmatch(body.purpose) is None:
        raise BadRequest("bad_request", "purpose is written [a-z][a-z_]{0,31}.")
    if body.verb is not None and body.verb not in _VERBS:
        raise BadRequest("bad_request", f"verb is one of {', '.join(sorted(_VERBS))}.")
    return Filter(
        token=body.token,
        subject=edge.checked_reference(body.subject, "subject"),
        actor=body.credential,
        purpose=body.purpose,
        decision=body.decision,
        verb=body.verb,
    )


def _page(body: EventsBody) -> Page:
    if not 1 <= body.limit <= MOST_EVENTS:
        raise BadRequest("bad_request", f"limit is 1 to {MOST_EVENTS}.")
    try:
        after = read_id("evt", body.cursor) if body.cursor is not None else None
    except ValueError:
        raise BadRequest("bad_cursor", "cursor is what the page before gave as next.") from None
    return Page(
        body.limit,
        body.order,
        after,
        edge.read_time(body.since, "since"),
        edge.read_time(body.until, "until"),
    )
