"""What a client can ask of the office about retention, corrections and cases, as flows, as in `verbs.py`."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypedDict, TypeVar, get_args

from strongroom import office_items as items
from strongroom.answers import Document, objects
from strongroom.calls import Call, Caller
from strongroom.errors import Misused, Problem, refusal
from strongroom.flow import Flow
from strongroom.lists import Batch, Unit, in_batches
from strongroom.office_results import Case, CaseStep, ExplainedItem, Replaced
from strongroom.people import Leaf
from strongroom.people_items import about, following
from strongroom.values import Given, encode

T = TypeVar("T")
_CASE = re.compile(r"cas_[0-7][0-9a-hjkmnp-tv-z]{25}", re.ASCII)
_MOST = 500


class CaseDocument(TypedDict, total=False):
    """The members that an act of a case takes; see docs/PRIVACY.md and the OpenAPI document."""

    how: str
    """verify: how the identity was verified, in one line."""
    reason: str
    """reject, send_back."""
    verdicts: Mapping[str, Mapping[str, str]]
    """decide an erasure: fields that get another verdict than the proposed one."""
    four_eyes: bool
    """decide access: whether a second person releases the copy."""
    tokens: list[str]
    """decide a correction or a disclosure: the fields it is about."""
    purposes: list[str]
    """decide an objection: the purposes it is about."""
    answer: str
    """decide a grievance: the answer, in one line."""
    recipient: str
    legal_reference: str
    sealed: bool
    """decide a disclosure."""
    decision: str
    """release: SHA-256 of the decision that is released."""


class OfficeVerbs:
    """The verbs of the office, over a Caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def explain(self, tokens: Iterable[str]) -> Flow[list[ExplainedItem]]:
        """Why each record is kept, in the order of the tokens."""
        if isinstance(tokens, str):
            raise Misused("not_a_list", "Pass a list of tokens, not one text.")
        listed = list(tokens)

        def run(batch: Batch) -> Flow[list[ExplainedItem]]:
            asked = range(batch.start, batch.start + len(batch.units))
            call = Call("office", "/v1/retention/explain", b'{"tokens":%s}' % batch.array())
            return self._caller.call(
                call,
                lambda answer: [
                    items.explained(item, listed[index], index)
                    for index, item in zip(asked, objects(answer, "items", len(asked)), strict=True)
                ],
            )

        return in_batches([Unit((encode(token),)) for token in listed], run, None)

    def replace(self, token: str, value: Given, reason: str) -> Flow[Replaced]:
        """Another value for the same token."""
        body = encode({"items": [{"token": token, "value": value}], "reason": reason})
        call = Call("office", "/v1/replace", body, safety="once")

        def read(answer: Document) -> Replaced:
            one = items.replaced(objects(answer, "items", 1)[0])
            return about(one, token, one.token)

        return self._caller.call(call, read)

    def open_case(self, new: Mapping[str, object]) -> Flow[Case]:
        """Receive a request."""
        call = Call("office", "/v1/cases", encode(dict(new)), safety="once")
        who = new["kind"], new["subject"]
        return self._caller.call(call, lambda answer: _about(items.case(answer), who))

    def act(self, case_id: str, act: CaseStep, given: CaseDocument) -> Flow[Case]:
        """The next act of a case."""
        if act not in get_args(CaseStep):
            raise Misused("no_such_act", f"An act is one of {', '.join(get_args(CaseStep))}.")
        path = f"{_path(case_id)}/{act}"
        return self._case(case_id, Call("office", path, encode(dict(given)), safety="once"))

    def case(self, case_id: str) -> Flow[Case]:
        """One case with all its acts."""
        return self._case(case_id, Call("office", _path(case_id), method="GET"))

    def cases(self, which: Mapping[str, object], cursor: str | None) -> Flow[Leaf[Case]]:
        """One page of the queue. Raises: Conflict for a case that is not what the log says of it."""
        body = {"limit": _MOST, **which} | ({"cursor": cursor} if cursor is not None else {})
        return self._caller.call(Call("office", "/v1/cases/query", encode(body)), _page(cursor))

    def _case(self, case_id: str, call: Call) -> Flow[Case]:
        def read(answer: Document) -> Case:
            one = items.case(answer)
            return about(one, case_id, one.case_id)

        return self._caller.call(call, read)


def _page(cursor: str | None) -> Callable[[Document], Leaf[Case]]:
    def read(answer: Document) -> Leaf[Case]:
        bad = items.names(answer, "tampered")
        if bad:
            detail = f"Not what the log says of them: {', '.join(bad)}."
            raise refusal(Problem("case_tampered", "A case was tampered with.", detail=detail, status=409))
        return Leaf(tuple(items.case(one) for one in objects(answer, "items")), following(answer, cursor))

    return read


def _about(case: Case, who: tuple[object, object]) -> Case:
    return about(case, who, (case.kind, case.subject))


def _path(case_id: str) -> str:
    """No path is made of anything but a case's id. Raises: Misused."""
    if not _CASE.fullmatch(case_id):
        raise Misused("bad_case_id", "A case is named cas_…, as `open_case` and `cases` answer it.")
    return f"/v1/cases/{case_id}"
