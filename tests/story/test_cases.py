"""Requests of people, decided by one person and released by another, carried out, answered and certified."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import insert, select, update

from tests.plugins.world import World
from vault.log import certificates
from vault.retention import load
from vault.store.acts import case_act
from vault.store.schema import record

pytestmark = pytest.mark.asyncio(loop_scope="module")
BANK = {"number": "123456789012", "ifsc": "HDFC0000123", "holder": "Asha Traders"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(service: World) -> World:
    """A world under the Indian profile, with an officer, two approvers and whoever else it takes."""
    await service.keep(Path(load.__file__).with_name("in.toml").read_text("utf-8"))
    await service.hire("officer", ["cases"], person="Farah Khan")
    await service.hire("approver", ["release"], person="Dev Mehta")
    await service.hire("other", ["release"], person="Lata Rao")
    await service.hire("twin", ["release"], person="farah  KHAN")
    await service.hire("keeper", ["consent", "holds", "replace", "subjects"])
    await service.hire("payer", ["detokenize:payment"])
    return service


_numbers = count(1)


@pytest.fixture
def subject() -> str:
    return f"asks-{next(_numbers)}"


async def opened(world: World, kind: str, subject: str, **more: Any) -> str:
    answer = await world.post("/v1/cases", {"kind": kind, "subject": subject, **more}, who="officer")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["case"])


async def act(world: World, case: str, kind: str, *, who: str = "officer", **given: Any) -> httpx.Response:
    return await world.post(f"/v1/cases/{case}/{kind}", given, who=who)


async def done(world: World, case: str, kind: str, *, who: str = "officer", **given: Any) -> dict[str, Any]:
    answer = await act(world, case, kind, who=who, **given)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def sealed(world: World, subject: str, field_type: str, value: Any, *, months: int = 0) -> str:
    made = await world.tokenize([(field_type, value)], subject=subject)
    token = str(made.json()["items"][0]["token"])
    world.journal.values.pop(token, None)
    then = int((datetime.now(UTC) - timedelta(days=31 * months)).timestamp() * 1_000_000)
    async with world.owner.begin() as connection:
        await connection.execute(update(record).where(record.c.token == token).values(created_at=then))
    return token


async def decided(world: World, subject: str, **given: Any) -> tuple[str, str]:
    """An erasure case, decided: its name, and the hash of the decision."""
    case = await opened(world, "erasure", subject)
    await done(world, case, "verify", how="Called back")
    await done(world, case, "evaluate")
    return case, str((await done(world, case, "decide", **given))["decision"])


async def test_an_erasure_goes_field_by_field_under_four_eyes(desk: World, subject: str):
    """The e-mail is shredded, the invoiced bank account archived; letter and certificate say so."""
    email = await sealed(desk, subject, "email", "asha@example.com", months=14)
    bank = await sealed(desk, subject, "bank_account", BANK, months=14)
    paid = {"items": [{"subject": subject, "fact": "invoiced", "on": "2025-06-30"}]}
    assert (await desk.post("/v1/subjects", paid, who="keeper")).status_code == 200
    case, decision = await decided(desk, subject)
    shown = await desk.client.get(f"/v1/cases/{case}", headers=await desk.bearer("approver"))
    verdicts = {one["token"]: one for one in shown.json()["acts"][-1]["document"]["items"]}
    assert verdicts[email]["verdict"] == "erase_now"
    assert (verdicts[bank]["verdict"], verdicts[bank]["until"]) == ("archive_until", "2034-03-31")

    released = await done(desk, case, "release", who="approver", decision=decision)
    assert released["state"] == "carried_out"
    assert (await desk.detokenize([email], who="payer")).status_code == 410
    assert (await desk.detokenize([bank], who="payer")).json()["code"] == "record_archived"

    answer = (await done(desk, case, "answer"))["acts"][0]["document"]
    assert "Companies Act" in answer["letter"]
    signed = certificates.parse(answer["certificate"].encode())
    keys = await desk.client.get("/v1/log/acme/keys")
    assert keys.status_code == 200
    outcomes = {item.token: item.outcome for item in signed.certificate.items}
    assert outcomes == {email: "erased", bank: "archived"}
    assert (signed.certificate.decided_by, signed.certificate.released_by) == ("Farah Khan", "Dev Mehta")
    events = {one["event_id"]: one for one in await desk.events(subject=subject, verb="erase")}
    assert {one["token"] for one in events.values()} == {email, bank}
    assert signed.certificate.final_after is not None


async def test_nobody_releases_what_they_decided(desk: World, subject: str):
    """Not the same person under another credential either, however the name is spelt; and it is on record."""
    await sealed(desk, subject, "email", "asha@example.com", months=14)
    case, decision = await decided(desk, subject)
    refused = await act(desk, case, "release", who="twin", decision=decision)
    assert (refused.status_code, refused.json()["code"]) == (403, "two_persons_required")
    denied = (await desk.events(verb="release", decision="deny"))[0]
    assert denied["actor"] == "acme.twin"
    assert (await act(desk, case, "release", who="officer", decision=decision)).json()["code"] == "no_grant"


async def test_a_release_names_the_very_decision(desk: World, subject: str):
    """Another hash is refused; sent back and decided anew, the old hash releases nothing."""
    token = await sealed(desk, subject, "email", "asha@example.com", months=14)
    case, first = await decided(desk, subject)
    wrong = await act(desk, case, "release", who="approver", decision="0" * 64)
    assert (wrong.status_code, wrong.json()["code"]) == (409, "decision_moved")
    await done(desk, case, "send_back", who="approver", reason="Keep it for the open complaint")
    verdict = {token: {"verdict": "refuse", "reason": "A complaint is open"}}
    second = (await done(desk, case, "decide", verdicts=verdict))["decision"]
    assert (await act(desk, case, "release", who="approver", decision=first)).json()[
        "code"
    ] == "decision_moved"
    assert (await done(desk, case, "release", who="approver", decision=second))["state"] == "carried_out"
    assert (await desk.detokenize([token], who="payer")).status_code == 200


async def test_no_decision_erases_what_the_law_keeps(desk: World, subject: str):
    """An officer who wants more than the proposal allows is refused; less is their right."""
    token = await sealed(desk, subject, "email", "asha@example.com")
    case = await opened(desk, "erasure", subject)
    await done(desk, case, "verify", how="Called back")
    await done(desk, case, "evaluate")
    refused = await act(desk, case, "decide", verdicts={token: {"verdict": "erase_now"}})
    assert (refused.status_code, refused.json()["code"]) == (409, "erasure_forbidden")


async def test_a_hold_that_comes_after_the_release_is_honoured(desk: World, subject: str):
    """Decided and then held: the release erases nothing of it, and the certificate says refused."""
    token = await sealed(desk, subject, "email", "asha@example.com", months=14)
    case, decision = await decided(desk, subject)
    held = {"items": [{"subject": subject, "reason": "Suit pending", "reference": "suit-9"}]}
    assert (await desk.post("/v1/holds", held, who="keeper")).status_code in (200, 201)
    await done(desk, case, "release", who="approver", decision=decision)
    answer = (await done(desk, case, "answer"))["acts"][0]["document"]
    [item] = certificates.parse(answer["certificate"].encode()).certificate.items
    assert (item.token, item.outcome) == (token, "refused")
    assert (await desk.detokenize([token], who="payer")).status_code == 200


async def test_two_approvers_at_once_are_one_release(desk: World, subject: str):
    """One is taken, the other told that there is nothing to release any more; the deed is done once."""
    token = await sealed(desk, subject, "email", "asha@example.com", months=14)
    case, decision = await decided(desk, subject)
    both = await asyncio.gather(
        *(act(desk, case, "release", who=who, decision=decision) for who in ("approver", "other"))
    )
    codes = sorted((one.status_code, one.json().get("code", "")) for one in both)
    assert codes[0][0] == 200
    assert codes[1] == (409, "act_out_of_order")
    assert len(await desk.events(token=token, verb="erase")) == 1


async def test_a_forged_release_counts_for_nothing(desk: World, subject: str):
    """A database writer puts a release into an approver's mouth: the case is refused as tampered."""
    token = await sealed(desk, subject, "email", "asha@example.com", months=14)
    case, decision = await decided(desk, subject)
    async with desk.owner.begin() as connection:
        rows = await connection.execute(
            select(case_act).where(case_act.c.subject == subject).order_by(case_act.c.number.desc())
        )
        last = dict(rows.mappings().first() or {})
        last |= {
            "number": last["number"] + 1,
            "act": "release",
            "document": b'{"decision":"%s"}' % decision.encode(),
            "credential": "acme.approver",
            "person": "Dev Mehta",
        }
        await connection.execute(insert(case_act), [last])
    refused = await act(desk, case, "carry_out")
    assert (refused.status_code, refused.json()["code"]) == (409, "case_tampered")
    assert (await desk.detokenize([token], who="payer")).status_code == 200
    listed = (await desk.post("/v1/cases/query", {"subject": subject}, who="officer")).json()
    assert (listed["items"], listed["tampered"]) == ([], [case])


async def test_what_was_interrupted_finishes_by_itself(desk: World, subject: str):
    """The process ends right after the release is on record: the next start carries it out."""
    token = await sealed(desk, subject, "email", "asha@example.com", months=14)
    case, decision = await decided(desk, subject)
    async with desk.keystore_owner.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE dek RENAME TO dek_away")
    try:
        await act(desk, case, "release", who="approver", decision=decision)
    finally:
        async with desk.keystore_owner.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE dek_away RENAME TO dek")
    assert (await desk.detokenize([token], who="payer")).status_code == 410
    await desk.worker(["office"])
    shown = await desk.client.get(f"/v1/cases/{case}", headers=await desk.bearer("officer"))
    assert shown.json()["state"] == "carried_out"


async def test_an_objection_stops_what_it_can_and_says_what_goes_on(desk: World, subject: str):
    """Marketing stops, the contract goes on; the letter says both, and the objections are on record."""
    case = await opened(desk, "objection", subject)
    await done(desk, case, "verify", how="Called back")
    await done(desk, case, "evaluate")
    await done(desk, case, "decide", purposes=["marketing_display", "payment"])
    await done(desk, case, "carry_out")
    letter = (await done(desk, case, "answer"))["acts"][0]["document"]["letter"]
    assert "What has stopped" in letter
    assert "the contract with you" in letter
    history = await desk.post("/v1/consents/history", {"subject": subject}, who="keeper")
    assert [(one["purpose"], one["act"]) for one in history.json()["items"]] == [
        ("marketing_display", "object"),
        ("payment", "object"),
    ]


async def test_a_correction_names_what_was_corrected_under_it(desk: World, subject: str):
    """What was replaced under the case's name stands in its letter."""
    token = await sealed(desk, subject, "pan", "ABCPE1234F")
    case = await opened(desk, "correction", subject)
    await done(desk, case, "verify", how="Called back")
    await done(desk, case, "evaluate")
    await done(desk, case, "decide", tokens=[token])
    body = {"items": [{"token": token, "value": "XYZPE1234K"}], "reason": case}
    replaced = await desk.post("/v1/replace", body, who="keeper")
    assert replaced.status_code == 200, replaced.text
    carried = await done(desk, case, "carry_out")
    assert [one["token"] for one in carried["acts"][0]["document"]["corrected"]] == [token]
    assert "Corrected" in (await done(desk, case, "answer"))["acts"][0]["document"]["letter"]


async def test_a_grievance_is_due_in_ninety_days_and_the_queue_shows_what_waits(desk: World, subject: str):
    """It needs no release; the queue lists it until it is answered."""
    case = await opened(desk, "grievance", subject)
    listed = await desk.post("/v1/cases/query", {"subject": subject}, who="officer")
    [row] = listed.json()["items"]
    days = datetime.fromisoformat(row["due"]) - datetime.fromisoformat(row["received"])
    assert (row["case"], days.days, row["late_days"]) == (case, 90, 0)
    await done(desk, case, "verify", how="Called back")
    await done(desk, case, "evaluate")
    await done(desk, case, "decide", answer="We have looked into it and put it right.")
    assert "put it right" in (await done(desk, case, "answer"))["acts"][0]["document"]["letter"]
    listed = await desk.post("/v1/cases/query", {"subject": subject}, who="officer")
    assert listed.json()["items"] == []


async def test_a_request_of_somebody_unknown_is_rejected_and_answered(desk: World, subject: str):
    """Nothing is evaluated before the identity is verified."""
    case = await opened(desk, "access", subject)
    early = await act(desk, case, "evaluate")
    assert (early.status_code, early.json()["code"]) == (409, "act_out_of_order")
    await done(desk, case, "reject", reason="No answer on the number of the contract")
    assert "could not be" in (await done(desk, case, "answer"))["acts"][0]["document"]["letter"]
