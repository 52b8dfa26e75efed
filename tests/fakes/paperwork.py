"""Acts, proposals and cases as people make them: what tests of cases write on."""

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from vault.cases import decisions
from vault.cases.decisions import Proposal
from vault.cases.disclosures import Order, order_document
from vault.cases.documents import digest
from vault.cases.machine import Act, fold
from vault.model.token import mint

KOLKATA = ZoneInfo("Asia/Kolkata")
TOKENS = tuple(sorted(mint(kind, bytes([n]) * 17) for n, kind in enumerate(("email", "gstin", "pan"))))
EMAIL, GSTIN, PAN = TOKENS
LAW = "Companies Act 2013 s. 128(5)"
WHO = {"asha": "Asha Rao", "ravi": "Ravi कुमार", "meera": "Meera Nair"}


def at(text: str) -> int:
    """µs since 1970 of a moment in Kolkata."""
    moment = datetime.fromisoformat(text).replace(tzinfo=KOLKATA)
    return int(moment.astimezone(UTC).timestamp()) * 1_000_000


def act(kind, who="asha", document=None, *, when="2026-11-07T10:00"):
    return Act(kind, WHO.get(who, who), f"acme.{who.lower()}", at(when), {} if document is None else document)


def receive(kind, who="asha", *, own=False, when="2026-11-07T10:00", **more):
    due = {"due": None} if kind == "disclosure" else {}
    document = {"kind": kind, "subject": "cust-8472", "own": own} | due | more
    return act("receive", who, document, when=when)


def proposals():
    """An e-mail address of an abandoned sign-up; a GSTIN under a hold; a PAN that the books need."""
    may = Proposal(EMAIL, "email", may_erase=True, held=False, keep_until=None, law="", sentence="")
    kept = replace(may, token=PAN, field_type="pan", may_erase=False, keep_until=date(2035, 3, 31), law=LAW)
    return may, replace(may, token=GSTIN, field_type="gstin", may_erase=False, held=True), kept


def decision():
    """What an officer decides of `proposals`, as a document."""
    made = decisions.decide(proposals(), decisions.as_proposed(proposals()))
    return decisions.to_document(made)


def order(**changes):
    """What a disclosure case decides, as a document."""
    usual = Order("cybercell", "BNSS-94-2026-113", (PAN,), sealed=True)
    return order_document(replace(usual, **changes))


def released(document, who="meera", **how):
    return act("release", who, {"decision": digest(document)}, **how)


def erasure():
    """A whole erasure, from receipt to answer."""
    return [
        receive("erasure"),
        act("verify"),
        act("evaluate", document=decisions.proposals_document(proposals())),
        act("decide", "ravi", decision()),
        released(decision()),
        act("carry_out"),
        act("answer"),
    ]


def disclosure(until="release", **changes):
    """A disclosure case, up to and with this act."""
    document = order(**changes)
    acts = [receive("disclosure"), act("evaluate"), act("decide", "ravi", document), released(document)]
    acts += [act("carry_out"), act("answer")]
    kinds = [one.kind for one in acts]
    return fold(acts[: kinds.index(until) + 1], zone=KOLKATA)


def case(acts):
    return fold(acts, zone=KOLKATA)
