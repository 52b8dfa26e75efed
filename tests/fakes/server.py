"""A vault in memory, for tests of the client: the HTTP contract, and the ways a network breaks it.

Give `handle` to `httpx.MockTransport`. Faults wait in a queue per path and strike one request each.
"""

import json
import threading
import time
from base64 import b64decode
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote_plus

import httpx

Answer = tuple[int, object]
Fault = Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response]
PROBLEM = "application/problem+json"
TOKEN_PATH = "/oauth2/token"
LIMIT_ITEMS, LIMIT_BYTES = 1_000, 1_048_576


def unreachable(request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
    """Nobody listens."""
    raise httpx.ConnectError(f"refused {request.content!r}", request=request)


def dropped(request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
    """The vault acts, and the connection breaks before its answer."""
    serve()
    raise httpx.ReadError(f"reset {request.content!r}", request=request)


def slow(request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
    """The vault acts, and its answer comes too late."""
    serve()
    raise httpx.ReadTimeout(f"late {request.content!r}", request=request)


def busy(code: str = "unavailable", *, status: int = 503, retry_after: int | None = 0) -> Fault:
    """A problem document that asks for patience; nothing was done."""

    def strike(request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return _problem(status, code, headers=headers)

    return strike


def answer(status: int, body: bytes, **headers: str) -> Fault:
    """Anything at all, in place of the vault."""

    def strike(request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
        return httpx.Response(
            status, content=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    return strike


@dataclass
class FakeVault:
    """Its state is open to tests: what is sealed, what was asked, which access tokens hold."""

    client_id: str = "acme.test"
    secret: str = "srs_secret"
    planes: set[str] = field(default_factory=lambda: {"ingest", "reveal", "office", "audit"})
    expires_in: int = 300
    delay: float = 0.0
    sealed: dict[str, dict[str, object]] = field(default_factory=dict)
    kept: dict[str, str | None] = field(default_factory=dict)
    """Tokens that a law keeps, until when: erasing archives them."""
    events: list[dict[str, object]] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    issued: dict[str, str] = field(default_factory=dict)
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    _memory: dict[str, tuple[bytes, Answer]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, path: str, *faults: Fault) -> None:
        """Let the next requests of `path` meet these faults, one each."""
        self.faults[path].extend(faults)

    def expire_all(self) -> None:
        """No access token issued so far holds any longer."""
        self.issued.clear()

    def asked(self, path: str) -> list[httpx.Request]:
        """The requests of `path` that came, faults included."""
        return [request for request in self.requests if request.url.path == path]

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if self.delay:
            time.sleep(self.delay)
        with self._lock:
            self.requests.append(request)
            waiting = self.faults[request.url.path]
            if waiting:
                return waiting.popleft()(request, lambda: self._serve(request))
            return self._serve(request)

    def _serve(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == TOKEN_PATH:
            return self._token(request)
        plane, verb = _ROUTES[path]
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.issued.get(token) != plane:
            return _problem(401, "invalid_token")
        if len(request.content) > LIMIT_BYTES:
            return _problem(413, "too_large")
        return self._remembered(request, verb)

    def _remembered(self, request: httpx.Request, verb: str) -> httpx.Response:
        key = request.headers.get("idempotency-key")
        if key in self._memory:
            body, known = self._memory[key]
            return _reply(*known) if body == request.content else _problem(422, "idempotency_key_reused")
        reply: Answer = getattr(self, f"_{verb}")(json.loads(request.content or b"{}"))
        if key is not None and reply[0] == 200:
            self._memory[key] = (request.content, reply)
        return _reply(*reply)

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs(request.content.decode())
        scheme, _, proof = request.headers.get("authorization", "").partition(" ")
        given = [unquote_plus(part) for part in b64decode(proof).decode().split(":")]
        assertion = form.get("client_assertion", [""])[0]
        if (scheme, given) != (
            "Basic",
            [self.client_id, self.secret],
        ) and assertion != f"signed:{request.url}":
            return _reply(401, {"error": "invalid_client"})
        plane = form["scope"][0]
        if plane not in self.planes:
            return _reply(400, {"error": "invalid_scope"})
        token = f"at-{plane}-{len(self.asked(TOKEN_PATH))}"
        self.issued[token] = plane
        return _reply(200, {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in})

    def _tokenize(self, body: dict[str, list[dict[str, object]]]) -> Answer:
        items = body["items"]
        if len(items) > LIMIT_ITEMS:
            return 413, {"code": "too_large"}
        wrong = [n for n, item in enumerate(items) if item["value"] == "bad"]
        if wrong and body["mode"] == "all":
            return 422, _trouble("invalid_value", wrong, rule="format")
        return 200, {"items": [_bad("invalid_value", 422) if n in wrong else self._seal(item)
                               for n, item in enumerate(items)]}  # fmt: skip

    def _seal(self, item: dict[str, object]) -> dict[str, object]:
        token = f"tok_{item['type']}_{len(self.sealed):026}"
        self.sealed[token] = item
        self._event("tokenize", token)
        known = {"token": token, "type": item["type"], "subject": item["subject"]}
        return {**known, "masked": _mask(item["value"]), "receipt": f"rcp_{token}"}

    def _detokenize(self, body: dict[str, object]) -> Answer:
        tokens = [item["token"] for item in body["items"]]
        for token in tokens:
            self._event("detokenize", token, purpose=body["purpose"], reference=body.get("reference"))
        missing = [n for n, token in enumerate(tokens) if token not in self.sealed]
        if body["purpose"] != "payment":
            return 403, _trouble("policy_denied", [], rule="marketing: class tax is closed")
        if missing and body["mode"] == "all":
            return 404, _trouble("token_not_found", missing)
        return 200, {"items": [self._open(token, body["reveal"]) for token in tokens]}

    def _open(self, token: str, form: str) -> dict[str, object]:
        if token not in self.sealed:
            return _bad("token_not_found", 404)
        item = self.sealed[token]
        if "erased" in item:
            return {"token": token, **_bad("erased", 410)}
        value = item["value"] if form == "plain" else _mask(item["value"])
        return {"token": token, "type": item["type"], "value": value, "receipt": f"rcp_{len(self.events)}"}

    def _inspect(self, body: dict[str, list[str]]) -> Answer:
        return 200, {"items": [self._tell(token) for token in body["tokens"]]}

    def _tell(self, token: str) -> dict[str, object]:
        if token not in self.sealed:
            return {"token": token, **_bad("token_not_found", 404)}
        item = self.sealed[token]
        known = {"token": token, "type": item["type"], "subject": item["subject"]}
        return {**known, "state": "active", "created": "2026-11-07T10:00:00.000001Z", "versions": 1}

    def _erase(self, body: dict[str, list[str]]) -> Answer:
        return 200, {"items": [self._end(token, str(body["reason"])) for token in body["tokens"]]}

    def _end(self, token: str, reason: str) -> dict[str, object]:
        self._event("erase", token, reference=reason)
        known = {"token": token, "receipt": f"rcp_{token}", "tell": []}
        if token in self.kept:
            return {**known, "state": "archived", "until": self.kept[token], "law": "Companies Act 2013"}
        self.sealed[token] |= {"erased": True}
        return {**known, "state": "shredded", "erased": "2026-11-07T10:00:00.000001Z"}

    def _search(self, body: dict[str, object]) -> Answer:
        hits = [t for t, i in self.sealed.items() if (i["type"], i["value"]) == (body["type"], body["value"])]
        return 200, {"tokens": hits, "receipt": "rcp_search"}

    def _events(self, body: dict[str, object]) -> Answer:
        start, limit = int(body.get("cursor", 0)), body.get("limit", 2)
        found = [event for event in self.events if event["token"] == body.get("token", event["token"])]
        following = str(start + limit) if start + limit < len(found) else None
        return 200, {"events": found[start : start + limit], "next": following}

    def _fields(self, body: object) -> Answer:
        return 200, {
            "fields": [{"type": "pan", "class": "tax", "title": "PAN", "parts": [], "searchable": False}]
        }

    def _policy(self, body: object) -> Answer:
        return 200, {"hash": "ab12", "matrix": [{"class": "tax", "purpose": "payment", "form": "plain"}]}

    def _event(self, verb: str, token: str, **more: object) -> None:
        event = {"event_id": f"evt_{len(self.events)}", "time": "2026-11-07T10:00:00.000001Z", "verb": verb}
        self.events.append({**event, "decision": "allow", "actor": self.client_id, "token": token, **more})


_ROUTES = {
    "/v1/tokenize": ("ingest", "tokenize"),
    "/v1/detokenize": ("reveal", "detokenize"),
    "/v1/inspect": ("reveal", "inspect"),
    "/v1/search": ("reveal", "search"),
    "/v1/erase": ("office", "erase"),
    "/v1/events/query": ("audit", "events"),
    "/v1/fields": ("ingest", "fields"),
    "/v1/policy": ("audit", "policy"),
}


def _reply(status: int, body: object) -> httpx.Response:
    if status >= 400 and isinstance(body, dict) and "code" in body:
        return _problem(status, **body)
    return httpx.Response(status, json=body)


def _problem(
    status: int, code: str, *, headers: dict[str, str] | None = None, **more: object
) -> httpx.Response:
    body = {"type": f"https://docs.test/errors/{code}.md", "title": f"Title of {code}.", "status": status}
    text = json.dumps({**body, "code": code, "request_id": "req_1", **more})
    return httpx.Response(status, content=text, headers={"Content-Type": PROBLEM, **(headers or {})})


def _trouble(code: str, places: list[int], **more: object) -> dict[str, object]:
    return {"code": code, **more, "errors": [{"index": n, "code": code, **more} for n in places]}


def _bad(code: str, status: int) -> dict[str, object]:
    return {"problem": {"code": code, "status": status, "title": f"Title of {code}."}}


def _mask(value: object) -> object:
    if isinstance(value, dict):
        return {name: _mask(part) for name, part in value.items()}
    return f"…{str(value)[-2:]}"
