"""PostgreSQL fails, is slow, or is killed: nothing promised is lost, and nothing leaves without its event."""

import asyncio
import json
from collections.abc import AsyncIterator, Sized
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url

from tests.fakes.proxy import Mode, Proxy
from tests.plugins.postgres import Postgres
from tests.plugins.waiting import until as until_true
from tests.plugins.world import World, until
from vault.store.schema import record

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("service", ["postgresql"], indirect=True),
]

UNKNOWN_OR_GONE = {"outcome_unknown", "deadline_passed", "store_unavailable"}


def decrypts(service: World) -> int:
    """How many unwraps the key server was asked for in its whole life."""
    lines = service.bao.audit_log.read_text().splitlines()
    return sum('"strongroom/decrypt/' in line and json.loads(line)["type"] == "request" for line in lines)


@asynccontextmanager
async def behind(service: World, plane: str) -> AsyncIterator[tuple[Proxy, httpx.AsyncClient]]:
    """A worker of one plane whose way to PostgreSQL leads through a proxy."""
    target = make_url(service.databases.data_url).port
    async with Proxy(int(target or 0)) as proxy:
        urls = {
            name: make_url(url).set(port=proxy.port).render_as_string(hide_password=False)
            for name, url in service.settings.plane_urls.items()
        }
        yield proxy, await service.worker([plane], plane_urls=urls)


async def detokenize(service: World, client: httpx.AsyncClient, token: str) -> httpx.Response:
    body = {"purpose": "payment", "reference": "payout-1", "items": [{"token": token}]}
    return await client.post("/v1/detokenize", json=body, headers=await service.bearer("payments"))


@pytest.mark.parametrize(
    ("mode", "trigger"),
    [
        ("reset", b"INSERT INTO event"),
        ("reset", b"INSERT INTO signed_list"),
        ("lose_reply", b"INSERT INTO event"),
        ("reset", b"COMMIT"),
        ("lose_reply", b"COMMIT"),
        ("blackhole", b"COMMIT"),
    ],
)
async def test_no_event_no_unwrap_no_plaintext(service: World, mode: Mode, trigger: bytes):
    """When the event of a reveal fails at any point, or is in doubt: 503, and nothing is unwrapped."""
    token = (await service.seal())[0]
    async with behind(service, "reveal") as (proxy, client):
        before = decrypts(service)
        proxy.trigger, proxy.mode = trigger, mode
        refused = await detokenize(service, client, token)
        assert proxy.struck >= 1
        assert refused.status_code == 503
        assert refused.json()["code"] in UNKNOWN_OR_GONE
        assert "Canary" not in refused.text
        assert decrypts(service) == before
        proxy.mode = "ok"
        await until(lambda: detokenize(service, client, token), 200)
    await service.recheck()


async def test_an_event_table_that_refuses_stops_every_reveal(service: World):
    """Without a log there is no service: no verb answers, and what was sealed stays sealed."""
    token = (await service.seal())[0]
    before = decrypts(service)
    async with service.owner.begin() as connection:
        await connection.execute(text("REVOKE INSERT ON event FROM strongroom_reveal, strongroom_ingest"))
    assert (await service.detokenize([token])).status_code == 503
    assert (await service.tokenize([("person_name", service.canary())])).status_code == 503
    assert decrypts(service) == before
    async with service.owner.begin() as connection:
        await connection.execute(text("GRANT INSERT ON event TO strongroom_reveal, strongroom_ingest"))
    await service.recheck()


@pytest.mark.parametrize(("mode", "kept"), [("lose_reply", 1), ("reset", 0)])
async def test_a_lost_commit_and_its_retry_make_one_record(service: World, mode: Mode, kept: int):
    """Whether the COMMIT arrived or not, the caller is told that it is unknown, and its key finds out."""
    value = service.canary()
    body = {"subject": f"cust-lost-{kept}", "items": [{"type": "person_name", "value": value}]}
    headers = await service.bearer("signup") | {"idempotency-key": f"lost-{mode}"}
    async with behind(service, "ingest") as (proxy, client):
        proxy.trigger, proxy.mode = b"COMMIT", mode
        lost = await client.post("/v1/tokenize", json=body, headers=headers)
        assert (lost.status_code, lost.json()["code"]) == (503, "outcome_unknown")
        await until_true(lambda: _has_records(service, f"cust-lost-{kept}", kept))
        proxy.mode = "ok"
        again = await until(lambda: client.post("/v1/tokenize", json=body, headers=headers), 200)
    item = again.json()["items"][0]
    elsewhere = await service.client.post("/v1/tokenize", json=body, headers=headers)
    assert elsewhere.json()["items"][0]["token"] == item["token"]
    assert await _records_of(service, f"cust-lost-{kept}") == 1
    service.journal.values[item["token"]] = value
    await service.recheck()


async def test_a_slow_database_ends_in_503_within_the_deadline(service: World):
    """With every answer late by four seconds a request is refused in time, and nobody waits in vain."""
    token = (await service.seal())[0]
    async with behind(service, "reveal") as (proxy, client):
        assert (await detokenize(service, client, token)).status_code == 200
        proxy.seconds, proxy.mode = 4.0, "delay"
        started = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(detokenize(service, client, token) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {503}
        assert asyncio.get_running_loop().time() - started < 3.5
        proxy.mode = "ok"
        await until(lambda: detokenize(service, client, token), 200)
    await service.recheck()


async def test_a_killed_database_loses_nothing_that_was_acknowledged(service: World, postgres: Postgres):
    """Killed twice under load: acknowledged tokens open, doubtful ones are settled by their keys."""
    headers = await service.bearer("signup")
    await service.bearer("payments")
    doubtful: dict[str, str] = {}
    tokens: dict[str, str] = {}
    going = True

    async def ask(key: str, value: str) -> httpx.Response:
        body = {"subject": "cust-kill", "items": [{"type": "person_name", "value": value}]}
        return await service.client.post(
            "/v1/tokenize", json=body, headers=headers | {"idempotency-key": key}
        )

    async def caller(name: int) -> None:
        turn = 0
        while going:
            key, value, turn = f"kill-{name}-{turn}", service.canary(), turn + 1
            answer = await ask(key, value)
            if answer.status_code == 200:
                tokens[key] = answer.json()["items"][0]["token"]
                service.journal.values[tokens[key]] = value
            else:
                assert answer.status_code == 503
                doubtful[key] = value
                await asyncio.sleep(0.05)

    callers = [asyncio.create_task(caller(name)) for name in range(12)]
    for _ in range(2):
        await grown(tokens, by=50)
        postgres.kill()
        await grown(doubtful, by=1)
        postgres.start()
        await postgres.wait_ready_async()
    await grown(tokens, by=50)
    going = False
    await asyncio.gather(*callers)
    await service.owner.dispose()  # the test's own connections died too
    assert len(tokens) > 100
    assert doubtful
    for key, value in doubtful.items():
        answer = await until(lambda key=key, value=value: ask(key, value), 200)
        token = answer.json()["items"][0]["token"]
        again = await ask(key, value)
        assert again.json()["items"][0]["token"] == token
        service.journal.values[token] = value
    assert await _records_of(service, "cust-kill") == len(tokens) + len(doubtful)
    await until(lambda: service.client.get("/readyz"), 200)
    await service.recheck()


async def test_a_database_killed_under_reveals_has_every_event(service: World, postgres: Postgres):
    """Whatever plaintext got out before, during and after the kill is in the log."""
    token = (await service.seal())[0]
    opened = refused = 0
    going = True

    async def caller() -> None:
        nonlocal opened, refused
        while going:
            answer = await service.detokenize([token])
            opened, refused = opened + (answer.status_code == 200), refused + (answer.status_code == 503)
            assert answer.status_code in (200, 503)
            await asyncio.sleep(0.02)

    callers = [asyncio.create_task(caller()) for _ in range(8)]
    await until_true(lambda: opened >= 20)
    postgres.kill()
    await until_true(lambda: refused > 0)
    postgres.start()
    await postgres.wait_ready_async()
    await until(lambda: service.detokenize([token]), 200)
    going = False
    await asyncio.gather(*callers)
    await service.owner.dispose()
    assert opened
    assert refused
    await service.recheck()


async def grown(answered: Sized, *, by: int) -> None:
    """Wait until so many more have been answered."""
    before = len(answered)
    await until_true(lambda: len(answered) >= before + by)


async def _has_records(service: World, subject: str, count: int) -> bool:
    """Whether it has so many; the server may still be at work on a COMMIT whose answer nobody hears."""
    return await _records_of(service, subject) == count


async def _records_of(service: World, subject: str) -> int:
    async with service.owner.connect() as connection:
        mine = select(func.count()).select_from(record).where(record.c.subject == subject)
        return int(await connection.scalar(mine) or 0)
