"""Claims about cases: which act is taken when, and from whom."""

from dataclasses import replace
from datetime import UTC, date
from itertools import product

import pytest

from tests.fakes.paperwork import (
    EMAIL,
    KOLKATA,
    PAN,
    act,
    case,
    decision,
    disclosure,
    erasure,
    order,
    proposals,
    receive,
    released,
)
from vault.cases import decisions
from vault.cases.documents import digest
from vault.cases.machine import ACTS, KINDS, STATES, Act, CaseError, Ready, fold, late, may, opens_case
from vault.model.refusal import Refusal

ERASURE = ("verify", "evaluate", "decide", "release", "carry_out", "answer")
WAY = {
    "access": ("verify", "evaluate", "decide", "carry_out", "answer"),
    "correction": ("verify", "evaluate", "decide", "carry_out", "answer"),
    "erasure": ERASURE,
    "objection": ("verify", "evaluate", "decide", "carry_out", "answer"),
    "grievance": ("verify", "evaluate", "decide", "answer"),
    "disclosure": ERASURE[1:],
}
TAKES = {
    "received": {"verify", "reject"},
    "verified": {"evaluate"},
    "rejected": {"answer"},
    "evaluated": {"evaluate", "decide"},
    "decided": {"release", "send_back"},
    "released": {"carry_out"},
    "carried_out": {"answer"},
    "answered": set(),
}
"""For a case that must be released."""


def document(kind, step):
    """A document that does for this act of this kind of case."""
    if step in ("reject", "send_back"):
        return {"reason": "The passport had expired."}
    made = {
        "erasure": {"evaluate": decisions.proposals_document(proposals()), "decide": decision()},
        "disclosure": {"decide": order()},
        "access": {"decide": {"four_eyes": False}},
    }
    return made.get(kind, {}).get(step, {})


def made(kind, step):
    """The act, by whoever may do it."""
    if step == "release":
        return released(document(kind, "decide"))
    return act(step, "ravi" if step == "decide" else "asha", document(kind, step))


def standing(kind, state):
    """A case of this kind in this state, or None where there is none."""
    acts = [receive(kind)] + [made(kind, step) for step in WAY[kind]]
    if state == "rejected":
        acts = [receive(kind), made(kind, "reject")]
    for count in range(1, len(acts) + 1):
        if kind == "disclosure" and state == "rejected":
            return None
        found = case(acts[:count])
        if found.state == state:
            return found
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_goes_its_way(kind):
    """From receipt to answer every kind passes its own acts, and each is asked for before it comes."""
    found = case([receive(kind)])
    for step in WAY[kind]:
        assert step in found.waits_for
        taken = may(found, made(kind, step))
        assert isinstance(taken, Ready), taken
        found = taken.case
    assert (found.state, found.answered, found.acts) == ("answered", date(2026, 11, 7), len(WAY[kind]) + 1)


@pytest.mark.parametrize(("state", "step"), [*product(STATES, ACTS)])
def test_every_state_answers_every_act(state, step):
    """A case takes the acts of its state and refuses all others, too early or too late."""
    found = standing("erasure", state)
    taken = may(found, made("erasure", step))
    assert isinstance(taken, Ready) == (step in TAKES[state])
    if isinstance(taken, Refusal):
        assert taken.code == "act_out_of_order"
        assert taken.rule


@pytest.mark.parametrize(("kind", "state"), [*product(("erasure", "disclosure"), STATES)])
def test_without_release_nothing_that_needs_it_is_carried_out(kind, state):
    """Erasure and disclosure are carried out only once released, whatever else may happen before."""
    found = standing(kind, state)
    if found is None:
        assert (kind, state) in {("disclosure", "verified"), ("disclosure", "rejected")}
    else:
        assert isinstance(may(found, act("carry_out")), Ready) == (state == "released")


def test_evaluation_waits_for_identity():
    """No data subject's request is evaluated before it is known who asks; a disclosure skips that."""
    for kind in KINDS:
        taken = may(case([receive(kind)]), made(kind, "evaluate"))
        assert isinstance(taken, Ready) == (kind == "disclosure")


def test_who_cannot_be_identified_is_refused_and_told():
    """A rejected request is answered and goes nowhere else."""
    found = case([receive("access"), made("access", "reject")])
    assert found.waits_for == ("answer",)
    assert case([receive("access"), made("access", "reject"), act("answer")]).state == "answered"


@pytest.mark.parametrize("who", ["Ravi कुमार", "ravi कुमार", "RAVI  कुमार", "Ravi\u00a0कुमार", "Ravi\u2003कुमार"])
def test_who_decided_does_not_release(who):
    """Case, spaces and Unicode spelling make no second person of the first."""
    *acts, release = erasure()[:5]
    refused = may(case(acts), replace(release, person=who))
    assert isinstance(refused, Refusal)
    assert refused.code in ("two_persons_required", "bad_act")


def test_one_credential_is_one_pair_of_hands():
    """A second name behind the credential that decided releases nothing."""
    *acts, release = erasure()[:5]
    refused = may(case(acts), replace(release, credential=acts[-1].credential))
    assert refused == Refusal("two_persons_required", "another person than the one who decided releases")


def test_who_asks_for_themselves_neither_decides_nor_releases():
    """An officer who is the data subject leaves deciding and releasing to others."""
    own = [receive("erasure", "meera", own=True), *erasure()[1:3]]
    assert may(case(own), act("decide", "meera", decision())).code == "own_request"
    own.append(act("decide", "ravi", decision()))
    assert may(case(own), released(decision(), "meera")).code == "own_request"
    assert isinstance(may(case(own), released(decision(), "asha")), Ready)
    others = [receive("erasure", "meera"), *own[1:]]
    assert isinstance(may(case(others), released(decision(), "meera")), Ready)


@pytest.mark.parametrize("named", ["0" * 64, "", None, digest(decision()).upper(), 7])
def test_release_names_the_decision_it_releases(named):
    """A release of another hash, or of none, releases nothing."""
    refused = may(case(erasure()[:4]), act("release", "meera", {"decision": named}))
    assert (refused.code, "another decision" in refused.rule) == ("decision_moved", True)


def test_release_says_nothing_else():
    """A release with more than the hash in it is none: what else was approved would be anybody's guess."""
    more = {"decision": digest(decision()), "and": "everything"}
    assert may(case(erasure()[:4]), act("release", "meera", more)).code == "bad_act"


def test_decision_that_came_back_is_decided_anew():
    """Sent back with a reason, a case waits for another decision; a release of the first is too late."""
    back = [*erasure()[:4], act("send_back", "meera", {"reason": "The hold was lifted."})]
    found = case(back)
    assert (found.state, found.sent_back, found.decision) == ("evaluated", "The hold was lifted.", None)
    assert may(found, released(decision())).code == "act_out_of_order"
    other = decisions.to_document(
        decisions.decide(proposals(), decisions.as_proposed(proposals()) | {EMAIL: decisions.Refuse("No.")})
    )
    again = case([*back, act("decide", "ravi", other)])
    assert (again.sent_back, may(again, released(decision())).code) == (None, "decision_moved")
    assert isinstance(may(again, released(other)), Ready)


@pytest.mark.parametrize("reason", ["", " ", "two\nlines", "\x1b[2J", "x" * 201, None, "rtl \u202e"])
def test_reasons_are_one_line(reason):
    """Who sends back or rejects says why, in a line that can be shown."""
    assert may(case(erasure()[:4]), act("send_back", "meera", {"reason": reason})).code == "bad_act"
    assert may(case(erasure()[:1]), act("reject", "meera", {"reason": reason})).code == "bad_act"


def test_copy_above_a_size_takes_two():
    """An access that its decision puts under four eyes is carried out only once released."""
    acts = [receive("access"), act("verify"), act("evaluate"), act("decide", "ravi", {"four_eyes": True})]
    assert (case(acts).needs_release, case(acts).waits_for) == (True, ("release", "send_back"))
    assert may(case(acts), act("carry_out")).code == "act_out_of_order"
    acts[-1] = act("decide", "ravi", {"four_eyes": False})
    assert isinstance(may(case(acts), act("carry_out")), Ready)
    assert may(case(acts[:3]), act("decide", "ravi", {"four_eyes": 0})).code == "bad_decision"


def test_decision_on_record_erases_nothing_that_must_stay():
    """A decision that erases a field under a minimum period or a hold is refused as an act, too."""
    forced = {**decision(), "items": [{**one} for one in decision()["items"]]}
    for item in forced["items"]:
        if item["token"] == PAN:
            item.clear()
            item.update({"token": PAN, "field_type": "pan", "verdict": "erase_now"})
    refused = may(case(erasure()[:3]), act("decide", "ravi", forced))
    assert refused == Refusal("erasure_forbidden", "the law keeps it until 2035-03-31")


def test_rogue_history_is_no_case():
    """Acts put into the database behind the vault's back do not fold: the place and the rule are named."""
    whole = erasure()
    rogue = [act("decide", "ravi", {**decision(), "v": True}), released(decision(), "ravi")]
    for number, wrong in ((3, rogue[0]), (4, rogue[1]), (4, act("carry_out"))):
        with pytest.raises(CaseError) as error:
            case([*whole[:number], wrong, *whole[number + 1 :]])
        assert error.value.number == number
    for acts in ([], whole[1:], [whole[0], whole[0]], [*whole, whole[-1]]):
        with pytest.raises(CaseError):
            case(acts)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "erase"}, {"subject": "asha@example.in"}, {"subject": "ABCPE1234F"}, {"own": 1}, {"more": 1},
        {"kind": None}, {"own": None}, {"due": None}, {"kind": 1.5}, {"kind": ["erasure"]},
    ],
)  # fmt: skip
def test_case_opens_with_what_it_must_say(changes):
    """A kind there is, a pseudonymous subject, whose sake it is for; nothing else."""
    opened = receive("erasure")
    refused = opens_case(replace(opened, document={**opened.document, **changes}), zone=KOLKATA)
    assert refused.code == "bad_act"
    assert "asha" not in refused.rule


@pytest.mark.parametrize(
    "changes",
    [{"person": ""}, {"person": "A\u200b"}, {"credential": "ravi"}, {"at": -1}, {"at": True}, {"at": 2**53}],
)
def test_act_says_who_and_when(changes):
    """An act without a person, a credential and a time is none."""
    assert may(case(erasure()[:1]), replace(act("verify"), **changes)).code == "bad_act"
    assert may(case(erasure()[:1]), Act("hurry", "Asha", "acme.asha", 0)).code == "bad_act"


@pytest.mark.parametrize(
    "document", [{"a": 1.5}, {"क": 1}, {"a": 2**53}, {"a": {1: 2}}, {"a": b""}, [], None]
)
def test_documents_have_one_spelling(document):
    """What canonical JSON cannot write, and other readers would read otherwise, is refused."""
    assert may(case(erasure()[:1]), replace(act("verify"), document=document)).code == "bad_act"


def test_due_days_are_civil_days():
    """The day of receipt is the day in Kolkata; thirty days follow it, ninety for a grievance."""
    late_evening = receive("erasure", when="2026-11-07T23:59")
    after_midnight = receive("erasure", when="2026-11-08T00:01")
    assert case([late_evening]).due == date(2026, 12, 7)
    assert case([after_midnight]).due == date(2026, 12, 8)
    assert fold([after_midnight], zone=UTC).due == date(2026, 12, 7)
    assert case([receive("grievance")]).due == date(2027, 2, 5)
    leap = receive("access", when="2028-01-30T12:00")
    assert fold([leap], zone=KOLKATA, days={"access": 30}).due == date(2028, 2, 29)


def test_tenant_sets_its_own_days():
    """A shorter period counts; a longer one for grievances does not, since the law has the last word."""
    days = {"erasure": 7, "grievance": 365}
    assert fold([receive("erasure")], zone=KOLKATA, days=days).due == date(2026, 11, 14)
    assert fold([receive("grievance")], zone=KOLKATA, days=days).due == date(2027, 2, 5)
    assert fold([receive("access")], zone=KOLKATA, days=days).due is None


def test_disclosure_is_due_when_its_order_says():
    """An authority's own date is the due date; a malformed one opens no case."""
    assert case([receive("disclosure", due="2026-11-09")]).due == date(2026, 11, 9)
    assert case([receive("disclosure")]).due is None
    assert opens_case(receive("disclosure", due="9.11.2026"), zone=KOLKATA).code == "bad_act"


def test_queue_shows_what_is_late():
    """On the due day nothing is late, the day after it is; what was answered stays as it was."""
    found = case([receive("erasure")])
    assert [late(found, day) for day in (date(2026, 12, 7), date(2026, 12, 8))] == [0, 1]
    assert late(case(erasure()), date(2027, 12, 8)) == 0
    last = replace(erasure()[-1], at=erasure()[-1].at + 32 * 86_400_000_000)
    assert late(case([*erasure()[:-1], last]), date(2030, 1, 1)) == 2
    assert late(disclosure("receive"), date(2030, 1, 1)) == 0
