"""A payment credential is stolen: what it gets, what the log says of it, and how work goes on."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import delete, func, insert, select

from tests.plugins.bridge import bridged
from tests.plugins.world import BANK, World
from vault import metrics
from vault.cli.main import main
from vault.policy.load import DEFAULT
from vault.store.acts import credential_freeze, credential_thaw, honey
from vault.store.schema import event
from vault.store.unvouched import missing, unvouched

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


async def pull(client: httpx.AsyncClient, bearer: dict[str, str], tokens: list[str]) -> list[str]:
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
    """Every worker, every verb, what it had opened before, and a new access token: all refused."""
    for client in (service.client, second):
        assert await _settled(client, bearer, tokens[:2]) == ["credential_frozen"] * 2
        look = await client.post("/v1/inspect", json={"tokens": tokens[:1]}, headers=bearer)
        assert look.json()["items"][0]["problem"]["code"] == "credential_frozen"
        refused = await _asked_for_a_token(service, client)
        assert (refused.status_code, refused.json()["error"]) == (403, "unauthorized_client")
    told = await service.client.get("/v1/policy", headers=bearer)
    assert told.json()["code"] == "credential_frozen"
    assert (await service.detokenize(tokens[:100])).status_code == 200  # somebody else's work goes on


async def _asked_for_a_token(service: World, client: httpx.AsyncClient) -> httpx.Response:
    """What control says once it has learnt of a freeze, for which it has a second as every plane has."""
    form, auth = {"grant_type": "client_credentials"}, ("acme.stolen", service.secrets["acme.stolen"])
    answer = await client.post("/oauth2/token", data=form, auth=auth)
    if answer.status_code == 200:
        await asyncio.sleep(1.0)
        answer = await client.post("/oauth2/token", data=form, auth=auth)
    return answer


async def _settled(
    client: httpx.AsyncClient, bearer: dict[str, str], tokens: list[str], *, frozen: bool = True
) -> list[str]:
    """What a worker says once it has learnt of a freeze or of its end, for which it has a second or so."""
    got: list[str] = []
    for _ in range(40):
        got = await pull(client, bearer, tokens)
        if (got[0] == "credential_frozen") == frozen:
            break
        await asyncio.sleep(0.05)
    return got


async def test_another_person_lifts_it_and_time_does_not(
    service: World, tokens: list[str], second: httpx.AsyncClient
):
    """Not its own person, not one without the right, not the clock: an administrator, with a reason."""
    await service.hire("edge", PAYS, person="Zoe Second")
    bearer = await service.bearer("edge")
    got = await asyncio.gather(*(pull(c, bearer, tokens[:60]) for c in (service.client, second) * 2))
    assert max(part.count("value") for part in got) <= 40
    assert len({t for part in got for t, one in zip(tokens, part, strict=False) if one == "value"}) <= 40
    assert (await _settled(service.client, bearer, tokens[:1])) == ["credential_frozen"]
    path, why = "/v1/credentials/acme.edge/unfreeze", {"reason": "An honest payout"}
    frozen = await service.client.get("/v1/freezes", headers=await service.bearer("admin"))
    mine = [one for one in frozen.json()["freezes"] if one["credential"] == "acme.edge"]
    assert {(one["person"], one["cause"]) for one in mine} == {("Zoe Second", "budget_exceeded")}
    own = await service.post(path, why, who="admin2")
    assert (own.status_code, own.json()["code"]) == (403, "own_freeze")
    assert (await service.post(path, why, who="auditor")).status_code == 403
    done = await service.post(path, why, who="admin")
    assert done.status_code == 200, done.text
    assert (await service.post(path, why, who="admin")).json()["code"] == "not_frozen"
    again = await _settled(service.client, bearer, tokens[:1], frozen=False)
    assert again == ["value"]  # who was counted in this hour is counted
    assert (await pull(service.client, bearer, tokens[70:71])) == ["budget_exceeded"]
    acts = await service.events(verb="credentials", decision="allow")
    (lifted,) = [one for one in acts if one.get("grounds") == why["reason"]]
    assert (lifted["person"], lifted["credential"]) == ("Ada Admin", "acme.edge")


async def test_a_planted_record_freezes_at_the_first_touch(service: World, tokens: list[str]):
    """Nothing is opened, every token of the list is answered alike, and the log alone knows which it was."""
    await service.hire("warden", ["honey"])
    await service.hire("thief", PAYS)
    bait = tokens[-1]
    planted = await service.post("/v1/honey", {"tokens": [bait]}, who="warden")
    assert (planted.status_code, planted.json()["planted"]) == (200, 1)
    assert (await service.post("/v1/honey", {"tokens": [bait]}, who="warden")).json()[
        "code"
    ] == "already_planted"
    bearer = await service.bearer("thief")
    worker = await service.worker(["reveal"])  # it has not looked at what is planted before
    got = await pull(worker, bearer, [*tokens[:3], bait, *tokens[3:5]])
    assert got == ["credential_frozen"] * 6
    assert await counted(service, "thief", verb="detokenize", decision="allow") == 0
    (touch,) = await service.events(token=bait, verb="freeze")
    assert (touch["actor"], touch["reason"], touch.get("subject")) == ("acme.thief", "honey_token", None)
    denied = await service.events(token=bait, credential="acme.thief", decision="deny")
    assert [one["reason"] for one in denied] == ["honey_token"]
    assert await pull(worker, bearer, tokens[:1]) == ["credential_frozen"]
    async with service.owner.connect() as connection:
        rows = (await connection.execute(select(honey.c.digest, honey.c.event_id))).all()
        bodies = (await connection.execute(select(event.c.body).where(event.c.verb == "honey"))).all()
    assert len(rows) == 1
    assert all(bait.encode() not in body for (body,) in bodies)
    assert all(hashlib.sha256(one.encode()).digest() != rows[0][0] for one in tokens)


async def test_at_the_command_line(service: World, tmp_path, monkeypatch, capsys):
    """`honey plant` makes records of nobody and plants them; a thief is listed as frozen, and freed."""
    await service.hire("gardener", ["honey"])
    await service.hire("burglar", PAYS)
    signup, out = tmp_path / "signup", tmp_path / "planted.csv"
    signup.write_text(f"acme.signup:{service.secrets['acme.signup']}")
    signup.chmod(0o600)

    async def run(who: str, *arguments: str) -> tuple[int, str]:
        monkeypatch.setenv("STRONGROOM_CLIENT_ID", f"acme.{who}")
        monkeypatch.setenv("STRONGROOM_CLIENT_SECRET", service.secrets[f"acme.{who}"])
        with pytest.raises(SystemExit) as end:
            await asyncio.to_thread(main, list(arguments))
        return int(end.value.code or 0), capsys.readouterr().out

    with bridged(service.client) as url:
        monkeypatch.setenv("STRONGROOM_URL", url)
        plant = ["honey", "plant", "--type", "bank_account", "--count", "3", "--ingest", str(signup)]
        assert (await run("gardener", *plant, "--subjects", "user-#", "--out", str(out)))[0] == 2
        status, said = await run("gardener", *plant, "--subjects", "user-######", "--out", str(out), "--json")
        assert (status, json.loads(said)) == (0, {"planted": 3})
        rows = [line.split(",") for line in out.read_text().splitlines()[1:]]
        assert len({subject for subject, _ in rows}) == 3
        assert (await run("gardener", "honey", "mark", str(signup)))[0] == 1
        worker = await service.worker(["reveal"])
        assert await pull(worker, await service.bearer("burglar"), [rows[0][1]]) == ["credential_frozen"]
        shown = json.loads((await run("admin", "credentials", "frozen", "--json"))[1])["freezes"]
        assert [one["cause"] for one in shown if one["credential"] == "acme.burglar"] == ["honey_token"]
        assert "acme.burglar" in (await run("admin", "credentials", "frozen"))[1]
        free = ["credentials", "unfreeze", "burglar", "--reason", "A drill", "--json"]
        assert (await run("admin", *free))[0] == 0
        assert (await run("admin", *free))[0] == 1


async def test_doctor_names_a_freeze_that_somebody_took_away(service: World):
    """A row gone, or a lifting by hand, is what the log does not bear out."""
    assert await unvouched(service.owner, "acme", since=0) == []
    assert await missing(service.owner, "acme", since=0) == []
    async with service.owner.begin() as connection:
        frozen = select(credential_freeze).where(credential_freeze.c.credential == "acme.thief")
        row = (await connection.execute(frozen)).one()
        await connection.execute(
            delete(credential_freeze).where(credential_freeze.c.freeze_id == row.freeze_id)
        )
        by_hand = {"freeze_id": row.freeze_id, "credential": "acme.x", "person": "X", "reason": "x"}
        await connection.execute(
            insert(credential_thaw).values(tenant="acme", event_id=row.event_id, **by_hand)
        )
    assert [(one.table, one.count) for one in await missing(service.owner, "acme", since=0)] == [
        ("credential_freeze", 1)
    ]
    assert [one.table for one in await unvouched(service.owner, "acme", since=0)] == ["credential_thaw"]
