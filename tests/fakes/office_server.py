"""The office plane of a vault in memory: what people say, accounts and holds. For tests of the client."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes.server import FakeVault, _problem

AT = "2026-11-07T10:00:00.000001Z"
_LIFT = re.compile(r"/v1/holds/(hld_\w+)/lift")
Body = dict[str, Any]


@dataclass
class FakeOffice(FakeVault):
    """Keeps what it is told, in lists that tests may read. Long answers come two items at a time."""

    said: list[Body] = field(default_factory=list)
    published: list[Body] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    held: list[Body] = field(default_factory=list)
    page: int = 2

    def _serve(self, request: httpx.Request) -> httpx.Response:
        lift = _LIFT.fullmatch(request.url.path)
        verb = _ROUTES.get((request.method, request.url.path))
        if verb is None and lift is None:
            return super()._serve(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.issued.get(token) != "office":
            return _problem(401, "invalid_token")
        body = json.loads(request.content or b"{}")
        return self._lift(lift[1], body) if lift else verb(self, body)

    def _consents(self, body: Body) -> httpx.Response:
        effect = {"grant": "applies", "withdraw": "stops", "object": "recorded"}
        done = [
            {"at": AT, "notice": None, **one, "effect": effect[one["act"]], "explanation": "In words."}
            for one in body["items"]
        ]
        self.said += done
        return _ok({"items": [one | {"receipt": "rcp_said"} for one in done]})

    def _history(self, body: Body) -> httpx.Response:
        return _ok({"items": [one for one in self.said if one["subject"] == body["subject"]]})

    def _outdated(self, body: Body) -> httpx.Response:
        old = [{**one, "given": one["at"]} for one in self.said if one["act"] == "grant"]
        return self._paged(old, "items", body)

    def _publish(self, body: Body) -> httpx.Response:
        self.published.append({"notice": f"{body['version']}/{body['language']}", **body})
        return _ok(self.published[-1] | {"receipt": "rcp_notice"}, 201)

    def _notices(self, body: Body) -> httpx.Response:
        return _ok({"notices": self.published})

    def _facts(self, body: Body) -> httpx.Response:
        [one] = body["items"]
        if one["fact"] == "closed" and one["subject"] in self.closed:
            return _problem(409, "account_already")
        if one["fact"] in ("closed", "reopened"):
            (self.closed.add if one["fact"] == "closed" else self.closed.discard)(one["subject"])
        return _ok({"items": [{"on": "2026-11-07", "reference": None, **one, "receipt": "rcp_fact"}]})

    def _subjects(self, body: Body) -> httpx.Response:
        kept = [(item["subject"], token, item["type"]) for token, item in self.sealed.items()]
        mine = sorted(one for one in kept if one[0] in body["subjects"])
        start = int(body.get("cursor", 0))
        shown = mine[start : start + self.page]
        answer = [
            {
                "subject": name,
                "account": "closed" if name in self.closed else "open",
                "since": "2026-11-07" if name in self.closed else None,
                "invoiced": None,
                "active": None,
                "open_holds": len([one for one in self.held if one["subject"] == name]),
                "records": [
                    {"token": token, "type": kind, "state": "active", "created": AT}
                    for owner, token, kind in shown
                    if owner == name
                ],
            }
            for name in body["subjects"]
        ]
        following = str(start + self.page) if start + self.page < len(mine) else None
        return _ok({"subjects": answer, "next": following})

    def _place(self, body: Body) -> httpx.Response:
        [one] = body["items"]
        who = {"credential": self.client_id, "person": "Meera Iyer", "placed": AT, "lifted": None}
        self.held.append({"hold": f"hld_{len(self.held):026}", "token": None, **one, **who})
        return _ok({"items": [self.held[-1] | {"receipt": "rcp_hold"}]})

    def _lift(self, hold: str, body: Body) -> httpx.Response:
        found = [one for one in self.held if one["hold"] == hold]
        if not found:
            return _problem(404, "hold_not_found")
        if found[0]["lifted"]:
            return _problem(409, "hold_lifted")
        found[0]["lifted"] = {**body, "credential": self.client_id, "person": "Meera Iyer", "at": AT}
        return _ok(found[0] | {"receipt": "rcp_lift"})

    def _holds(self, body: Body) -> httpx.Response:
        wanted = [one for one in self.held if body.get("subject") in (None, one["subject"])]
        return self._paged([o for o in wanted if not (body["open_only"] and o["lifted"])], "holds", body)

    def _paged(self, found: list[Body], member: str, body: Body) -> httpx.Response:
        start = int(body.get("cursor", 0))
        following = str(start + self.page) if start + self.page < len(found) else None
        return _ok({member: found[start : start + self.page], "next": following})


_ROUTES: dict[tuple[str, str], Callable[[FakeOffice, Body], httpx.Response]] = {
    ("POST", "/v1/consents"): FakeOffice._consents,
    ("POST", "/v1/consents/history"): FakeOffice._history,
    ("POST", "/v1/consents/outdated"): FakeOffice._outdated,
    ("POST", "/v1/notices"): FakeOffice._publish,
    ("GET", "/v1/notices"): FakeOffice._notices,
    ("POST", "/v1/subjects"): FakeOffice._facts,
    ("POST", "/v1/subjects/query"): FakeOffice._subjects,
    ("POST", "/v1/holds"): FakeOffice._place,
    ("POST", "/v1/holds/query"): FakeOffice._holds,
}


def _ok(body: Body, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)
