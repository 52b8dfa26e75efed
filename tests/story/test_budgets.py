"""A payment credential is stolen: what it gets, what the log says of it, and how work goes on."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import func, select

from tests.plugins.world import BANK, World, until
from vault import metrics
from vault.policy.load import DEFAULT
from vault.store.schema import event

pytestmark = pytest.mark.asyncio(loop_scope="module")
MANY = 600
BUDGET = 150
POLICY = f"""{DEFAULT.read_text()}
[budgets.payment.credentials.stolen]
subjects_per_hour = {BUDGET}
[budgets.payment.credentials.edge]
subjects_per_hour = 40
[budgets.payment.credentials.nightly]
values_per_minute = 1_000_000
"""
PAYS = ["detokenize:payment", "inspect"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tokens(service: World) -> list[str]:
    """A token of each of many subjects, and budgets in force."""
    done = await service.post("/v1/policy/apply", {"toml": POLICY}, who="admin")
    assert done.status_code == 200, done.text
    items = [{"type": "bank_account", "value": BANK, "subject": f"cust-{i}"} for i in range(MANY)]
    made = []
    for start in range(0, MANY, 100):
        answer = await service.post("/v1/tokenize", {"items": items[start : start + 100]}, who="signup")
        assert answer.status_code == 200, answer.text
        made += [item["token"] for item in answer.json()["items"]]
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def second(service: World) -> AsyncIterator[httpx.AsyncClient]:
    """Another worker on the same databases."""
    yield await service.worker(["reveal", "control"])


async def pull(client: httpx.AsyncClient, bearer: dict[str, str], tokens: list[str]) -> list[str | int]:
    """What a script gets for each token: "value", or the code of its problem."""
    body = {"purpose": "payment", "reference": "payout-1", "mode": "each"}
    body["items"] = [{"token": token} for token in tokens]
    answer = await client.post("/v1/detokenize", json=body, headers=bearer)
    assert answer.status_code in (200, 403), answer.text
    if answer.status_code == 403:
        return [answer.json()["code"]] * len(tokens)
    items = answer.json()["items"]
    return ["value" if "value" in item else item["problem"]["code"] for item in items]


async def counted(service: World, actor: str, **which: str) -> int:
    """How many events of a credential the database has."""
    c = event.c
    mine = [c.tenant == "acme", c.actor == f"acme.{actor}", *(c[n] == v for n, v in which.items())]
    async with service.owner.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(event).where(*mine)) or 0)


async def test_a_script_with_a_stolen_credential_stops_at_the_budget(
    service: World, tokens: list[str], second: httpx.AsyncClient
):
    """Through two workers at once it gets exactly its budget in values, and the log has as many openings."""
    await service.hire("stolen", PAYS)
    bearer = await service.bearer("stolen")
    before = metrics.registry.get_sample_value("strongroom_alarms_total", {"code": "credential_frozen"}) or 0
    lists = [tokens[start : start + 30] for start in range(0, MANY, 30)]
    clients = [service.client, second]
    got = await asyncio.gather(*(pull(clients[i % 2], bearer, part) for i, part in enumerate(lists)))
    outcomes = [one for part in got for one in part]
    assert outcomes.count("value") == BUDGET
    assert set(outcomes) <= {"value", "budget_exceeded", "credential_frozen"}
    opened = {"verb": "detokenize", "decision": "allow"}
    assert await counted(service, "stolen", **opened) == BUDGET
    assert await counted(service, "stolen", verb="detokenize") == MANY
    assert await counted(service, "stolen", verb="freeze") >= 1
    after = metrics.registry.get_sample_value("strongroom_alarms_total", {"code": "credential_frozen"}) or 0
    assert after > before
    await _frozen_everywhere(service, tokens, second, bearer)
    assert await counted(service, "stolen", **opened) == BUDGET


async def _frozen_everywhere(
    service: World, tokens: list[str], second: httpx.AsyncClient, bearer: dict[str, str]
) -> None:
    """Every worker, every verb of its plane, what it had opened before, and a new access token: refused."""
    frozen = await until(lambda: second.post("/v1/inspect", json={"tokens": []}, headers=bearer), 400)
    assert frozen.status_code == 400  # the body is looked at first
    for client in (service.client, second):
        assert await _settled(client, bearer, tokens[:2]) == ["credential_frozen"] * 2
        look = await client.post("/v1/inspect", json={"tokens": tokens[:1]}, headers=bearer)
        assert look.json()["items"][0]["problem"]["code"] == "credential_frozen"
        form = {"grant_type": "client_credentials"}
        auth = ("acme.stolen", service.secrets["acme.stolen"])
        refused = await client.post("/oauth2/token", data=form, auth=auth)
        assert (refused.status_code, refused.json()["error"]) == (403, "unauthorized_client")
    assert (await service.client.get("/v1/policy", headers=bearer)).json()["code"] == "credential_frozen"
    assert (await service.detokenize(tokens[:100])).status_code == 200  # somebody else's work goes on


async def _settled(client: httpx.AsyncClient, bearer: dict[str, str], tokens: list[str]) -> list[str | int]:
    """Within the second another worker knows."""
    for _ in range(20):
        got = await pull(client, bearer, tokens)
        if got[0] == "credential_frozen":
            break
        await asyncio.sleep(0.05)
    return got
