"""Claims about erasure decisions, field by field."""

from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256

import pytest
import rfc8785

from tests.fakes.paperwork import EMAIL, GSTIN, LAW, PAN, TOKENS, decision, proposals
from vault.cases.decisions import (
    ArchiveUntil,
    EraseNow,
    ErasureDecision,
    Refuse,
    as_proposed,
    decide,
    digest,
    proposals_document,
    read_decision,
    read_proposals,
)
from vault.cases.documents import BadDocument
from vault.model.refusal import Refusal

UNTIL = date(2035, 3, 31)


def deciding(**changes):
    """The usual verdicts with some exchanged, by field type."""
    named = {"email": EMAIL, "gstin": GSTIN, "pan": PAN}
    return decide(proposals(), as_proposed(proposals()) | {named[kind]: v for kind, v in changes.items()})


def test_what_is_proposed_can_be_decided():
    """Taking every proposal as it comes erases what may be erased and keeps what the law keeps."""
    found = {item.field_type: item.verdict for item in deciding().items}
    assert found == {
        "email": EraseNow(),
        "gstin": Refuse("A legal hold is on this field."),
        "pan": ArchiveUntil(UNTIL, LAW),
    }


def test_nothing_is_erased_under_a_minimum_period_or_a_hold():
    """The law's period and the hold both stop it, and the refusal says which."""
    assert deciding(pan=EraseNow()) == Refusal("erasure_forbidden", "the law keeps it until 2035-03-31")
    assert deciding(gstin=EraseNow()) == Refusal("erasure_forbidden", "a legal hold is on it")


@pytest.mark.parametrize("changes", [{"may_erase": False}, {"held": True}, {"keep_until": UNTIL}])
def test_proposal_that_contradicts_itself_forbids(changes):
    """One no among the three is a no: a hold or a period beside `may_erase` is not talked over."""
    one = replace(proposals()[0], **changes)
    assert decide([one], {EMAIL: EraseNow()}).code == "erasure_forbidden"


def test_kept_longer_but_never_shorter():
    """An officer may archive beyond the proposed day, with a law, and not end a day before it."""
    assert isinstance(deciding(pan=ArchiveUntil(UNTIL + timedelta(1), LAW)), ErasureDecision)
    assert isinstance(deciding(email=ArchiveUntil(UNTIL, LAW)), ErasureDecision)
    assert deciding(pan=ArchiveUntil(UNTIL - timedelta(1), LAW)).code == "erasure_forbidden"


@pytest.mark.parametrize("line", ["", " ", "a\nb", "\x1b[31m", "x" * 201, "a\u202eb", " led", "e\u0301"])
def test_laws_and_reasons_are_one_tidy_line(line):
    """A law or a reason that is missing, or hides something, makes no decision."""
    assert deciding(pan=ArchiveUntil(UNTIL, line)).code == "bad_decision"
    assert deciding(email=Refuse(line)).code == "bad_decision"


def test_every_field_is_decided_once():
    """A field left out, one too many, or proposed twice: no decision."""
    usual = as_proposed(proposals())
    left_out = {token: verdict for token, verdict in usual.items() if token != PAN}
    for verdicts in (left_out, usual | {"tok_other": EraseNow()}, {}):
        assert decide(proposals(), verdicts).code == "bad_decision"
    assert decide([*proposals(), proposals()[0]], usual).code == "bad_decision"
    assert decide([], {}).code == "bad_decision"


def test_digest_names_one_decision():
    """The same decision has the same hash in whatever order it was made; any other has another."""
    other = decide(proposals()[::-1], dict(reversed(as_proposed(proposals()).items())))
    assert digest(other) == digest(deciding())
    assert digest(deciding(pan=Refuse("No."))) != digest(deciding())
    assert digest(deciding()) == sha256(rfc8785.dumps(decision())).hexdigest()


def test_documents_are_read_back():
    """What is written for an act is read back as it was, proposals and decision alike."""
    assert read_proposals(proposals_document(proposals())) == tuple(
        sorted(proposals(), key=lambda one: one.token)
    )
    assert read_decision(decision(), proposals()) == deciding()


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2}, {"v": True}, {"items": []}, {"items": {}}, {"more": 1}, {"items": [1]},
        {"items": decision()["items"][::-1]}, {"items": decision()["items"] + decision()["items"][:1]},
        {"items": [{**one, "verdict": "erase"} for one in decision()["items"]]},
        {"items": [{**one, "field_type": "pan"} for one in decision()["items"]]},
        {"items": [{**one, "until": "2035-3-31"} for one in decision()["items"]]},
        {"items": [{"token": [], "field_type": "pan", "verdict": "erase_now"}]},
    ],
)  # fmt: skip
def test_decision_in_any_other_spelling_is_refused(changes):
    """A document is the one spelling of a decision about these proposals, or none."""
    assert read_decision({**decision(), **changes}, proposals()).code == "bad_decision"


@pytest.mark.parametrize(
    "changes",
    [
        {"token": TOKENS[0][:-1] + "?"}, {"field_type": "a b"}, {"may_erase": 1}, {"held": "no"},
        {"keep_until": "20350331"}, {"keep_until": 1}, {"sentence": "\x07"}, {"token": None}, {"more": 1},
        {"law": "a\nb"},
    ],
)  # fmt: skip
def test_proposals_are_read_strictly(changes):
    """A proposal that is not written as the engine writes it is refused."""
    rows = proposals_document(proposals())["proposals"]
    with pytest.raises(BadDocument):
        read_proposals({"v": 1, "proposals": [{**rows[0], **changes}, *rows[1:]]})
    with pytest.raises(BadDocument):
        read_proposals({"v": 1, "proposals": rows[::-1]})
    with pytest.raises(BadDocument):
        read_proposals({"v": 1, "proposals": [rows[0], rows[0]]})
