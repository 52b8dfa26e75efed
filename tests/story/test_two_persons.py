"""Two administrators at work over HTTP and at the command line: one proposes, the other one decides."""

import asyncio
import json

import pytest

from tests.plugins.bridge import bridged
from tests.plugins.waiting import until
from tests.plugins.world import BANK, World
from vault.cli.main import main
from vault.policy.load import DEFAULT

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAYS = ["detokenize:payment@payment"]


def body(name: str, *grants: str) -> dict[str, object]:
    return {"name": name, "person": "Vikram Shah", "grants": list(grants or PAYS)}


async def waiting(service: World, name: str) -> dict[str, object]:
    answer = await service.post("/v1/credentials", body(name), who="admin")
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_from_the_proposal_to_the_first_payment(service: World):
    """202 with what waits; the other administrator sees the same, approves it, and the credential works."""
    asked = await waiting(service, "desk")
    assert "client_secret" not in asked
    assert (asked["proposed_by"], asked["approvers"]) == ("acme.admin", ["acme.admin2"])
    headers = await service.bearer("admin2")
    listed = (await service.client.get("/v1/proposals", headers=headers)).json()["proposals"]
    assert asked in listed
    path = f"/v1/proposals/{asked['proposal_id']}/approve"
    assert (await service.post(path, {"sha256": asked["sha256"]}, who="admin")).status_code == 403
    done = await service.post(path, {"sha256": asked["sha256"]}, who="admin2")
    assert (done.status_code, done.json()["credential"]) == (200, "acme.desk")
    service.secrets["acme.desk"] = done.json()["client_secret"]
    made = await service.tokenize([("bank_account", BANK)])
    token = made.json()["items"][0]["token"]
    assert (await service.detokenize([token], who="desk")).status_code == 200
    again = await service.post(path, {"sha256": asked["sha256"]}, who="admin2")
    assert (again.status_code, again.json()["code"]) == (409, "proposal_ended")


async def test_two_who_decide_at_once_on_two_workers(service: World):
    """Of an approval and a rejection at the same moment one counts, whichever workers they reach."""
    workers = [service.client, await service.worker(["control"])]
    headers = [await service.bearer("admin2"), await service.bearer("admin")]
    for round_ in range(4):
        asked = await waiting(service, f"race{round_}")
        path, digest = f"/v1/proposals/{asked['proposal_id']}", {"sha256": asked["sha256"]}
        answers = await asyncio.gather(
            workers[round_ % 2].post(f"{path}/approve", json=digest, headers=headers[0]),
            workers[(round_ + 1) % 2].post(f"{path}/approve", json=digest, headers=headers[0]),
            workers[0].post(f"{path}/reject", json=digest, headers=headers[1]),
        )
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200, 409, 409], [answer.text for answer in answers]


async def test_a_decision_says_what_was_read(service: World):
    """Without a proper SHA-256 there is no decision."""
    asked = await waiting(service, "vague")
    path = f"/v1/proposals/{asked['proposal_id']}/approve"
    for sent in ({}, {"sha256": ""}, {"sha256": "A" * 64}, {"sha256": asked["sha256"], "x": 1}):
        assert (await service.post(path, sent, who="admin2")).status_code == 400


async def test_a_wider_policy_waits(service: World):
    """It is not in force until the other administrator approved it, and then it is."""
    shown = {"headers": await service.bearer("admin")}
    before = (await service.client.get("/v1/policy", **shown)).json()["hash"]
    wide = DEFAULT.read_text().replace("searchable = []", 'searchable = ["pan"]')
    asked = await service.post("/v1/policy/apply", {"toml": wide}, who="admin")
    assert asked.status_code == 202
    assert [one["effect"] for one in asked.json()["changes"]] == ["widens"]
    assert (await service.client.get("/v1/policy", **shown)).json()["hash"] == before
    path = f"/v1/proposals/{asked.json()['proposal_id']}/approve"
    done = await service.post(path, {"sha256": asked.json()["sha256"]}, who="admin2")
    assert (done.status_code, done.json()["changes"]) == (200, asked.json()["changes"])
    assert done.json()["hash"] != before

    async def in_force() -> bool:
        found = await service.client.get("/v1/policy", **shown)
        return found.json()["hash"] == done.json()["hash"]

    await until(in_force, seconds=5)


async def test_at_the_command_line(service: World, monkeypatch, capsys, tmp_path):
    """`create` says what waits; `proposals` lists, shows, approves what was agreed on, and rejects."""

    async def run(who: str, *arguments: str) -> tuple[int, str]:
        async def at_it() -> int:
            with pytest.raises(SystemExit) as end:
                await asyncio.to_thread(main, list(arguments))
            return int(end.value.code or 0)

        monkeypatch.setenv("STRONGROOM_CLIENT_ID", f"acme.{who}")
        monkeypatch.setenv("STRONGROOM_CLIENT_SECRET", service.secrets[f"acme.{who}"])
        return await at_it(), capsys.readouterr().out

    with bridged(service.client) as url:
        monkeypatch.setenv("STRONGROOM_URL", url)
        create = ["credentials", "create", "--person", "Vikram Shah", "--grant", *PAYS]
        status, said = await run("admin", *create, "till")
        assert (status, "takes two persons" in said) == (0, True)
        command = next(line for line in said.splitlines() if "proposals approve" in line).split()
        assert "prp_" in (await run("admin2", "proposals", "list"))[1]
        shown = json.loads((await run("admin2", "proposals", "show", command[3], "--json"))[1])
        assert shown["sha256"] == command[5]
        wrong = ["proposals", "approve", command[3], "--yes", "--sha256", "0" * 64]
        assert (await run("admin2", *wrong))[0] == 1
        assert (await run("admin2", "proposals", "approve", command[3], "--yes"))[0] == 2
        file = tmp_path / "till"
        right = [*command[1:], "--yes", "--secret-file", str(file)]
        assert (await run("admin2", *right))[0] == 0
        assert file.read_text().startswith("acme.till:srs_")
        _, said = await run("admin", *create, "till2", "--json")
        ended = [
            "proposals",
            "reject",
            json.loads(said)["proposal_id"],
            "--sha256",
            json.loads(said)["sha256"],
        ]
        assert (await run("admin", *ended, "--json"))[0] == 0
        assert (await run("admin2", *ended, "--json"))[0] == 1
