"""Every operation of the HTTP API, once: its route, its place in the OpenAPI document, its example."""

import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from vault.api import (
    bodies,
    cases,
    correcting,
    disclosing,
    examples,
    export,
    freezes,
    holds,
    honey,
    keeping,
    people,
    proposals,
    recipients,
    rules,
    subjects,
)
from vault.api.express import Lanes
from vault.api.metered import metered
from vault.api.operation import Endpoints, Operation
from vault.api.problems import Endpoint

_NAMED = ("control", "log")
"""Planes whose operations have names too plain to stand in a metric by themselves."""
_READ = (401, 403, 503)
_LOG = (401, 403, 404, 503)
_TEXT, _BYTES = "text/plain", "application/octet-stream"
_PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")
OPERATIONS = (
    Operation("ingest", "tokenize", "POST", "/v1/tokenize", "Values in, tokens out", bodies.TokenizeBody),
    Operation(
        "reveal",
        "detokenize",
        "POST",
        "/v1/detokenize",
        "Tokens in, values out, for the purpose of the caller's grant",
        bodies.DetokenizeBody,
        statuses=(400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 503),
    ),
    Operation("reveal", "search", "POST", "/v1/search", "Which tokens hold a value", bodies.SearchBody),
    Operation("reveal", "inspect", "POST", "/v1/inspect", "What is known about tokens", bodies.InspectBody),
    Operation(
        "office",
        "erase",
        "POST",
        "/v1/erase",
        "End the life of records",
        bodies.EraseBody,
        statuses=(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
    ),
    *people.OPERATIONS,
    *subjects.OPERATIONS,
    *holds.OPERATIONS,
    *honey.OPERATIONS,
    *keeping.OPERATIONS,
    *correcting.OPERATIONS,
    *export.OPERATIONS,
    *cases.OPERATIONS,
    *recipients.OPERATIONS,
    *disclosing.OPERATIONS,
    *rules.OPERATIONS,
    Operation("audit", "query", "POST", "/v1/events/query", "Who did what, and why", bodies.EventsBody),
    *(
        Operation(
            "log", does, "GET", f"/v1/log/{{tenant}}/{path}", summary, statuses=_LOG, open=True, media=media
        )
        for does, path, summary, media in (
            ("checkpoint", "checkpoint", "The signed head of a tenant's log (C2SP tlog-checkpoint)", _TEXT),
            ("entries", "tile/entries/{place:path}", "Entries of the log (C2SP tlog-tiles)", _BYTES),
            ("tile", "tile/{level}/{place:path}", "Hashes of the log's tree (C2SP tlog-tiles)", _BYTES),
            ("proof", "proof/{event_id}", "A proof that an event is in the log (C2SP tlog-proof)", _TEXT),
            ("keys", "keys", "The public keys that checkpoints and workers verify under", "application/json"),
        )
    ),
    Operation(
        "log",
        "bodies",
        "POST",
        "/v1/events/bodies",
        "What numbered events say, with all that proves it",
        bodies.BodiesBody,
        media=_BYTES,
    ),
    Operation("control", "token", "POST", "/oauth2/token", "An access token (RFC 6749 §4.4)", open=True),
    Operation(
        "control",
        "create",
        "POST",
        "/v1/credentials",
        "A new credential; its secret is shown once",
        bodies.NewCredentialBody,
        status=201,
        statuses=(400, 401, 403, 409, 413, 415, 503),
        accepted=proposals.EXAMPLE,
    ),
    Operation("control", "listing", "GET", "/v1/credentials", "Every credential", statuses=(401, 403, 503)),
    *(
        Operation(
            "control",
            does,
            "POST",
            f"/v1/credentials/{{credential}}/{does}",
            summary,
            body,
            statuses=(400, 401, 403, 404, 409, 413, 415, 503),
            accepted=proposals.EXAMPLE if does in ("grant", "rotate") else None,
        )
        for does, summary, body in (
            ("grant", "Add grants", bodies.GrantsBody),
            ("ungrant", "Take grants away", bodies.GrantsBody),
            ("revoke", "End a credential for ever", bodies.EmptyBody),
            ("rotate", "A new secret or key; the old one stops at once", bodies.RotateBody),
        )
    ),
    Operation(
        "control",
        "apply",
        "POST",
        "/v1/policy/apply",
        "Put another policy in force",
        bodies.PolicyBody,
        statuses=(400, 401, 403, 409, 413, 415, 503),
        accepted=proposals.EXAMPLE,
    ),
    *proposals.OPERATIONS,
    *freezes.OPERATIONS,
    Operation("system", "fields", "GET", "/v1/fields", "The field types there are", statuses=_READ),
    Operation("system", "policy", "GET", "/v1/policy", "The policy in force", statuses=_READ),
    Operation("system", "health", "GET", "/healthz", "The process runs", statuses=(), open=True),
    Operation("system", "ready", "GET", "/readyz", "Each plane can serve", statuses=(503,), open=True),
    Operation("system", "metrics", "GET", "/metrics", "Prometheus metrics", statuses=(), open=True),
    Operation(
        "system",
        "error_page",
        "GET",
        "/docs/errors/{code}",
        "What a problem means and what to do",
        statuses=(404,),
        open=True,
    ),
)


class Direct(APIRoute):
    """A route whose endpoint takes the request as it is.

    FastAPI's solving of parameters would cost more than all the cryptography of a request.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint itself."""
        return self.endpoint


def add_operations(app: FastAPI, endpoints: Endpoints) -> Lanes:
    """Add the routes of the planes that this process serves, and the document that describes them.

    Answers those without parameters in their paths, for vault/api/express.py.
    """
    served = [one for one in OPERATIONS if one.plane in endpoints]
    lanes: dict[tuple[str, str], Endpoint] = {}
    for one in served:
        name = one.does if one.plane not in _NAMED else f"{one.plane}_{one.does}"
        endpoint = metered(name, getattr(endpoints[one.plane], one.does))
        if _PARAMETER.search(one.path) is None:
            lanes[one.method, one.path] = endpoint
        app.router.add_api_route(
            one.path,
            endpoint,
            methods=[one.method],
            summary=one.summary,
            operation_id=f"{one.plane}_{one.does}",
            tags=[one.plane],
            status_code=one.status,
            response_class=Response,
            response_model=None,
            route_class_override=Direct,
            responses=_responses(one),
            openapi_extra=_described(one),
        )
    structs = [one.body for one in served if one.body is not None]
    _, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    described = app.openapi

    def document() -> dict[str, Any]:
        whole = described()
        parts = whole.setdefault("components", {})
        parts.setdefault("schemas", {}).update({**components, "Problem": examples.PROBLEM_SCHEMA})
        parts["securitySchemes"] = examples.SECURITY
        return whole

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    return lanes


def _described(one: Operation) -> dict[str, Any]:
    extra: dict[str, Any] = {} if one.open else {"security": [{"client_credentials": []}]}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(one.path)
    ]
    if one.does == "tokenize":
        parameters.append(examples.IDEMPOTENCY_KEY)
    if parameters:
        extra["parameters"] = parameters
    if one.does == "token":
        extra["requestBody"] = examples.TOKEN_REQUEST
    elif one.body is not None:
        schema = {"$ref": f"#/components/schemas/{one.body.__name__}"}
        media = {"schema": schema, "example": one.example or examples.REQUESTS[one.does]}
        extra["requestBody"] = {"required": True, "content": {"application/json": media}}
    return extra


def _responses(one: Operation) -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses`: the good answer with an example, and each problem there may be."""
    found: dict[int | str, dict[str, Any]] = {}
    good: Mapping[str, Any] | None = one.answer or examples.ANSWERS.get(one.does)
    if one.media != "application/json":
        found[one.status] = {"description": "Done", "content": {one.media: {"schema": {"type": "string"}}}}
    elif good is not None:
        found[one.status] = {"description": "Done", "content": {"application/json": {"example": good}}}
    if one.also:
        other = {media: {"schema": {"type": "string", "format": "binary"}} for media in one.also}
        found[one.status]["content"] |= other
    if one.accepted is not None:
        waits = {"application/json": {"example": one.accepted}}
        found[202] = {"description": "Waits for a second person", "content": waits}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if one.does == "token":
        oauth = {"application/json": {"schema": examples.OAUTH_ERROR_SCHEMA}}
        return found | {
            status: {"description": "Refused", "content": oauth} for status in (400, 401, 403, 429, 503)
        }
    if one.does == "ready":
        problem = {"application/json": {"schema": {"type": "object"}}}
    found |= {status: {"description": "Refused", "content": problem} for status in one.statuses}
    if 401 in one.statuses:  # who is known may have sent too much
        found[429] = {"description": "Refused", "content": problem, "headers": examples.THROTTLED_HEADERS}
    return found
