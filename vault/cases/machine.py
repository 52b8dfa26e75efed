"""A case: the fold of its acts, which are only ever appended. Pure.

received → verified → evaluated → decided → released → carried_out → answered

A disclosure is no request of the person's own and skips `verified`; where no second person is needed,
`released` is skipped; a grievance has nothing to carry out. `send_back` leads from decided to evaluated,
`reject` from received to rejected, which is answered with a refusal. What may be written is asked here first,
and what was written is judged here again when it is read: what would not have been let happen is no case.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, tzinfo
from types import MappingProxyType
from typing import Literal, get_args

from vault.cases import documents
from vault.cases.decisions import read_decision, read_proposals
from vault.cases.documents import BadDocument, Document
from vault.cases.due import DAYS, civil_day, due_day
from vault.model.lines import acceptable_line
from vault.model.names import CREDENTIAL, acceptable_reference
from vault.model.persons import same_person
from vault.model.refusal import Refusal
from vault.model.register import acceptable_person

Kind = Literal["access", "correction", "erasure", "objection", "grievance", "disclosure"]
ActKind = Literal[
    "receive", "verify", "reject", "evaluate", "decide", "send_back", "release", "carry_out", "answer"
]
State = Literal[
    "received", "verified", "rejected", "evaluated", "decided", "released", "carried_out", "answered"
]

KINDS: tuple[Kind, ...] = get_args(Kind)
ACTS: tuple[ActKind, ...] = get_args(ActKind)
STATES: tuple[State, ...] = get_args(State)

_LEADS: Mapping[ActKind, State] = MappingProxyType(
    {
        "receive": "received",
        "verify": "verified",
        "reject": "rejected",
        "evaluate": "evaluated",
        "decide": "decided",
        "send_back": "evaluated",
        "release": "released",
        "carry_out": "carried_out",
        "answer": "answered",
    }
)
_WAITING: Mapping[State, tuple[ActKind, ...]] = MappingProxyType(
    {
        "verified": ("evaluate",),
        # What was true at the first look may have changed since: it can be looked at again.
        "evaluated": ("decide", "evaluate"),
        "released": ("carry_out",),
        "carried_out": ("answer",),
        "rejected": ("answer",),
        "answered": (),
    }
)
"""What each state waits for, where the kind of case makes no difference."""
_LATEST = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that somebody did about a case. `at` in µs since 1970."""

    kind: ActKind
    person: str
    credential: str
    at: int
    document: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """Where a case stands, with all that a queue shows of it."""

    kind: Kind
    subject: str
    state: State
    own: bool
    """Whoever opened it asks for their own sake."""
    opened: Act
    received: date
    due: date | None
    zone: tzinfo = field(compare=False)
    acts: int = 1
    """How many acts there are: the next one's number."""
    evaluated: Act | None = None
    decided: Act | None = None
    released: Act | None = None
    answered: date | None = None
    sent_back: str | None = None
    """Why the last decision came back, until there is another."""

    @property
    def decision(self) -> str | None:
        """SHA-256 of the decision's canonical JSON, in hexadecimal."""
        return None if self.decided is None else documents.digest(self.decided.document)

    @property
    def needs_release(self) -> bool:
        """Whether a second person must release what was decided."""
        if self.kind in ("erasure", "disclosure"):
            return True
        asked = self.decided is not None and self.decided.document.get("four_eyes", False) is not False
        return self.kind == "access" and asked

    @property
    def waits_for(self) -> tuple[ActKind, ...]:
        """The acts it can take now."""
        return _waits_for(self)


@dataclass(frozen=True, slots=True)
class Ready:
    """The act may be written; `case` is what it makes of the case."""

    case: Case


class CaseError(ValueError):
    """The acts are no history that can have happened. `number` counts from 0; `rule` names no value."""

    def __init__(self, number: int, rule: str) -> None:
        super().__init__(f"act {number}: {rule}")
        self.number = number
        self.rule = rule


def opens_case(act: Act, *, zone: tzinfo, days: Mapping[str, int] = DAYS) -> Ready | Refusal:
    """Whether `act` may open a case. Its document has kind, subject, own; a disclosure's `due` too.

    `zone` is where the law's days begin and end; `days` the periods by kind. `due` is a date or null.
    """
    if act.kind != "receive":
        return Refusal("act_out_of_order", "a case begins by being received")
    wrong = _malformed(act)
    if wrong is not None:
        return wrong
    try:
        return Ready(_received(act, zone, days))
    except BadDocument as bad:
        return Refusal("bad_act", bad.rule)


def may(case: Case, act: Act) -> Ready | Refusal:
    """Whether `act` may be written after those that made `case`."""
    wrong = _malformed(act)
    if wrong is not None:
        return wrong
    if act.kind not in case.waits_for:
        return Refusal("act_out_of_order", _order(case, act))
    refused = _barred(case, act) or _misdocumented(case, act)
    return Ready(_after(case, act)) if refused is None else refused


def fold(acts: Iterable[Act], *, zone: tzinfo, days: Mapping[str, int] = DAYS) -> Case:
    """The case that these acts make. Raises: CaseError when they cannot have happened."""
    case: Case | None = None
    for number, act in enumerate(acts):
        taken = opens_case(act, zone=zone, days=days) if case is None else may(case, act)
        if isinstance(taken, Refusal):
            raise CaseError(number, taken.rule)
        case = taken.case
    if case is None:
        raise CaseError(0, "a case begins by being received")
    return case


def late(case: Case, today: date) -> int:
    """Days past the due date: until today, or until it was answered. 0 when it is, or was, in time."""
    if case.due is None:
        return 0
    return max(0, ((case.answered or today) - case.due).days)


def _received(act: Act, zone: tzinfo, days: Mapping[str, int]) -> Case:
    """Raises: BadDocument."""
    kind = act.document.get("kind")
    known = next((one for one in KINDS if one == kind), None)
    if known is None:
        raise BadDocument(f"the kind of a case is one of {', '.join(KINDS)}")
    names = {"kind", "subject", "own"} | ({"due"} if known == "disclosure" else set())
    document = documents.members(act.document, names)
    subject = documents.text(document["subject"])
    if not acceptable_reference(subject):
        raise BadDocument("a subject is a pseudonymous reference")
    received = civil_day(act.at, zone)
    due = due_day(known, received, days)
    if known == "disclosure":
        due = None if document["due"] is None else documents.day(document["due"])
    return Case(known, subject, "received", documents.flag(document["own"]), act, received, due, zone)


def _waits_for(case: Case) -> tuple[ActKind, ...]:
    if case.state == "received":
        return ("evaluate",) if case.kind == "disclosure" else ("verify", "reject")
    if case.state == "decided":
        onward: ActKind = "answer" if case.kind == "grievance" else "carry_out"
        return ("release" if case.needs_release else onward, "send_back")
    return _WAITING[case.state]


def _order(case: Case, act: Act) -> str:
    if not case.waits_for:
        return "the case is answered and takes no act"
    return f"a case of {case.kind} that is {case.state} takes no {act.kind}: it waits for {case.waits_for[0]}"


def _malformed(act: Act) -> Refusal | None:
    """Why this is no act at all."""
    if act.kind not in ACTS:
        return Refusal("bad_act", "no such act")
    if not acceptable_person(act.person) or CREDENTIAL.fullmatch(act.credential) is None:
        return Refusal("bad_act", "an act names its person and credential")
    if type(act.at) is not int or not 0 <= act.at <= _LATEST:
        return Refusal("bad_act", "a time is microseconds since 1970")
    try:
        documents.write(act.document)
    except BadDocument as bad:
        return Refusal("bad_act", bad.rule)
    return None


def _barred(case: Case, act: Act) -> Refusal | None:
    """Why this person is not the one to do it: nobody approves their own request, nor their own decision."""
    if act.kind not in ("decide", "release"):
        return None
    if case.own and _same_hands(act, case.opened):
        return Refusal("own_request", "nobody decides or releases a request of their own")
    if act.kind == "release" and (case.decided is None or _same_hands(act, case.decided)):
        return Refusal("two_persons_required", "another person than the one who decided releases")
    return None


def _same_hands(one: Act, other: Act) -> bool:
    return same_person(one.person, other.person) or one.credential == other.credential


def _misdocumented(case: Case, act: Act) -> Refusal | None:
    """Why the act's document does not do."""
    if act.kind == "release":
        return _unfit_release(case, act)
    if act.kind == "decide" and case.kind == "access":
        asked = act.document.get("four_eyes", False)
        return None if isinstance(asked, bool) else Refusal("bad_decision", "four_eyes is true or false")
    if act.kind in ("reject", "send_back"):
        good = set(act.document) == {"reason"} and acceptable_line(act.document["reason"])
        return None if good else Refusal("bad_act", "a reason is one line of 1 to 200 characters")
    return _unfit_erasure(case, act) if case.kind == "erasure" else None


def _unfit_release(case: Case, act: Act) -> Refusal | None:
    if set(act.document) != {"decision"}:
        return Refusal("bad_act", "a release names the SHA-256 of the decision, and nothing else")
    if act.document["decision"] != case.decision:
        return Refusal("decision_moved", "the release names another decision than the one there is")
    return None


def _unfit_erasure(case: Case, act: Act) -> Refusal | None:
    """An erasure's proposals and decision are read, so that none on record erases what must stay."""
    try:
        if act.kind == "evaluate":
            read_proposals(act.document)
        if act.kind == "decide" and case.evaluated is not None:
            decision = read_decision(act.document, read_proposals(case.evaluated.document))
            return decision if isinstance(decision, Refusal) else None
    except BadDocument as bad:
        return Refusal("bad_act", bad.rule)
    return None


def _after(case: Case, act: Act) -> Case:
    case = replace(case, state=_LEADS[act.kind], acts=case.acts + 1)
    match act.kind:
        case "evaluate":
            return replace(case, evaluated=act)
        case "decide":
            return replace(case, decided=act, sent_back=None)
        case "send_back":
            return replace(case, decided=None, sent_back=documents.text(act.document["reason"]))
        case "release":
            return replace(case, released=act)
        case "answer":
            return replace(case, answered=civil_day(act.at, case.zone))
    return case
