"""One credential sends too much: it is told so, in headers that machines read, and nobody else is."""

import asyncio
import re
from collections import Counter
from time import monotonic

import httpx
import pytest
from sqlalchemy import func, select

from tests.plugins.world import World
from vault.store.schema import event

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMITED = {"rate_values_per_second": 1, "rate_burst_seconds": 20}
NAME = {"type": "person_name", "value": "Asha Rao"}


async def send(
    service: World, worker: httpx.AsyncClient, count: int = 1, *, who: str = "signup"
) -> httpx.Response:
    body = {"subject": "cust-rates", "items": [NAME] * count}
    return await worker.post("/v1/tokenize", json=body, headers=await service.bearer(who))


def told(answer: httpx.Response) -> tuple[int, int]:
    """How many values are left, and the seconds until all are there: each second brings one."""
    found = re.fullmatch(r'"values";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert found is not None
    return int(found[1]), int(found[2])


async def recorded(service: World) -> int:
    async with service.owner.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(event)) or 0)


async def test_over_the_rate_is_429_with_all_that_a_client_needs(service: World):
    """Good answers say what is left; past it comes 429 with `Retry-After`, nothing is on record, and another
    credential of the tenant is answered as before."""
    worker = await service.worker(["ingest"], **LIMITED)
    first = await send(service, worker, 15)
    assert first.status_code == 200
    assert first.headers["ratelimit-policy"] == '"values";q=20;w=20'
    left, seconds = told(first)
    assert 5 <= left == 20 - seconds
    assert (await send(service, worker, 40)).status_code == 200  # let in, and 35 are owed
    before = await recorded(service)
    refused = await send(service, worker)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["retry-after"]) <= 36
    assert refused.json()["retry_after"] == int(refused.headers["retry-after"])
    assert refused.headers["ratelimit"].startswith('"values";r=0;t=')
    assert await recorded(service) == before
    other = await send(service, worker, who="marketing")
    assert other.status_code == 403, "denied by the policy, not by the other one's rate"
    left, seconds = told(other)
    assert 19 <= left == 20 - seconds


async def test_a_refusal_waits_for_no_body(service: World):
    """Who is over the rate is refused although the body never ends, and however much of it comes."""
    worker = await service.worker(["ingest"], **LIMITED)
    await send(service, worker, 900)

    async def endless():
        while True:
            yield b" " * 65_536
            await asyncio.sleep(0.01)

    headers = await service.bearer("signup") | {
        "content-type": "application/json",
        "content-length": "1000000",
    }
    request = worker.build_request("POST", "/v1/tokenize", content=endless(), headers=headers)
    answer = await worker.send(request)
    assert answer.status_code == 429


async def test_many_connections_get_no_more(service: World):
    """Sixty requests at once, of one credential, on two workers that share the figure: as many as it says."""
    workers = [await service.worker(["ingest"], **LIMITED, workers=2) for _ in range(2)]
    await service.bearer("signup")
    begun = monotonic()
    answers = await asyncio.gather(*(send(service, workers[n % 2]) for n in range(60)))
    found = Counter(answer.status_code for answer in answers)
    assert set(found) == {200, 429}
    assert 20 <= found[200] <= 22 + (monotonic() - begun)  # what has come back meanwhile


async def test_a_flood_of_refused_accesses_is_bounded_too(service: World):
    """Each denied access is an event; they count, so whoever has no right cannot fill the log at will."""
    worker = await service.worker(["ingest"], **LIMITED)
    await service.bearer("auditor")
    before, begun = await recorded(service), monotonic()
    answers = await asyncio.gather(*(send(service, worker, 5, who="auditor") for _ in range(30)))
    found = Counter(answer.status_code for answer in answers)
    assert set(found) == {403, 429}, [one.text for one in answers if one.status_code not in (403, 429)]
    assert await recorded(service) - before == 5 * found[403] <= 25 + (monotonic() - begun)


async def test_every_operation_of_a_known_caller_counts(service: World):
    """Not only the hot verbs: what has no list counts one."""
    worker = await service.worker(["audit"], **LIMITED)
    headers = await service.bearer("auditor")
    codes: list[int] = []
    while 429 not in codes and len(codes) < 200:
        answer = await worker.post("/v1/events/query", json={"limit": 1}, headers=headers)
        codes.append(answer.status_code)
    assert codes[:20] == [200] * 20
    assert codes[-1] == 429


async def test_without_a_limit_no_header_speaks_of_one(service: World):
    """As shipped there is no limit, and no answer claims one."""
    answer = await service.tokenize([("person_name", "Asha Rao")])
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("ratelimit")]
