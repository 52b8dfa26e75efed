"""A copy of one's data: everything about one person, and nothing of anybody else."""

import asyncio
import html
import json
import re
from itertools import count
from typing import Any

import pyrage
import pytest
import pytest_asyncio
from msgspec.structs import replace
from sqlalchemy import insert, update

from tests.fakes.copies import NOTICE, copy_of, export, seal, staff
from tests.fakes.inside import caller
from tests.plugins.world import BANK, World
from tests.story.test_sealed_and_dropped import write
from vault.log.event import Draft
from vault.store.acts import disclosure, record_state
from vault.store.schema import event, record

pytestmark = pytest.mark.asyncio(loop_scope="module")
MARKETING = "marketing_display"
HOSTILE = "\"><img src=http://127.0.0.1:9/x onerror=alert(1)><script>document.title=1</script>'&amp;<b>"
PASSPHRASE = "correct horse battery staple"
_numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(service: World) -> World:
    """A world with somebody who makes copies."""
    return await staff(service)


@pytest.fixture
def subject() -> str:
    return f"copied-{next(_numbers)}"


def by_token(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["token"]: one for one in document["records"]}


async def test_a_copy_holds_everything_about_the_person(desk: World, subject: str):
    """Values, purposes with their ground, what was said, notices, and who opened what; each is an event."""
    name = desk.canary()
    email, bank = await seal(
        desk, subject, ("person_name", name), ("bank_account", BANK), notice="2026-04/en"
    )
    said = {"subject": subject, "purpose": MARKETING, "source": "preference-page"}
    for act in ("grant", "withdraw"):
        done = await desk.post("/v1/consents", {"items": [said | {"act": act}]}, who="backend")
        assert done.status_code == 200, done.text
    assert (await desk.detokenize([bank], who="payer")).status_code == 200

    answer = await export(desk, subject)
    document = answer.json()
    assert (document["format"], document["subject"]) == ("strongroom-export/1", subject)
    assert document["receipt"] == answer.headers["strongroom-receipt"]
    found = by_token(document)
    assert {token: one["value"] for token, one in found.items()} == {email: name, bank: BANK}
    assert {one["notice"] for one in found.values()} == {"2026-04/en"}
    assert [one["act"] for one in document["consents"]] == ["grant", "withdraw"]
    purposes = {one["name"]: one for one in document["purposes"]}
    assert (purposes["payment"]["basis"], purposes["payment"]["applies"]) == ("contract", True)
    assert (purposes[MARKETING]["applies"], purposes[MARKETING]["stopped_by"]) == (False, "consent_withdrawn")
    assert [one["sha256"] for one in document["notices"]] == [NOTICE["sha256"]]
    [opened] = document["accesses"]
    assert (opened["verb"], opened["token"], opened["purpose"]) == ("detokenize", bank, "payment")
    assert (opened["person"], opened["credential"]) == ("Ravi Kumar", "acme.payer")
    desk.journal.receipts += [
        answer.headers["strongroom-receipt"],
        *(one["receipt"] for one in found.values()),
    ]

    events = await desk.events(verb="export", subject=subject)
    assert {one.get("token") for one in events} == {None, email, bank}
    assert {(one["decision"], one["reference"]) for one in events} == {("allow", "request-118")}
    assert len({one["batch"] for one in events}) == 1


async def test_nothing_of_another_subject_or_tenant_is_in_it(desk: World, subject: str):
    """Neither somebody with a longer name nor the same subject elsewhere shows in a copy."""
    own, other, elsewhere = desk.canary(), desk.canary(), desk.canary()
    await seal(desk, subject, ("person_name", own))
    [token] = await seal(desk, f"{subject}-b", ("person_name", other))
    [foreign] = await seal(desk, subject, ("person_name", elsewhere), tenant="globex")
    assert (await desk.detokenize([token], who="payer")).status_code in (200, 403)
    for form in ("json", "html"):
        shown = (await export(desk, subject, format=form)).text
        assert own in shown
        assert not any(part in shown for part in (other, elsewhere, token, foreign))
    nobody = await copy_of(desk, f"{subject}-nobody")
    assert (nobody["records"], nobody["accesses"]) == ([], [])


async def test_a_grant_for_some_classes_lists_the_others_without_value(desk: World, subject: str):
    """What the grant does not cover is there, with its state, withheld, and its event a denial."""
    name = desk.canary()
    named, bank = await seal(desk, subject, ("person_name", name), ("bank_account", BANK))
    found = by_token(await copy_of(desk, subject, who="part"))
    assert (found[named]["value"], found[named]["without_value"]) == (name, None)
    assert (found[bank]["value"], found[bank]["without_value"]) == (None, "no_grant")
    assert BANK["number"] not in (await export(desk, subject, who="part", format="html")).text
    denied = await desk.events(verb="export", token=bank)
    assert {(one["decision"], one["reason"]) for one in denied} == {("deny", "no_grant")}
    assert all("dek_id" not in one for one in denied)


async def test_what_is_kept_comes_out_and_what_is_erased_does_not(desk: World, subject: str):
    """Restricted and archived values are the person's own; an erased one is listed with its date."""
    name = desk.canary()
    kept, held, gone = await seal(desk, subject, *(("person_name", name + suffix) for suffix in "abc"))
    restricted = {"tokens": [held], "act": "restrict", "reason": "case-7"}
    done = await desk.post("/v1/records/state", restricted, who="backend")
    assert done.status_code == 200, done.text
    async with desk.owner.begin() as connection:
        row = {"tenant": "acme", "token": kept, "number": 1, "state": "archived", "until": "2034-03-31",
               "law": "Companies Act 2013 s.128(5)", "reason": "case-7", "event_id": bytes(16)}  # fmt: skip
        await connection.execute(insert(record_state), row)
    assert (await desk.erase([gone])).status_code == 200
    document = await copy_of(desk, subject)
    found = by_token(document)
    assert (found[kept]["state"], found[kept]["value"]) == ("archived", name + "a")
    assert (found[kept]["kept_until"], found[kept]["kept_under"]) == ("2034-03-31", row["law"])
    assert (found[held]["state"], found[held]["value"]) == ("restricted", name + "b")
    assert (found[gone]["value"], found[gone]["without_value"]) == (None, "erased")
    assert found[gone]["erased"].startswith("20")
    assert name + "c" not in json.dumps(document)
    assert {one["verb"] for one in document["accesses"]} == {"erase"}


async def test_sealed_disclosures_are_not_there(desk: World, subject: str):
    """The law keeps one disclosure confidential: neither register, log nor page tells that it exists."""
    [token] = await seal(desk, subject, ("person_name", desk.canary()))
    told = Draft(
        caller("acme", "giver"),
        "disclose",
        "allow",
        "r",
        token=token,
        field_type="person_name",
        subject=subject,
    )
    signed = await write(desk, [told, replace(told, sealed=True)])
    common = {
        "tenant": "acme",
        "subject": subject,
        "token": token,
        "field_type": "person_name",
        "country": "IN",
    }
    async with desk.owner.begin() as connection:
        for one, name, sealed in zip(signed.events, ("payroll", "secret-police"), (False, True), strict=True):
            row = {
                "event_id": one.event_id,
                "recipient": name,
                "reference": f"order-{name}",
                "sealed": sealed,
            }
            await connection.execute(insert(disclosure), common | row)
    answer = await export(desk, subject)
    page = await export(desk, subject, format="html")
    [given] = answer.json()["disclosures"]
    assert (given["recipient"], given["in_log"]) == ("payroll", True)
    assert [one["verb"] for one in answer.json()["accesses"]] == ["disclose"]
    assert "payroll" in page.text
    assert "secret-police" not in answer.text + page.text


async def test_a_forged_event_is_not_told_to_the_person(desk: World, subject: str, capfd):
    """Who can write the database can invent no access: it is left out, and the alarm sounds."""
    [token] = await seal(desk, subject, ("person_name", desk.canary()))
    [true] = (await write(desk, [_use(token, subject)])).events
    body = {**json.loads(true.body), "person": "Nobody"}
    lie = {
        "event_id": true.event_id[:14] + b"\xff" * 2,
        "list_id": bytes(16),
        "body": json.dumps(body).encode(),
    }
    async with desk.owner.begin() as connection:
        found = await connection.execute(event.select().where(event.c.event_id == true.event_id))
        await connection.execute(insert(event), dict(found.mappings().one()) | lie)
    try:
        document = await copy_of(desk, subject)
    finally:
        async with desk.owner.begin() as connection:
            await connection.execute(event.delete().where(event.c.event_id == lie["event_id"]))
    assert [one["person"] for one in document["accesses"]] == ["Ravi"]
    assert document["accesses_complete"] is False
    assert "event_tampered" in "".join(capfd.readouterr())  # where alarms go, who ran before has said


def _use(token: str, subject: str) -> Draft:
    about = {"token": token, "field_type": "person_name", "subject": subject}
    return Draft(caller("acme", "pay"), "detokenize", "allow", "r", **about, purpose="payment")


async def test_hostile_names_do_not_break_the_page(desk: World, subject: str):
    """What a person typed is text on the page: no element, no script, no address of anything outside."""
    await seal(desk, subject, ("person_name", f"Asha {HOSTILE}"))
    answer = await export(desk, subject, format="html")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert not re.search(r"<(script|img|link|iframe|object|b)[\s>]", answer.text)
    assert html.escape(HOSTILE) in answer.text
    assert "default-src 'none'" in answer.text
    assert not re.search(r"\b(href|src)=|url\(|@import", re.sub(r"<bdi>.*?</bdi>", "", answer.text))


@pytest.mark.parametrize("form", ["json", "html"])
async def test_an_encrypted_copy_opens_with_its_passphrase_alone(desk: World, subject: str, form: str):
    """The answer is an age file: with the passphrase the copy, with another one nothing."""
    name = desk.canary()
    await seal(desk, subject, ("person_name", name))
    answer = await export(desk, subject, format=form, passphrase=PASSPHRASE)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/age"
    assert answer.content.startswith(b"age-encryption.org/v1\n-> scrypt ")
    assert name.encode() not in answer.content
    opened = await asyncio.to_thread(pyrage.passphrase.decrypt, answer.content, PASSPHRASE)
    assert name in opened.decode()
    with pytest.raises(pyrage.DecryptError):
        await asyncio.to_thread(pyrage.passphrase.decrypt, answer.content, PASSPHRASE + "!")


async def test_a_record_moved_to_another_subject_does_not_open(desk: World, subject: str):
    """Who writes the database can put a row under another name: its seal does not hold there."""
    [stolen] = await seal(desk, f"{subject}-b", ("person_name", desk.canary()))
    async with desk.owner.begin() as connection:
        await connection.execute(update(record).where(record.c.token == stolen).values(subject=subject))
    found = by_token(await copy_of(desk, subject))[stolen]
    assert (found["value"], found["without_value"]) == (None, "record_tampered")


async def test_values_are_nowhere_but_in_the_answer(desk: World):
    """Every promise still holds, and no file has a value in it."""
    await desk.recheck()
