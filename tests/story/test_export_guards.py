"""Who may take a copy of a person's data, and what keeps it in: grants, two persons, the log, the clock."""

import json
import re
from collections.abc import AsyncIterator
from itertools import count

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import insert, text

from tests.fakes.copies import export, seal, staff
from tests.faults.test_database import decrypts, so_far
from tests.plugins.world import World
from vault.service.passphrase import AgeFile
from vault.store.acts import case_act

pytestmark = pytest.mark.asyncio(loop_scope="module")
PASSPHRASE = "correct horse battery staple"
_numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(service: World) -> World:
    """A world with somebody who makes copies."""
    return await staff(service)


@pytest.fixture
def subject() -> str:
    return f"guarded-{next(_numbers)}"


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
    before = so_far(desk)
    bearer = await desk.bearer("copier")

    async def ask(case: str | None) -> httpx.Response:
        body = {"subject": subject, "reference": "request-118"} | ({"case": case} if case else {})
        return await strict.post("/v1/export", json=body, headers=bearer)

    for case in (None, alone, others):
        refused = await ask(case)
        assert (refused.status_code, refused.json()["code"]) == (403, "two_persons_required"), case
    unknown = await ask("cas_" + "0" * 26)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "case_not_found")
    assert decrypts(desk, before) == 0
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
    assert desk.holding(PASSPHRASE) == []


async def test_a_record_erased_while_it_is_encrypted_stays_in(
    desk: World, subject: str, monkeypatch: pytest.MonkeyPatch
):
    """Encrypting takes seconds: what is erased meanwhile keeps the whole copy back, and the log says so."""
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
    before = so_far(desk)
    async with desk.owner.begin() as connection:
        await connection.execute(text(stop))
    try:
        refused = await export(desk, subject)
    finally:
        async with desk.owner.begin() as connection:
            await connection.execute(text(go_on))
    assert refused.status_code == 503, refused.text
    assert "Canary" not in refused.text
    assert decrypts(desk, before) == 0
    assert (await export(desk, subject)).status_code == 200


async def test_a_copy_has_at_most_a_thousand_records(desk: World, subject: str):
    """Of a subject with more, nothing is opened and the refusal is on record."""
    for size in (1000, 1):
        await seal(desk, subject, *(("person_name", f"Asha {number}") for number in range(size)))
    before = so_far(desk)
    refused = await export(desk, subject)
    assert (refused.status_code, refused.json()["code"]) == (413, "export_too_large")
    assert decrypts(desk, before) == 0
    [denied] = await desk.events(verb="export", subject=subject)
    assert denied["reason"] == "export_too_large"


async def test_a_copy_takes_from_the_rate_what_it_holds(desk: World, subject: str):
    """Twenty values are twenty, although one request asked for them."""
    await seal(desk, subject, *(("person_name", desk.canary()) for _ in range(20)))
    worker = await desk.worker(["reveal"], rate_values_per_second=1, rate_burst_seconds=100)
    body = {"subject": subject, "reference": "request-118"}
    done = await worker.post("/v1/export", json=body, headers=await desk.bearer("copier"))
    assert len(done.json()["records"]) == 20
    left = re.search("r=([0-9]+)", done.headers["ratelimit"])
    assert left is not None
    assert int(left[1]) <= 95  # one comes back with each second


async def test_without_the_grant_nothing_opens_and_the_attempt_is_on_record(desk: World, subject: str):
    """Whoever pays people may open each field for it, and may not take a person's copy."""
    await seal(desk, subject, ("person_name", desk.canary()))
    before = so_far(desk)
    refused = await export(desk, subject, who="payer")
    assert (refused.status_code, refused.json()["code"]) == (403, "no_grant")
    assert decrypts(desk, before) == 0
    [denied] = await desk.events(verb="export", subject=subject)
    assert (denied["decision"], denied["reason"], denied["actor"]) == ("deny", "no_grant", "acme.payer")


async def test_values_are_nowhere_but_in_the_answer(desk: World):
    """Every promise still holds, and no file has a value in it."""
    await desk.recheck()
