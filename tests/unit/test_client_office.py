"""What the client asks of the office: retention, corrections, cases; against one in memory, both clients."""

import json
from datetime import UTC, date, datetime

import httpx
import pytest
from strongroom import (
    AsyncStrongroom,
    Conflict,
    Misused,
    NotFound,
    OutcomeUnknown,
    ProtocolError,
    Strongroom,
    Value,
)

from tests.fakes.desk_server import FakeDesk
from tests.fakes.server import answer, busy, dropped

NAME = "cas_" + "0" * 26


@pytest.fixture
def fake():
    return FakeDesk()


@pytest.fixture
def vault(fake):
    with Strongroom(
        "https://vault.test", fake.client_id, fake.secret, transport=httpx.MockTransport(fake.handle)
    ) as client:
        yield client


@pytest.fixture
async def waiting(fake):
    transport = httpx.MockTransport(fake.handle)
    async with AsyncStrongroom("https://vault.test", fake.client_id, fake.secret, transport=transport) as it:
        yield it


@pytest.fixture
def token(vault):
    return vault.tokenize("cust-1", {"pan": "ABCPE1234F"})["pan"].token


def reply(body):
    """An answer in place of the office's."""
    return answer(200, httpx.Response(200, json=body).content, content_type="application/json")


def test_what_a_law_keeps_is_archived_and_says_so(vault, fake, token):
    """An erasure answers state, date and law; only what is gone has a date of having gone."""
    other = vault.tokenize("cust-1", {"email": "a@example.com"})["email"].token
    fake.kept[token] = "2035-03-31"
    kept, gone = vault.erase([token, other], reason="case-1")
    assert (kept.state, kept.erased, kept.until, kept.law) == (
        "archived", None, date(2035, 3, 31), "Companies Act 2013",
    )  # fmt: skip
    assert (gone.state, gone.until, gone.law, gone.problem) == ("shredded", None, None, None)
    assert gone.erased is not None
    fake.kept[token] = None
    [open_end] = vault.erase([token], reason="case-2")
    assert (open_end.state, open_end.until) == ("archived", None)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"state": "shredded"},
        {"state": "archived", "erased": "2026-11-07T10:00:00.000001Z"},
        {"state": "archived", "until": "soon"},
    ],
)
def test_an_erasure_that_does_not_say_what_became_of_it_is_none(vault, fake, token, wrong):
    """Gone without a date, or archived and gone, is not passed on as either."""
    fake.fail("/v1/erase", reply({"items": [{"token": token, "receipt": "rcp_1", **wrong}]}))
    with pytest.raises(ProtocolError):
        vault.erase([token], reason="case-1")


def test_why_a_record_is_kept(vault, fake, token):
    """State, dates, holds and every clock, typed; a stranger has a problem in its place."""
    fake.kept[token] = "2035-03-31"
    vault.hold("cust-1", reason="Audit", reference="case-7")
    why, stranger = vault.explain_retention([token, "tok_pan_x"])
    assert (why.subject, why.may_erase, why.keep_until) == ("cust-1", False, date(2035, 3, 31))
    assert [(clock.law, clock.until, clock.holds) for clock in why.clocks] == [
        ("Companies Act 2013", date(2035, 3, 31), True)
    ]
    assert [held.reference for held in why.holds] == ["case-7"]
    assert stranger.problem.code == "token_not_found"
    with pytest.raises(NotFound):
        _ = stranger.state
    with pytest.raises(Misused):
        vault.explain_retention(token)


def test_a_corrected_value_goes_out_and_only_its_mask_comes_back(vault, fake, token):
    """A value may wear Value; the result has version, mask, receipt and whom to tell."""
    done = vault.replace(token, Value("XYZPE1234K"), reason="case-1")
    assert (done.version, done.masked, done.receipt, done.tell) == (2, "…4K", "rcp_new", ("mailer",))
    assert fake.sealed[token]["value"] == "XYZPE1234K"
    assert "XYZPE" not in repr(done)


def test_a_replacement_that_may_have_happened_is_not_sent_twice(vault, fake, token):
    """Without a key a second one would shred the first: the caller is told to look."""
    fake.fail("/v1/replace", dropped)
    with pytest.raises(OutcomeUnknown, match="look before"):
        vault.replace(token, "XYZPE1234K", reason="case-1")
    fake.fail("/v1/replace", busy())
    assert vault.replace(token, "XYZPE1234K", reason="case-1").version == 2
    assert len(fake.asked("/v1/replace")) == 3


def test_a_case_from_receipt_to_answer(vault, fake):
    """Each act sends its document alone; the release names the decision it was shown."""
    case = vault.open_case("erasure", "cust-1")
    assert (case.state, case.due, case.receipt) == ("received", date(2026, 12, 7), "rcp_case")
    vault.act_on_case(case.case_id, "verify", how="Called back")
    vault.act_on_case(case.case_id, "evaluate")
    decided = vault.act_on_case(
        case.case_id, "decide", verdicts={"tok_x": {"verdict": "refuse", "reason": "r"}}
    )
    with pytest.raises(Conflict, match="decision_moved"):
        vault.act_on_case(case.case_id, "release", decision="0" * 64)
    assert vault.act_on_case(case.case_id, "release", decision=decided.decision).state == "carried_out"
    vault.act_on_case(case.case_id, "answer")
    whole = vault.case(case.case_id)
    assert [act.act for act in whole.acts] == ["verify", "evaluate", "decide", "release", "answer"]
    assert whole.acts[0].document == {"how": "Called back"}
    assert {act.person for act in whole.acts} == {"Meera Iyer"}
    sent = fake.asked(f"/v1/cases/{case.case_id}/evaluate")[0]
    assert json.loads(sent.content) == {}


def test_the_queue_follows_the_pages(vault, fake):
    """Every case once, with how late it is; a day is a day."""
    for number in range(5):
        vault.open_case("disclosure", f"cust-{number}", due=date(2026, 11, 30))
    found = list(vault.cases(late_only=True))
    assert [one.subject for one in found] == [f"cust-{number}" for number in range(5)]
    assert {(one.late_days, one.due) for one in found} == {(3, date(2026, 11, 30))}
    assert [one.subject for one in vault.cases(subject="cust-3")] == ["cust-3"]
    with pytest.raises(Misused):
        vault.open_case("disclosure", "cust-1", due=datetime(2026, 11, 30, tzinfo=UTC))


def test_a_tampered_case_is_not_passed_over(vault, fake):
    """A queue with a case that is not what the log says raises, and names it."""
    vault.open_case("access", "cust-1")
    fake.tampered.append(NAME)
    with pytest.raises(Conflict, match="case_tampered") as refused:
        list(vault.cases())
    assert NAME in (refused.value.detail or "")


@pytest.mark.parametrize("name", ["", "cas_", "../erase", "cas_" + "z" * 26, "hld_" + "0" * 26])
def test_what_names_no_case_is_not_asked_about(vault, fake, name):
    """No path is made of anything but a case's id, nor of an act that there is not."""
    with pytest.raises(Misused):
        vault.case(name)
    with pytest.raises(Misused):
        vault.act_on_case(name, "answer")
    with pytest.raises(Misused):
        vault.act_on_case(NAME, "../../erase")
    assert fake.requests == []


@pytest.mark.parametrize(
    ("path", "call", "body"),
    [
        (f"/v1/cases/{NAME}", lambda v: v.case(NAME), {"case": "cas_" + "1" * 26}),
        ("/v1/cases", lambda v: v.open_case("access", "cust-1"), {"case": NAME, "received": "soon"}),
        ("/v1/cases/query", lambda v: list(v.cases()), {"items": [], "tampered": "x", "next": None}),
        ("/v1/retention/explain", lambda v: v.explain_retention(["tok_a"]), {"items": [{"token": "tok_b"}]}),
        ("/v1/retention/explain", lambda v: v.explain_retention(["tok_a"]), {"items": []}),
        ("/v1/replace", lambda v: v.replace("tok_a", "x", reason="r"), {"items": [{"token": "tok_b"}]}),
    ],
)
def test_an_answer_about_something_else_is_none(vault, fake, path, call, body):
    """An answer that is not about what was asked, or not of its form, raises ProtocolError."""
    fake.fail(path, reply(body))
    with pytest.raises(ProtocolError):
        call(vault)


async def test_asyncio_client_does_the_same(waiting, fake):
    """Explaining, replacing and cases through the asyncio client."""
    token = (await waiting.tokenize("cust-1", {"pan": "ABCPE1234F"}))["pan"].token
    assert (await waiting.explain_retention([token]))[0].may_erase is True
    assert (await waiting.replace(token, "XYZPE1234K", reason="case-1")).version == 2
    made = [(await waiting.open_case("access", f"cust-{n}")).case_id for n in range(3)]
    assert (await waiting.act_on_case(made[0], "verify", how="Called back")).state == "verified"
    assert [one.case_id async for one in waiting.cases()] == made
    assert len((await waiting.case(made[0])).acts) == 1
