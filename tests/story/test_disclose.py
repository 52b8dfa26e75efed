"""What goes outside: to a recipient on file, on a legal ground, and to an authority by two persons."""

from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import insert, select

from tests.plugins.world import World
from vault.policy.load import DEFAULT
from vault.store.acts import case_act, disclosure, recipient

pytestmark = pytest.mark.asyncio(loop_scope="module")
GROUND = "dpa-2026-05"
ORDER = "BNSS-94-2026-113"
MAILER: dict[str, Any] = {
    "name": "mailer",
    "title": "Bulk Mail Private Limited",
    "kind": "provider",
    "country": "IN",
    "classes": ["contact", "identity"],
    "undertaking": "Data processing agreement of 2 May 2026",
    "expires": "2099-03-31",
}
TERMS: dict[str, dict[str, Any]] = {
    "narrow": {"classes": ["contact"]},
    "lapsed": {"expires": "2024-03-31"},
    "unbound": {"undertaking": None},
    "pyongyang": {"country": "KP", "safeguard": "Standard contractual clauses"},
    "berlin": {"country": "DE"},
    "bonn": {"country": "DE", "safeguard": "Standard contractual clauses"},
    "gone": {"ended": True},
    "cybercell": {"kind": "authority", "undertaking": None, "expires": None},
}
_numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outside(service: World) -> World:
    """A world with recipients on file, a blocked country, and whoever may disclose."""
    toml = DEFAULT.read_text().replace("blocked = []", 'blocked = ["KP"]')
    applied = await service.post("/v1/policy/apply", {"toml": toml}, who="admin")
    assert applied.status_code == 200, applied.text
    people = {
        "registrar": ["recipients"],
        "counsel": ["recipients", "release"],
        "discloser": ["disclose"],
        "mailman": ["disclose@contact"],
        "officer": ["cases"],
        "approver": ["release"],
        "clerk": ["subjects", "replace"],
        "inspector": ["events", "events_sealed"],
    }
    for name, grants in people.items():
        await service.hire(name, grants)
    items = [MAILER, *(MAILER | {"name": name} | terms for name, terms in TERMS.items())]
    put = await service.post("/v1/recipients", {"items": items}, who="registrar")
    assert put.status_code == 200, put.text
    return service


@pytest.fixture
def subject() -> str:
    return f"cust-{next(_numbers)}"


async def seal(world: World, subject: str) -> tuple[str, str]:
    """The token and the value of a name that exists nowhere else."""
    value = world.canary()
    made = await world.tokenize([("person_name", value)], subject=subject)
    return str(made.json()["items"][0]["token"]), value


async def disclose(world: World, tokens: list[str], *, who: str = "discloser", **more: Any) -> Any:
    body = {"recipient": "mailer", "legal_reference": GROUND, "items": [{"token": t} for t in tokens]} | more
    return await world.post("/v1/disclose", body, who=who)


async def given(world: World, subject: str, who: str = "registrar") -> list[dict[str, Any]]:
    answer = await world.post("/v1/disclosures/query", {"subject": subject}, who=who)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["disclosures"])


async def act(world: World, case: str, kind: str, who: str, **document: Any) -> Any:
    return await world.post(f"/v1/cases/{case}/{kind}", document, who=who)


async def ordered(world: World, subject: str, tokens: list[str], **order: Any) -> tuple[str, str]:
    """A disclosure case, decided and not yet released; and the hash of what was decided."""
    body = {"kind": "disclosure", "subject": subject, "own": False, "due": "2099-01-01"}
    opened = await world.post("/v1/cases", body, who="officer")
    assert opened.status_code == 201, opened.text
    case = str(opened.json()["case"])
    await act(world, case, "evaluate", "officer")
    wanted = {"recipient": "cybercell", "legal_reference": ORDER, "tokens": sorted(tokens), "sealed": False}
    decided = await act(world, case, "decide", "officer", **(wanted | order))
    assert decided.status_code == 200, decided.text
    return case, str(decided.json()["decision"])


async def released(world: World, subject: str, tokens: list[str], **order: Any) -> str:
    """The same, released by a second person."""
    case, decision = await ordered(world, subject, tokens, **order)
    done = await act(world, case, "release", "approver", decision=decision)
    assert done.status_code == 200, done.text
    return case


async def to_authority(world: World, tokens: list[str], case: str | None, **more: Any) -> Any:
    body = {"recipient": "cybercell", "legal_reference": ORDER, **({"case": case} if case else {})}
    return await disclose(world, tokens, **(body | more))


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_value_goes_to_a_recipient_and_the_register_says_so(outside: World, subject: str):
    """The answer has the value, the log to whom and on what ground it went, the register who has received."""
    token, value = await seal(outside, subject)
    done = await disclose(outside, [token])
    assert done.status_code == 200, done.text
    assert done.json()["items"][0]["value"] == value
    event = (await outside.events(token=token, verb="disclose"))[0]
    wanted = ("mailer", "IN", "provider", GROUND, "allow")
    assert tuple(event[n] for n in ("recipient", "country", "kind", "reference", "decision")) == wanted
    row = (await given(outside, subject))[0]
    assert (row["token"], row["recipient"], row["event"]) == (token, "mailer", event["event_id"])
    assert (row["legal_reference"], row["sealed"]) == (GROUND, False)
    asked = (await outside.events(verb="recipients", subject=subject))[0]
    assert (asked["action"], asked["actor"]) == ("disclosures", "acme.registrar")
    await outside.recheck()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("narrow", "not_needed_to_know"),
        ("lapsed", "undertaking_expired"),
        ("unbound", "undertaking_missing"),
        ("pyongyang", "country_blocked"),
        ("berlin", "safeguard_missing"),
        ("gone", "recipient_ended"),
        ("cybercell", "two_persons_required"),
        ("nobody", "recipient_not_found"),
    ],
)
async def test_a_recipient_that_may_not_receive_does_not(outside: World, subject: str, name: str, code: str):
    """Nothing comes out, the refusal is on record with its reason, and nothing stands in the register."""
    token, value = await seal(outside, subject)
    refused = await disclose(outside, [token], recipient=name)
    assert refused.json()["code"] == code
    assert value not in refused.text
    event = (await outside.events(token=token, verb="disclose"))[0]
    assert (event["decision"], event["reason"], event["recipient"]) == ("deny", code, name)
    assert "dek_id" not in event
    assert await given(outside, subject) == []


async def test_a_safeguard_on_record_lets_it_go_abroad(outside: World, subject: str):
    """What is refused without a safeguard goes with one."""
    token, value = await seal(outside, subject)
    done = await disclose(outside, [token], recipient="bonn")
    assert done.json()["items"][0]["value"] == value
    assert (await given(outside, subject))[0]["country"] == "DE"


async def test_a_disclosure_needs_its_ground_and_its_grant(outside: World, subject: str):
    """No legal reference, no grant, no grant for this class: refused, and each attempt on record."""
    token, _ = await seal(outside, subject)
    assert refusal(await disclose(outside, [token], legal_reference=None)) == (
        400,
        "legal_reference_required",
    )
    assert refusal(await disclose(outside, [token], who="payments")) == (403, "no_grant")
    assert refusal(await disclose(outside, [token], who="mailman")) == (403, "no_grant")
    reasons = [one["reason"] for one in await outside.events(token=token, verb="disclose")]
    assert sorted(reasons) == ["legal_reference_required", "no_grant", "no_grant"]
    number = await disclose(outside, [token], recipient="9876543210")
    assert refusal(number) == (400, "bad_recipient")


async def test_one_refusal_keeps_the_whole_request_back(outside: World, subject: str):
    """In mode all nothing comes out beside a refused token; in mode each the others do."""
    token, value = await seal(outside, subject)
    made = await outside.tokenize([("pan", "ABCPE1234F")], subject=subject)
    pan = made.json()["items"][0]["token"]
    refused = await disclose(outside, [token, pan])
    assert refusal(refused) == (403, "not_needed_to_know")
    assert await given(outside, subject) == []
    each = await disclose(outside, [token, pan], mode="each")
    assert each.json()["items"][0]["value"] == value
    assert each.json()["items"][1]["problem"]["code"] == "not_needed_to_know"
    assert [one["token"] for one in await given(outside, subject)] == [token]


async def test_an_authority_receives_exactly_what_two_persons_approved(outside: World, subject: str):
    """A released case opens its tokens on its ground to its recipient, and nothing else to anyone."""
    token, value = await seal(outside, subject)
    other, _ = await seal(outside, subject)
    case = await released(outside, subject, [token])
    done = await to_authority(outside, [token], case)
    assert done.status_code == 200, done.text
    assert done.json()["items"][0]["value"] == value
    event = (await outside.events(token=token, verb="disclose"))[0]
    assert (event["case"], event["kind"]) == (case, "authority")
    beyond = (403, "two_persons_required")
    assert refusal(await to_authority(outside, [other], case)) == beyond
    assert refusal(await to_authority(outside, [token], case, legal_reference="BNSS-94-2026-114")) == beyond
    assert refusal(await to_authority(outside, [token], case, recipient="mailer")) == beyond
    assert refusal(await to_authority(outside, [token], None)) == beyond


async def test_an_authority_receives_nothing_before_the_release(outside: World, subject: str):
    """Decided is not released; whoever decided cannot release; a case that is not there approves nothing."""
    token, _ = await seal(outside, subject)
    case, decision = await ordered(outside, subject, [token])
    own = await act(outside, case, "release", "officer", decision=decision)
    assert refusal(own) == (403, "no_grant")
    assert refusal(await to_authority(outside, [token], case)) == (403, "two_persons_required")
    missing = case[:-1] + ("0" if case[-1] != "0" else "1")
    assert refusal(await to_authority(outside, [token], missing)) == (404, "case_not_found")
    assert refusal(await to_authority(outside, [token], "case-1")) == (404, "case_not_found")


async def test_the_same_person_cannot_release_what_they_decided(outside: World, subject: str):
    """Not under another credential of theirs either; the case opens nothing."""
    if "acme.officer2" not in outside.secrets:
        await outside.hire("officer2", ["release"], person="person  OFFICER")
    token, _ = await seal(outside, subject)
    case, decision = await ordered(outside, subject, [token])
    own = await act(outside, case, "release", "officer2", decision=decision)
    assert refusal(own) == (403, "two_persons_required")
    assert refusal(await to_authority(outside, [token], case)) == (403, "two_persons_required")


async def test_a_forged_release_is_refused(outside: World, subject: str):
    """The database's owner writes a release into somebody's mouth: the log does not bear it out."""
    token, value = await seal(outside, subject)
    case, decision = await ordered(outside, subject, [token])
    async with outside.owner.begin() as connection:
        query = select(case_act).where(case_act.c.subject == subject, case_act.c.act == "decide")
        row = dict((await connection.execute(query)).mappings().one())
        forged = {
            "number": row["number"] + 1,
            "act": "release",
            "document": b'{"decision":"%s"}' % decision.encode(),
            "credential": "acme.approver",
            "person": "Person approver",
        }
        await connection.execute(insert(case_act), row | forged)
    refused = await to_authority(outside, [token], case)
    assert refusal(refused) == (409, "case_tampered")
    assert value not in refused.text
    event = (await outside.events(token=token, verb="disclose"))[0]
    assert (event["decision"], event["reason"]) == ("deny", "case_tampered")


async def test_a_forged_recipient_receives_nothing(outside: World, subject: str):
    """The database's owner lifts the end of a recipient: the log does not bear it out."""
    token, _ = await seal(outside, subject)
    await outside.post(
        "/v1/recipients", {"items": [MAILER | {"name": "old", "ended": True}]}, who="registrar"
    )
    async with outside.owner.begin() as connection:
        query = select(recipient).where(recipient.c.name == "old").order_by(recipient.c.number.desc())
        row = dict((await connection.execute(query)).mappings().first() or {})
        again = row["document"].replace(b'"ended":true', b'"ended":false')
        await connection.execute(insert(recipient), row | {"number": row["number"] + 1, "document": again})
    assert refusal(await disclose(outside, [token], recipient="old")) == (409, "recipient_unproven")


async def test_what_an_order_seals_only_the_few_see(outside: World, subject: str):
    """Events and register are there for who may see them, and for nobody else; nobody is told of it."""
    token, value = await seal(outside, subject)
    case = await released(outside, subject, [token], sealed=True)
    done = await to_authority(outside, [token], case)
    assert done.json()["items"][0]["value"] == value
    assert await outside.events(token=token, verb="disclose") == []
    body = {"token": token, "verb": "disclose"}
    seen = await outside.post("/v1/events/query", body, who="inspector")
    assert [one["decision"] for one in seen.json()["events"]] == ["allow"]
    assert await given(outside, subject) == []
    assert [one["sealed"] for one in await given(outside, subject, who="counsel")] == [True]
    erased = await outside.erase([token])
    assert erased.json()["items"][0]["tell"] == []


async def test_a_sealed_case_hides_no_other_token(outside: World, subject: str):
    """An attempt on a token that the order does not name is on record for every auditor."""
    token, _ = await seal(outside, subject)
    other, _ = await seal(outside, subject)
    case = await released(outside, subject, [token], sealed=True)
    await to_authority(outside, [other], case)
    assert [one["reason"] for one in await outside.events(token=other, verb="disclose")] == [
        "two_persons_required"
    ]


async def test_what_is_kept_for_the_law_opens_and_what_is_shredded_does_not(outside: World, subject: str):
    """A closed account serves no purpose and still answers an order; a shredded value is gone for all."""
    token, value = await seal(outside, subject)
    fact = {"subject": subject, "fact": "closed"}
    closed = await outside.post("/v1/subjects", {"items": [fact]}, who="clerk")
    assert closed.status_code == 200, closed.text
    assert (await outside.detokenize([token])).json()["code"] == "account_closed"
    done = await disclose(outside, [token])
    assert done.json()["items"][0]["value"] == value
    await outside.erase([token])
    assert refusal(await disclose(outside, [token])) == (410, "erased")


async def test_correction_and_erasure_say_whom_to_tell(outside: World, subject: str):
    """Each token's answer names who has received it, once each; of others it names nobody."""
    token, _ = await seal(outside, subject)
    silent, _ = await seal(outside, subject)
    for name in ("mailer", "bonn", "mailer"):
        assert (await disclose(outside, [token], recipient=name)).status_code == 200
    items = [{"token": token, "value": outside.canary()}, {"token": silent, "value": outside.canary()}]
    body = {"items": items, "reason": "case-5"}
    done = await outside.post("/v1/replace", body, who="clerk")
    assert [one["tell"] for one in done.json()["items"]] == [["bonn", "mailer"], []]
    erased = await outside.erase([token, silent])
    assert [one["tell"] for one in erased.json()["items"]] == [["bonn", "mailer"], []]
    outside.journal.values.pop(token, None)


async def test_a_row_in_the_register_has_its_event(outside: World):
    """What the register says was given, the log says with the same recipient and ground."""
    async with outside.owner.connect() as connection:
        rows = (await connection.execute(select(disclosure))).mappings().all()
    answer = await outside.post("/v1/events/query", {"verb": "disclose", "limit": 1000}, who="inspector")
    events = {one["event_id"]: one for one in answer.json()["events"] if one["decision"] == "allow"}
    listed = await outside.post("/v1/disclosures/query", {}, who="counsel")
    assert len(listed.json()["disclosures"]) == len(rows) > 5
    for one in listed.json()["disclosures"]:
        event = events[one["event"]]
        assert (event["recipient"], event["reference"], event["token"]) == (
            one["recipient"],
            one["legal_reference"],
            one["token"],
        )
