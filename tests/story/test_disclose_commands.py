"""Recipients, disclosures and the scope of a breach over a socket: the commands and the clients."""

import asyncio
import csv
import json
import os
import stat
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
import pytest_asyncio
from strongroom import AsyncStrongroom, Misused, NotAllowed, Strongroom

from tests.plugins.process import Served
from tests.plugins.world import World
from vault.cli.main import main

pytestmark = pytest.mark.asyncio(loop_scope="module")
GROUND = "dpa-2026-05"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(service: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """All planes in one process, and whoever keeps the register, discloses and corrects."""
    await service.hire("registrar", ["recipients"])
    await service.hire("discloser", ["disclose"])
    await service.hire("both", ["recipients", "disclose", "erase"])
    async with Served(service.environment(), tmp_path_factory.mktemp("served") / "log") as running:
        yield running


@pytest.fixture
def run(service: World, served: Served, monkeypatch, capsys):
    """Runs a command as somebody; answers (status, output, errors)."""
    for name in [one for one in os.environ if one.startswith("STRONGROOM_")]:
        monkeypatch.delenv(name)

    def command(who: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("STRONGROOM_URL", served.url)
        monkeypatch.setenv("STRONGROOM_CLIENT_ID", f"acme.{who}")
        monkeypatch.setenv("STRONGROOM_CLIENT_SECRET", service.secrets[f"acme.{who}"])
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        return (int(end.value.code or 0), *capsys.readouterr())

    return command


def told(run: Any, who: str, *arguments: str) -> Any:
    status, out, err = run(who, *arguments, "--json")
    assert status == 0, err
    return json.loads(out)


def add(run: Any, name: str, **more: str) -> Any:
    terms = {"title": "Bulk Mail", "kind": "provider", "country": "IN", "undertaking": "DPA of May"} | more
    options = [part for option, value in terms.items() for part in (f"--{option}", value)]
    return told(run, "registrar", "recipients", "add", name, "--class", "identity", *options)


async def sealed(world: World, subject: str) -> tuple[str, str]:
    value = world.canary()
    made = await world.tokenize([("person_name", value)], subject=subject)
    return str(made.json()["items"][0]["token"]), value


async def test_a_recipient_is_added_listed_and_ended(run):
    """Adding again is another version; ending keeps its terms, and it receives nothing from then on."""
    assert add(run, "mailer")["version"] == 1
    assert add(run, "mailer", expires="2099-03-31")["version"] == 2
    status, out, _ = run("registrar", "recipients", "list")
    assert (status, "2099-03-31" in out) == (0, True)
    ended = told(run, "registrar", "recipients", "end", "mailer")
    assert (ended["version"], ended["ended"], ended["expires"]) == (3, True, "2099-03-31")
    status, _, err = run("registrar", "recipients", "end", "nobody")
    assert (status, "no recipient of this name" in err) == (1, True)


async def test_values_go_to_a_new_file_and_nowhere_else(service: World, run, tmp_path):
    """The command writes them for its owner alone, overwrites nothing and shows none."""
    add(run, "courier")
    token, value = await sealed(service, "cmd-1")
    out = tmp_path / "values.jsonl"
    command = ("disclosures", "make", "courier", token, "--legal-reference", GROUND, "--out", str(out))
    status, shown, err = run("discloser", *command)
    assert (status, value in shown + err) == (0, False), err
    assert json.loads(out.read_text())["value"] == value
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    before = out.read_text()
    again, _, err = run("discloser", *command)
    assert (again, "is there already" in err, out.read_text()) == (1, True, before)
    status, listed, _ = run("registrar", "disclosures", "list", "--subject", "cmd-1")
    assert (status, "courier" in listed, GROUND in listed) == (0, True, True)
    assert len(told(run, "registrar", "disclosures", "list", "--token", token)) > 3


async def test_a_refused_disclosure_leaves_no_file(service: World, run, tmp_path):
    """What was not opened is not written."""
    add(run, "past", expires="2024-03-31")
    token, _ = await sealed(service, "cmd-2")
    out = tmp_path / "values.jsonl"
    status, _, err = run(
        "discloser", "disclosures", "make", "past", token, "--legal-reference", GROUND, "--out", str(out)
    )
    assert (status, "undertaking_expired" in err, out.exists()) == (1, True, False)


async def test_the_scope_of_a_breach_is_told_from_the_log(service: World, run, tmp_path):
    """Whom a credential's openings touched, with drafts and lists; no value in any of them."""
    tokens, values = zip(*[await sealed(service, f"cmd-b{n}") for n in range(3)], strict=True)
    await service.hire("leaky", ["detokenize:payment"])
    assert (await service.detokenize(tokens[:2], who="leaky")).status_code == 200
    assert (await service.detokenize(tokens[:1], who="leaky", reveal="masked")).status_code == 200
    assert (await service.detokenize(tokens[2:])).status_code == 200
    folder, listed = tmp_path / "notices", tmp_path / "scope.csv"
    asked = ("breach", "scope", "--credential", "leaky", "--aware", "2026-11-07T20:00:00Z")
    status, out, err = run("auditor", *asked, "--drafts", str(folder), "--csv", str(listed))
    assert status == 0, err
    found = told(run, "auditor", "breach", "scope", "--credential", "acme.leaky")
    assert found["complete"]
    assert (found["counts"]["subjects"], found["counts"]["fields"], found["counts"]["openings"]) == (2, 2, 3)
    assert {one["subject"] for one in found["touched"]} == {"cmd-b0", "cmd-b1"}
    rows = list(csv.DictReader((folder / "data-principals.csv").read_text().splitlines()))
    assert [row["SUBJECT"] for row in rows] == ["cmd-b0", "cmd-b1"]
    texts = {path.name: path.read_text() for path in folder.iterdir()} | {"csv": listed.read_text(), "o": out}
    assert len(texts) == 6
    assert "data principals: 2" in texts["cert-in-6-hours.txt"]
    assert not [name for name, text in texts.items() for value in values if value in text]
    later = told(run, "auditor", "breach", "scope", "--credential", "leaky", "--from", "2099-01-01T00:00:00Z")
    assert later["counts"]["subjects"] == 0
    status, _, err = run("auditor", "breach", "scope")
    assert (status, "say which" in err) == (2, True)


async def test_the_clients_disclose_and_ask(service: World, served: Served):
    """Blocking and on asyncio: terms put on file, values in order, who received what, whom to tell."""
    tokens, values = zip(*[await sealed(service, "sdk-1") for _ in range(2)], strict=True)
    terms = {"title": "Payroll Ltd", "kind": "provider", "country": "IN", "classes": ["identity"]}

    def blocking() -> None:
        with Strongroom(served.url, "acme.both", service.secrets["acme.both"]) as vault:
            made = vault.put_recipient("payroll", **terms, undertaking="DPA", expires=date(2099, 1, 1))
            assert (made.version, made.proven, made.expires) == (1, True, date(2099, 1, 1))
            done = vault.disclose("payroll", tokens, legal_reference=GROUND)
            assert [one.value.reveal() for one in done] == list(values)
            assert [one.token for one in vault.disclosures(subject="sdk-1")] == list(tokens[::-1])
            vault.put_recipient("payroll", **terms, ended=True)
            with pytest.raises(NotAllowed) as refused:
                vault.disclose("payroll", tokens, legal_reference=GROUND)
            assert refused.value.code == "recipient_ended"
            with pytest.raises(Misused):
                vault.put_recipient("payroll", **(terms | {"classes": "identity"}))

    await asyncio.to_thread(blocking)
    async with AsyncStrongroom(served.url, "acme.both", service.secrets["acme.both"]) as vault:
        await vault.put_recipient("payroll", **terms, undertaking="DPA")
        [one] = await vault.disclose("payroll", tokens[:1], legal_reference=GROUND)
        assert one.value.reveal() == values[0]
        assert [r.ended for r in await vault.recipients() if r.name == "payroll"] == [False]
        assert len([d async for d in vault.disclosures(token=tokens[0])]) == 2
        gone = await vault.erase(tokens, reason="case-7")
        assert [one.tell for one in gone] == [("payroll",), ("payroll",)]
    for token in tokens:
        service.journal.values.pop(token)


async def test_nothing_is_left_behind(service: World):
    """Every receipt holds, and no value lies in any file of the service."""
    await service.recheck()
