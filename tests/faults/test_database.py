"""PostgreSQL fails or is slow: nothing promised is lost, and nothing leaves without its event.

Killed under load: tests/campaign.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url

from tests.fakes.proxy import Mode, Proxy
from tests.plugins.waiting import until as until_true
from tests.plugins.world import World, until
from vault.policy.load import DEFAULT
from vault.store.schema import record

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("service", ["postgresql"], indirect=True),
]

UNKNOWN_OR_GONE = {"outcome_unknown", "deadline_passed", "store_unavailable"}
REFERENCE = "payout-1"
WRITTEN = REFERENCE.encode()
"""What reaches the database with the event of a reveal, and with nothing else: the moment of its commit."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def counting(service: World) -> AsyncIterator[None]:
    """A budget for what the tests open, which nobody reaches."""
    budget = "\n[budgets.payment]\nvalues_per_minute = 1_000_000\n"
    done = await service.post("/v1/policy/apply", {"toml": DEFAULT.read_text() + budget}, who="admin")
    assert done.status_code == 200, done.text
    yield
    done = await service.ordered("/v1/policy/apply", {"toml": DEFAULT.read_text()})
    assert done.status_code == 200, done.text


def so_far(service: World) -> int:
    """Bytes of the key server's audit log, which is that of a whole run and long."""
    return service.bao.audit_log.stat().st_size


def decrypts(service: World, since: int) -> int:
    """How many unwraps the key server was asked for since then."""
    with service.bao.audit_log.open("rb") as log:
        log.seek(since)
        lines = log.read().decode().splitlines()
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
    body = {"purpose": "payment", "reference": REFERENCE, "items": [{"token": token}]}
    return await client.post("/v1/detokenize", json=body, headers=await service.bearer("payments"))


@pytest.mark.parametrize(
    ("mode", "trigger"),
    [
        ("reset", b"INSERT INTO event"),
        ("lose_reply", b"INSERT INTO event"),
        ("reset", WRITTEN),
        ("lose_reply", WRITTEN),
        ("blackhole", WRITTEN),
    ],
)
async def test_no_event_no_unwrap_no_plaintext(service: World, mode: Mode, trigger: bytes):
    """When the statement with a reveal's event fails at any point, or is in doubt: 503, and no unwrap."""
    await _nothing_is_unwrapped(service, mode, trigger)


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
async def test_no_event_no_unwrap_within_a_budget(service: World, counting: None, mode: Mode, trigger: bytes):
    """The same where the event is one of several statements, because a budget is counted with it."""
    await _nothing_is_unwrapped(service, mode, trigger)


async def _nothing_is_unwrapped(service: World, mode: Mode, trigger: bytes) -> None:
    token = (await service.seal())[0]
    async with behind(service, "reveal") as (proxy, client):
        before = so_far(service)
        proxy.trigger, proxy.mode = trigger, mode
        refused = await detokenize(service, client, token)
        assert proxy.struck >= 1
        assert refused.status_code == 503
        assert refused.json()["code"] in UNKNOWN_OR_GONE
        assert "Canary" not in refused.text
        assert decrypts(service, before) == 0
        proxy.mode = "ok"
        await until(lambda: detokenize(service, client, token), 200)
    await service.recheck()


async def test_an_event_table_that_refuses_stops_every_reveal(service: World):
    """Without a log there is no service: no verb answers, and what was sealed stays sealed."""
    token = (await service.seal())[0]
    before = so_far(service)
    async with service.owner.begin() as connection:
        await connection.execute(text("REVOKE INSERT ON event FROM strongroom_reveal, strongroom_ingest"))
    assert (await service.detokenize([token])).status_code == 503
    assert (await service.tokenize([("person_name", service.canary())])).status_code == 503
    assert decrypts(service, before) == 0
    async with service.owner.begin() as connection:
        await connection.execute(text("GRANT INSERT ON event TO strongroom_reveal, strongroom_ingest"))
    await service.recheck()


@pytest.mark.parametrize(("mode", "kept"), [("lose_reply", 1), ("reset", 0)])
async def test_a_lost_commit_and_its_retry_make_one_record(service: World, mode: Mode, kept: int):
    """Whether the write arrived or not, the caller is told that it is unknown, and its key finds out."""
    value = service.canary()
    body = {"subject": f"cust-lost-{kept}", "items": [{"type": "person_name", "value": value}]}
    headers = await service.bearer("signup") | {"idempotency-key": f"lost-{mode}"}
    async with behind(service, "ingest") as (proxy, client):
        proxy.trigger, proxy.mode = body["subject"].encode(), mode
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


async def _has_records(service: World, subject: str, count: int) -> bool:
    """Whether it has so many; the server may still be at work on a write whose answer nobody hears."""
    return await _records_of(service, subject) == count


async def _records_of(service: World, subject: str) -> int:
    async with service.owner.connect() as connection:
        mine = select(func.count()).select_from(record).where(record.c.subject == subject)
        return int(await connection.scalar(mine) or 0)
