"""The office plane of a vault in memory: retention explained, corrections, cases. For tests of the client."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes.office_server import AT, FakeOffice, _ok
from tests.fakes.server import _bad, _mask, _problem

Body = dict[str, Any]
_CASE = re.compile(r"/v1/cases/(cas_\w+)(?:/(\w+))?")
_LEADS = {
    "verify": "verified", "reject": "rejected", "evaluate": "evaluated", "decide": "decided",
    "send_back": "evaluated", "release": "carried_out", "answer": "answered",
}  # fmt: skip


@dataclass
class FakeDesk(FakeOffice):
    """Takes any act in any order; a release must name the decision."""

    opened: list[Body] = field(default_factory=list)
    tampered: list[str] = field(default_factory=list)

    def _serve(self, request: httpx.Request) -> httpx.Response:
        case = _CASE.fullmatch(request.url.path)
        verb = _ROUTES.get(request.url.path)
        if verb is None and case is None:
            return super()._serve(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.issued.get(token) != "office":
            return _problem(401, "invalid_token")
        body = json.loads(request.content or b"{}")
        return verb(self, body) if verb else self._of_case(case, body)

    def _explain(self, body: Body) -> httpx.Response:
        return _ok({"items": [self._why(token) for token in body["tokens"]]})

    def _why(self, token: str) -> Body:
        if token not in self.sealed:
            return {"token": token, **_bad("token_not_found", 404)}
        until = self.kept.get(token)
        clock = {
            "rule": "books", "kind": "keep", "law": "Companies Act 2013", "from": "2027-03-31",
            "until": until, "holds": until is not None, "explanation": "In words.",
        }  # fmt: skip
        known = {"type": self.sealed[token]["type"], "subject": self.sealed[token]["subject"]}
        held = [{"hold": o["hold"], "reference": o["reference"], "person": o["person"]} for o in self.held]
        return {
            "token": token, **known, "state": "active", "summary": "Kept.", "may_erase": until is None,
            "must_erase": False, "keep_until": until, "erase_by": None, "due": None, "announced": None,
            "holds": held, "clocks": [clock],
        }  # fmt: skip

    def _replace(self, body: Body) -> httpx.Response:
        [one] = body["items"]
        self.sealed[one["token"]] |= {"value": one["value"]}
        done = {"token": one["token"], "version": 2, "masked": _mask(one["value"]), "receipt": "rcp_new"}
        return _ok({"items": [done | {"tell": ["mailer"]}]})

    def _open_case(self, body: Body) -> httpx.Response:
        name = f"cas_{len(self.opened):026}"
        self.opened.append(
            {
                "case": name, "kind": body["kind"], "subject": body["subject"], "state": "received",
                "waits_for": ["verify", "reject"], "received": "2026-11-07",
                "due": body.get("due", "2026-12-07"),
                "answered": None, "decision": None, "sent_back": None, "acts": [],
            }
        )  # fmt: skip
        return _ok(_without_acts(self.opened[-1]) | {"receipt": "rcp_case"}, 201)

    def _cases(self, body: Body) -> httpx.Response:
        start = int(body.get("cursor", 0))
        found = [one for one in self.opened if body.get("subject") in (None, one["subject"])]
        shown = [_without_acts(one) | {"late_days": 3} for one in found[start : start + self.page]]
        following = str(start + self.page) if start + self.page < len(found) else None
        return _ok({"items": shown, "tampered": self.tampered, "next": following})

    def _of_case(self, named: re.Match[str], body: Body) -> httpx.Response:
        case = next((one for one in self.opened if one["case"] == named[1]), None)
        if case is None:
            return _problem(404, "case_not_found")
        if named[2] is None:
            return _ok(case)
        if named[2] == "release" and body != {"decision": case["decision"]}:
            return _problem(409, "decision_moved")
        if named[2] == "decide":
            case["decision"] = hashlib.sha256(json.dumps(body).encode()).hexdigest()
        done = {
            "act": named[2],
            "person": "Meera Iyer",
            "credential": self.client_id,
            "at": AT,
            "document": body,
        }
        case["acts"].append(done)
        case["state"] = _LEADS[named[2]]
        return _ok(case | {"acts": [done], "receipt": "rcp_act"})


_ROUTES: dict[str, Callable[[FakeDesk, Body], httpx.Response]] = {
    "/v1/retention/explain": FakeDesk._explain,
    "/v1/replace": FakeDesk._replace,
    "/v1/cases": FakeDesk._open_case,
    "/v1/cases/query": FakeDesk._cases,
}


def _without_acts(case: Body) -> Body:
    return {name: value for name, value in case.items() if name != "acts"}
