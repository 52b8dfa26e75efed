"""The erasure decision, field by field: erase now, archive until a date under a law, or refuse with a reason.

Made from what the retention engine proposes. A person may keep longer than was proposed, or refuse; nobody
may erase what a minimum period or a legal hold protects. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from vault.cases import documents
from vault.cases.documents import BadDocument, Document
from vault.model.lines import acceptable_line
from vault.model.names import FIELD_TYPE
from vault.model.refusal import Refusal
from vault.model.token import MalformedToken, parse

LONGEST_SENTENCE = 500
_PROPOSAL = {"token", "field_type", "may_erase", "held", "keep_until", "law", "sentence"}

_VERDICTS: dict[str, set[str]] = {
    "erase_now": set(),
    "archive_until": {"until", "law"},
    "refuse": {"reason"},
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the retention engine says of one field."""

    token: str
    field_type: str
    may_erase: bool
    held: bool
    """A legal hold is on it."""
    keep_until: date | None
    """Last day of a minimum period that still runs; None when none does."""
    law: str
    sentence: str
    """The same in words."""

    @property
    def erasable(self) -> bool:
        """Whether it may be erased now. A proposal that contradicts itself forbids it."""
        return self.may_erase and not self.held and self.keep_until is None


@dataclass(frozen=True, slots=True)
class EraseNow:
    """The value is shredded."""


@dataclass(frozen=True, slots=True)
class ArchiveUntil:
    """The value is kept for the law alone, up to and with this day."""

    until: date
    law: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The value stays as it is."""

    reason: str


Verdict = EraseNow | ArchiveUntil | Refuse


@dataclass(frozen=True, slots=True)
class Item:
    """One field and what becomes of it."""

    token: str
    field_type: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ErasureDecision:
    """What becomes of each field. Items are sorted by token, each token once."""

    items: tuple[Item, ...]


def decide(proposals: Sequence[Proposal], verdicts: Mapping[str, Verdict]) -> ErasureDecision | Refusal:
    """The decision that gives each proposed token its verdict, or why there is none."""
    proposed = {proposal.token: proposal for proposal in proposals}
    if not proposals or len(proposed) != len(proposals) or set(verdicts) != set(proposed):
        return Refusal("bad_decision", "each proposed field is decided, once, and no other")
    items = []
    for token in sorted(proposed):
        refused = _refused(proposed[token], verdicts[token])
        if refused is not None:
            return refused
        items.append(Item(token, proposed[token].field_type, verdicts[token]))
    return ErasureDecision(tuple(items))


def as_proposed(proposals: Iterable[Proposal]) -> dict[str, Verdict]:
    """The verdicts an officer begins with: erase what may be, archive what the law keeps, refuse the rest."""
    return {proposal.token: _usual(proposal) for proposal in proposals}


def to_document(decision: ErasureDecision) -> dict[str, object]:
    """The decision as the document of the act `decide`."""
    items = [
        {"token": item.token, "field_type": item.field_type, **_written(item.verdict)}
        for item in decision.items
    ]
    return {"v": 1, "items": items}


def digest(decision: ErasureDecision) -> str:
    """SHA-256 of the decision's canonical JSON, in hexadecimal: what a release names."""
    return documents.digest(to_document(decision))


def read_decision(document: Document, proposals: Sequence[Proposal]) -> ErasureDecision | Refusal:
    """Read what `to_document` wrote, and judge it once more by the proposals it was made from."""
    try:
        items = documents.rows(documents.members(document, {"v", "items"})["items"])
        verdicts = dict(_read_item(item) for item in items)
        raw = documents.write(document)
    except BadDocument as bad:
        return Refusal("bad_decision", bad.rule)
    decision = decide(proposals, verdicts)
    if isinstance(decision, ErasureDecision) and documents.write(to_document(decision)) != raw:
        return Refusal("bad_decision", "not the one spelling of this decision")
    return decision


def proposals_document(proposals: Iterable[Proposal]) -> dict[str, object]:
    """Proposals as the document of the act `evaluate`, sorted by token."""
    ordered = sorted(proposals, key=lambda proposal: proposal.token)
    return {"v": 1, "proposals": [_proposal(proposal) for proposal in ordered]}


def read_proposals(document: Document) -> tuple[Proposal, ...]:
    """Read what `proposals_document` wrote. Raises: BadDocument."""
    found = documents.rows(documents.members(document, {"v", "proposals"})["proposals"])
    proposals = tuple(_read_proposal(one) for one in found)
    if len({proposal.token for proposal in proposals}) != len(proposals):
        raise BadDocument("each field is proposed once")
    if documents.write(proposals_document(proposals)) != documents.write(document):
        raise BadDocument("not the one spelling of these proposals")
    return proposals


def _refused(proposal: Proposal, verdict: Verdict) -> Refusal | None:
    """Why this field cannot have this verdict; None when it can."""
    match verdict:
        case EraseNow():
            return None if proposal.erasable else Refusal("erasure_forbidden", _forbidding(proposal))
        case ArchiveUntil(until, law):
            if not acceptable_line(law):
                return Refusal("bad_decision", "archiving names its law in one line of 1 to 200 characters")
            if proposal.keep_until is not None and until < proposal.keep_until:
                return Refusal("erasure_forbidden", f"the law keeps it until {proposal.keep_until}")
            return None
        case Refuse(reason):
            good = acceptable_line(reason)
            return None if good else Refusal("bad_decision", "a refusal has a reason of 1 to 200 characters")


def _forbidding(proposal: Proposal) -> str:
    if proposal.held:
        return "a legal hold is on it"
    if proposal.keep_until is not None:
        return f"the law keeps it until {proposal.keep_until}"
    return "the proposal does not allow it"


def _usual(proposal: Proposal) -> Verdict:
    if proposal.erasable:
        return EraseNow()
    if proposal.keep_until is not None and acceptable_line(proposal.law):
        return ArchiveUntil(proposal.keep_until, proposal.law)
    if proposal.held:
        return Refuse("A legal hold is on this field.")
    return Refuse(
        proposal.sentence if acceptable_line(proposal.sentence) else "The law does not allow it yet."
    )


def _written(verdict: Verdict) -> dict[str, object]:
    match verdict:
        case EraseNow():
            return {"verdict": "erase_now"}
        case ArchiveUntil(until, law):
            return {"verdict": "archive_until", "until": until.isoformat(), "law": law}
        case Refuse(reason):
            return {"verdict": "refuse", "reason": reason}


def _read_item(value: object) -> tuple[str, Verdict]:
    kind = value.get("verdict") if isinstance(value, dict) else None
    more = _VERDICTS.get(kind) if isinstance(kind, str) else None
    if more is None:
        raise BadDocument("a verdict is erase_now, archive_until or refuse")
    item = documents.members(value, {"token", "field_type", "verdict"} | more)
    token = documents.text(item["token"])
    if kind == "erase_now":
        return token, EraseNow()
    if kind == "refuse":
        return token, Refuse(documents.text(item["reason"]))
    return token, ArchiveUntil(documents.day(item["until"]), documents.text(item["law"]))


def _proposal(proposal: Proposal) -> dict[str, object]:
    return {
        "token": proposal.token,
        "field_type": proposal.field_type,
        "may_erase": proposal.may_erase,
        "held": proposal.held,
        "keep_until": None if proposal.keep_until is None else proposal.keep_until.isoformat(),
        "law": proposal.law,
        "sentence": proposal.sentence,
    }


def _read_proposal(value: object) -> Proposal:
    found = documents.members(value, _PROPOSAL)
    until = found["keep_until"]
    law, sentence = documents.text(found["law"]), documents.text(found["sentence"])
    if (law and not acceptable_line(law)) or (
        sentence and not acceptable_line(sentence, longest=LONGEST_SENTENCE)
    ):
        raise BadDocument("law and sentence are one line each")
    return Proposal(
        _token(documents.text(found["token"])),
        _field_type(documents.text(found["field_type"])),
        documents.flag(found["may_erase"]),
        documents.flag(found["held"]),
        None if until is None else documents.day(until),
        law,
        sentence,
    )


def _token(text: str) -> str:
    try:
        return parse(text).text
    except MalformedToken:
        raise BadDocument("a field is named by its token") from None


def _field_type(text: str) -> str:
    if FIELD_TYPE.fullmatch(text) is None:
        raise BadDocument("a field has a type")
    return text
