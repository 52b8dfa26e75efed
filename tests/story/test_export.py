"""A copy of one's data: everything about one person, on record first, and nothing of anybody else."""

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from typing import Any

import httpx
import pyrage
import pytest
import pytest_asyncio
from sqlalchemy import insert, text

from tests.fakes.inside import caller
from tests.faults.test_database import decrypts
from tests.plugins.canary import holders
from tests.plugins.world import BANK, World
from tests.story.test_consent import NOTICE
from tests.story.test_sealed_and_dropped import write
from vault.log.event import Draft
from vault.store.acts import case_act, disclosure, record_state
from vault.store.schema import event

pytestmark = pytest.mark.asyncio(loop_scope="module")
MARKETING = "marketing_display"
HOSTILE = "\"><img src=http://127.0.0.1:9/x onerror=alert(1)><script>document.title=1</script>'&amp;<b>"
PASSPHRASE = "correct horse battery staple"
_numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(service: World) -> World:
    """A world with somebody who makes copies, and those who give what is copied."""
    await service.hire("copier", ["export"], person="Farah Khan")
    await service.hire("part", ["export@contact,identity"], person="Part Time")
    await service.hire("payer", ["detokenize:payment"], person="Ravi Kumar")
    await service.hire("backend", ["consent", "notices", "subjects", "retention", "replace"])
    await service.hire("officer", ["cases"], person="Mira Sen")
    await service.hire("approver", ["release"], person="Dev Mehta")
    published = await service.post("/v1/notices", NOTICE, who="backend")
    assert published.status_code == 201, published.text
    return service


@pytest.fixture
def subject() -> str:
    return f"copied-{next(_numbers)}"


async def seal(
    world: World, subject: str, *items: tuple[str, Any], tenant: str = "acme", **more: Any
) -> list[str]:
    made = await world.tokenize(items, subject=subject, tenant=tenant, **more)
    assert made.status_code == 200, made.text
    tokens = [str(one["token"]) for one in made.json()["items"]]
    for token in tokens:
        world.journal.values.pop(token, None)
    return tokens


async def export(world: World, subject: str, *, who: str = "copier", **more: Any) -> httpx.Response:
    body = {"subject": subject, "reference": "request-118", **more}
    return await world.post("/v1/export", body, who=who)


async def copy_of(world: World, subject: str, **more: Any) -> dict[str, Any]:
    answer = await export(world, subject, **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


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


async def test_without_the_grant_nothing_opens_and_the_attempt_is_on_record(desk: World, subject: str):
    """Whoever pays people may open each field for it, and may not take a person's copy."""
    await seal(desk, subject, ("person_name", desk.canary()))
    before = decrypts(desk)
    refused = await export(desk, subject, who="payer")
    assert (refused.status_code, refused.json()["code"]) == (403, "no_grant")
    assert decrypts(desk) == before
    [denied] = await desk.events(verb="export", subject=subject)
    assert (denied["decision"], denied["reason"], denied["actor"]) == ("deny", "no_grant", "acme.payer")


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
    assert "event_tampered" in capfd.readouterr().out


def _use(token: str, subject: str) -> Draft:
    about = {"token": token, "field_type": "person_name", "subject": subject}
    return Draft(caller("acme", "pay"), "detokenize", "allow", "r", **about, purpose="payment")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(desk: World) -> AsyncIterator[httpx.AsyncClient]:
    """A reveal worker that lets one person alone copy two records at most."""
    yield await desk.worker(["reveal"], export_alone_records=2)


async def released(world: World, subject: str, *, four_eyes: bool) -> str:
    """An access case as far as its release, or without one."""
    made = await world.post("/v1/cases", {"kind": "access", "subject": subject}, who="officer")
    assert made.status_code == 201, made.text
    case = str(made.json()["case"])
    for act, given in (
        ("verify", {"how": "Called back"}),
        ("evaluate", {}),
        ("decide", {"four_eyes": four_eyes}),
    ):
        done = await world.post(f"/v1/cases/{case}/{act}", given, who="officer")
        assert done.status_code == 200, done.text
    if four_eyes:
        given = {"decision": done.json()["decision"]}
        done = await world.post(f"/v1/cases/{case}/release", given, who="approver")
    else:
        done = await world.post(f"/v1/cases/{case}/carry_out", {}, who="officer")
    assert done.status_code == 200, done.text
    return case


async def test_a_large_copy_takes_two_persons(desk: World, strict: httpx.AsyncClient, subject: str):
    """Above the size: only with an access case of this very subject that a second person released."""
    await seal(desk, subject, *(("person_name", desk.canary()) for _ in range(3)))
    alone = await released(desk, subject, four_eyes=False)
    others = await released(desk, f"{subject}-b", four_eyes=True)
    before = decrypts(desk)
    bearer = await desk.bearer("copier")

    async def ask(case: str | None) -> httpx.Response:
        body = {"subject": subject, "reference": "request-118"} | ({"case": case} if case else {})
        return await strict.post("/v1/export", json=body, headers=bearer)

    for case in (None, alone, others):
        refused = await ask(case)
        assert (refused.status_code, refused.json()["code"]) == (403, "two_persons_required"), case
    unknown = await ask("cas_" + "0" * 26)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "case_not_found")
    assert decrypts(desk) == before
    denied = await desk.events(verb="export", subject=subject)
    assert [one["reason"] for one in denied] == ["case_not_found", *["two_persons_required"] * 3]

    case = await released(desk, subject, four_eyes=True)
    answer = await ask(case)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["case"], len(answer.json()["records"])) == (case, 3)
    [whole] = [one for one in await desk.events(verb="export", subject=subject) if one.get("case")]
    assert whole["case"] == case


async def test_a_release_written_into_the_database_is_none(
    desk: World, strict: httpx.AsyncClient, subject: str
):
    """Acts of a case count as far as the log bears them out: a forged release opens nothing."""
    await seal(desk, subject, *(("person_name", desk.canary()) for _ in range(3)))
    made = await desk.post("/v1/cases", {"kind": "access", "subject": subject}, who="officer")
    case = str(made.json()["case"])
    async with desk.owner.begin() as connection:
        found = await connection.execute(case_act.select().where(case_act.c.subject == subject))
        first = dict(found.mappings().one())
        forged = {**first, "number": 1, "act": "verify", "person": "Dev Mehta"}
        await connection.execute(insert(case_act), forged)
    body = {"subject": subject, "reference": "request-118", "case": case}
    refused = await strict.post("/v1/export", json=body, headers=await desk.bearer("copier"))
    assert (refused.status_code, refused.json()["code"]) == (409, "case_tampered")


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


async def test_a_bad_passphrase_is_refused_and_never_repeated(desk: World, subject: str, capfd):
    """Too short, or more than a line: 400 before anything opens; no answer, log or event repeats it."""
    for bad in ("short-pass1", "two\nlines-of-it", "x" * 1025):
        refused = await export(desk, subject, passphrase=bad)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_passphrase")
        assert bad not in refused.text
    await seal(desk, subject, ("person_name", desk.canary()))
    assert (await export(desk, subject, passphrase=PASSPHRASE)).status_code == 200
    said = capfd.readouterr()
    assert PASSPHRASE not in said.out + said.err
    assert PASSPHRASE not in json.dumps(await desk.events(subject=subject))
    assert holders([PASSPHRASE], [desk.databases.files, desk.bao.audit_log]) == []


async def test_a_record_erased_while_it_is_encrypted_stays_in(
    desk: World, subject: str, monkeypatch: pytest.MonkeyPatch
):
    """Encrypting takes seconds: what is erased meanwhile keeps the whole copy back, and the log says so."""
    from vault.service.passphrase import AgeFile

    tokens = await seal(desk, subject, ("person_name", desk.canary()), ("person_name", desk.canary()))

    async def slow(self, plain, passphrase) -> bytes:
        assert (await desk.erase([tokens[0]])).status_code == 200
        return b"age-encryption.org/v1"

    monkeypatch.setattr(AgeFile, "encrypt", slow)
    refused = await export(desk, subject, passphrase=PASSPHRASE)
    assert (refused.status_code, refused.json()["code"]) == (409, "record_changed")
    second = {
        one["token"]: one for one in await desk.events(verb="export", subject=subject) if "result" in one
    }
    assert {token: one["failure"] for token, one in second.items()} == dict(
        zip(tokens, ("erased", "withheld"), strict=True)
    )


async def test_no_event_no_copy(desk: World, subject: str):
    """When the events cannot be committed: 503, and the key server is asked for nothing."""
    await seal(desk, subject, ("person_name", desk.canary()))
    if desk.databases.kind == "sqlite":
        stop = "CREATE TRIGGER stop BEFORE INSERT ON event BEGIN INSERT INTO nowhere VALUES (1); END"
        go_on = "DROP TRIGGER stop"
    else:
        stop = "REVOKE INSERT ON event FROM strongroom_reveal"
        go_on = (
            "GRANT INSERT (tenant, event_id, list_id, position, commitment, salt, body, sealed, token,"
            " subject, actor, verb, decision, purpose) ON event TO strongroom_reveal"
        )
    before = decrypts(desk)
    async with desk.owner.begin() as connection:
        await connection.execute(text(stop))
    try:
        refused = await export(desk, subject)
    finally:
        async with desk.owner.begin() as connection:
            await connection.execute(text(go_on))
    assert refused.status_code == 503, refused.text
    assert "Canary" not in refused.text
    assert decrypts(desk) == before
    assert (await export(desk, subject)).status_code == 200


async def test_a_copy_has_at_most_a_thousand_records(desk: World, subject: str):
    """Of a subject with more, nothing is opened and the refusal is on record."""
    for size in (1000, 1):
        await seal(desk, subject, *(("person_name", f"Asha {number}") for number in range(size)))
    before = decrypts(desk)
    refused = await export(desk, subject)
    assert (refused.status_code, refused.json()["code"]) == (413, "export_too_large")
    assert decrypts(desk) == before
    [denied] = await desk.events(verb="export", subject=subject)
    assert denied["reason"] == "export_too_large"


async def test_values_are_nowhere_but_in_the_answer(desk: World):
    """Every promise still holds, and no file has a value in it."""
    await desk.recheck()
