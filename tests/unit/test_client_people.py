"""What the client says about people, against an office in memory, blocking and on asyncio."""

from datetime import UTC, date, datetime
from hashlib import sha256

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
    Unavailable,
)

from tests.fakes.office_server import AT, FakeOffice
from tests.fakes.server import answer, busy, dropped, slow, unreachable

MARKETING = "marketing_display"
WHEN = datetime.fromisoformat(AT)


@pytest.fixture
def fake():
    return FakeOffice()


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


def test_a_withdrawal_says_what_it_does(vault, fake):
    """The answer is typed: effect, words for the person, receipt; absent members are not sent."""
    done = vault.consent("cust-1", MARKETING, "withdraw", source="preference-page")
    assert (done.effect, done.explanation, done.receipt) == ("stops", "In words.", "rcp_said")
    assert done.at == WHEN
    sent = fake.asked("/v1/consents")[0].content
    assert b'"notice"' not in sent
    assert b'"at"' not in sent


def test_a_consent_carries_its_time_in_utc(vault, fake):
    """A time with any zone is sent in UTC; one without a zone is refused before anything is sent."""
    at = datetime.fromisoformat("2026-11-07T15:30:00+05:30")
    done = vault.consent("cust-1", MARKETING, "grant", source="form-1", notice="2026-04/en", at=at)
    assert (done.at, done.notice) == (datetime(2026, 11, 7, 10, tzinfo=UTC), "2026-04/en")
    before = len(fake.requests)
    with pytest.raises(Misused):
        vault.consent("cust-1", MARKETING, "grant", source="form-1", at=datetime(2026, 11, 7))  # noqa: DTZ001
    assert len(fake.requests) == before


def test_history_is_of_one_person(vault):
    """Everything one person said, in order, and nobody else's."""
    for who, act in (("cust-1", "grant"), ("cust-2", "grant"), ("cust-1", "withdraw")):
        vault.consent(who, MARKETING, act, source="form-1")
    assert [one.act for one in vault.consent_history("cust-1")] == ["grant", "withdraw"]


def test_outdated_consents_follow_the_pages(vault, fake):
    """Each outdated consent comes once, over as many pages as it takes."""
    for number in range(5):
        vault.consent(f"cust-{number}", MARKETING, "grant", source="form-1")
    found = list(vault.outdated_consents("2026-04", purpose=MARKETING))
    assert [one.subject for one in found] == [f"cust-{number}" for number in range(5)]
    assert found[0].given == WHEN
    assert len(fake.asked("/v1/consents/outdated")) == 3


def test_a_notice_is_published_by_its_digest(vault, fake):
    """The text stays here; its SHA-256 goes out."""
    effective = datetime(2026, 4, 1, tzinfo=UTC)
    done = vault.publish_notice("2026-04", "en", b"We keep", effective=effective, purposes=["payment"])
    assert (done.name, done.receipt) == ("2026-04/en", "rcp_notice")
    assert done.sha256 == sha256(b"We keep").hexdigest()
    assert b"We keep" not in b"".join(one.content for one in fake.requests)
    assert [(one.name, one.purposes, one.receipt) for one in vault.notices()] == [
        ("2026-04/en", ("payment",), None)
    ]


def test_an_account_is_closed_and_reopened(vault):
    """Closing twice is a Conflict; a fact has its day and receipt."""
    done = vault.close_account("cust-1", reference="ticket-311")
    assert (done.fact, done.on, done.reference) == ("closed", date(2026, 11, 7), "ticket-311")
    with pytest.raises(Conflict) as twice:
        vault.close_account("cust-1")
    assert twice.value.code == "account_already"
    assert vault.reopen_account("cust-1").fact == "reopened"
    assert vault.invoiced("cust-1", on=date(2026, 3, 31)).on == date(2026, 3, 31)
    assert vault.sign_of_life("cust-1").fact == "active"


def test_a_day_is_no_time(vault, fake):
    """A datetime would hide which zone its day is of."""
    with pytest.raises(Misused):
        vault.invoiced("cust-1", on=datetime(2026, 3, 31, tzinfo=UTC))
    assert fake.requests == []


def test_subjects_come_whole_although_their_records_come_in_pages(vault):
    """Every subject once, in the order asked, with all of its records."""
    for who in ("cust-1", "cust-2"):
        for _ in range(3):
            vault.tokenize(who, {"pan": "ABCPE1234F"})
    vault.close_account("cust-2")
    vault.hold("cust-1", reason="Tax audit", reference="case-1")
    found = vault.subjects(["cust-2", "cust-1", "cust-2"])
    assert [(one.subject, one.account, one.open_holds) for one in found] == [
        ("cust-2", "closed", 0),
        ("cust-1", "open", 1),
    ]
    assert [len({record.token for record in one.records}) for one in found] == [3, 3]
    assert found[0].since == date(2026, 11, 7)
    with pytest.raises(Misused):
        vault.subjects("cust-1")


def test_a_hold_is_placed_listed_and_lifted(vault):
    """Who placed and who lifted it is in the result; lifted ones are listed on demand; twice is refused."""
    made = [vault.hold("cust-1", reason="Tax audit", reference="case-1").hold_id for _ in range(3)]
    lifted = vault.lift_hold(made[0], reason="Over")
    assert lifted.lifted is not None
    assert (lifted.person, lifted.lifted.person, lifted.lifted.at) == ("Meera Iyer", "Meera Iyer", WHEN)
    assert [one.hold_id for one in vault.holds(subject="cust-1")] == made[1:]
    assert [one.hold_id for one in vault.holds(open_only=False)] == made
    with pytest.raises(Conflict, match="hold_lifted"):
        vault.lift_hold(made[0], reason="Over")
    with pytest.raises(NotFound, match="hold_not_found"):
        vault.lift_hold("hld_" + "7" * 26, reason="Over")


@pytest.mark.parametrize("name", ["", "hld_", "../erase", "hld_" + "z" * 26, "evt_" + "0" * 26])
def test_what_is_no_hold_is_not_asked_about(vault, fake, name):
    """No path is made of anything but a hold's id."""
    with pytest.raises(Misused):
        vault.lift_hold(name, reason="Over")
    assert fake.requests == []


@pytest.mark.parametrize("fault", [dropped, slow])
def test_a_write_that_may_have_happened_is_not_sent_twice(vault, fake, fault):
    """Without a key nothing tells a repetition from a second act: the caller is told to look."""
    fake.fail("/v1/consents", fault)
    with pytest.raises(OutcomeUnknown, match="look before"):
        vault.consent("cust-1", MARKETING, "object", source="letter-1")
    assert len(fake.said) == len(fake.asked("/v1/consents")) == 1


def test_an_unknown_outcome_is_not_sent_twice(vault, fake):
    """The vault's own word that it cannot tell stands, too."""
    fake.fail("/v1/subjects", busy("outcome_unknown"))
    with pytest.raises(OutcomeUnknown):
        vault.close_account("cust-1")
    assert len(fake.asked("/v1/subjects")) == 1


@pytest.mark.parametrize("fault", [unreachable, busy(), busy("throttled", status=429)])
def test_a_write_that_did_not_happen_is_tried_again(vault, fake, fault):
    """When nothing was heard, or the vault says that it did nothing, the client goes on by itself."""
    fake.fail("/v1/holds", fault)
    assert vault.hold("cust-1", reason="Tax audit", reference="case-1").receipt == "rcp_hold"
    assert len(fake.held) == 1


def test_a_gateways_word_on_a_write_is_no_answer(vault, fake):
    """A 502 may hide an act that happened."""
    fake.fail("/v1/holds", answer(502, b"bad gateway"))
    with pytest.raises(Unavailable) as told:
        vault.hold("cust-1", reason="Tax audit", reference="case-1")
    assert isinstance(told.value, OutcomeUnknown)
    assert len(fake.asked("/v1/holds")) == 1


@pytest.mark.parametrize(
    ("path", "call", "body"),
    [
        ("/v1/consents", lambda v: v.consent("cust-1", MARKETING, "withdraw", source="x"), {"items": []}),
        (
            "/v1/subjects",
            lambda v: v.close_account("cust-1"),
            {"items": [{"subject": "cust-2", "fact": "closed", "on": "2026-11-07", "receipt": "r"}]},
        ),
        (
            "/v1/subjects",
            lambda v: v.close_account("cust-1"),
            {"items": [{"subject": "cust-1", "fact": "closed", "on": "soon", "receipt": "r"}]},
        ),
        ("/v1/subjects/query", lambda v: v.subjects(["cust-1"]), {"subjects": [], "next": None}),
        ("/v1/holds/query", lambda v: list(v.holds()), {"holds": [{"hold": "hld_x"}], "next": None}),
        ("/v1/notices", lambda v: v.notices(), {"notices": [{"purposes": "payment"}]}),
    ],
)
def test_an_answer_about_somebody_else_is_none(vault, fake, path, call, body):
    """An answer that is not about what was asked, or not of its form, raises ProtocolError."""
    reply = httpx.Response(200, json=body)
    fake.fail(path, answer(200, reply.content, content_type="application/json"))
    with pytest.raises(ProtocolError):
        call(vault)


def test_pages_that_lead_back_to_themselves_end(vault, fake):
    """A page that names itself as the next one is refused, not read for ever."""
    again = httpx.Response(200, json={"holds": [], "next": "hld_1"}).content
    fake.fail("/v1/holds/query", *[answer(200, again, content_type="application/json")] * 3)
    with pytest.raises(ProtocolError):
        list(vault.holds())


async def test_asyncio_client_does_the_same(waiting, fake):
    """Consents, notices, accounts, holds and their pages through the asyncio client."""
    for number in range(3):
        await waiting.consent(f"cust-{number}", MARKETING, "grant", source="form-1")
    assert [one.subject async for one in waiting.outdated_consents("2026-04")] == [
        "cust-0", "cust-1", "cust-2",
    ]  # fmt: skip
    assert len(await waiting.consent_history("cust-1")) == 1
    effective = datetime(2026, 4, 1, tzinfo=UTC)
    await waiting.publish_notice("2026-04", "en", b"We keep", effective=effective, purposes=["payment"])
    assert [one.name for one in await waiting.notices()] == ["2026-04/en"]
    await waiting.close_account("cust-1")
    assert (await waiting.subjects(["cust-1"]))[0].account == "closed"
    await waiting.reopen_account("cust-1")
    await waiting.invoiced("cust-1")
    await waiting.sign_of_life("cust-1")
    made = [(await waiting.hold("cust-1", reason="Audit", reference="case-1")).hold_id for _ in range(3)]
    await waiting.lift_hold(made[0], reason="Over")
    assert [one.hold_id async for one in waiting.holds()] == made[1:]
