"""The office's commands against the service over a socket: what people told, what is held, who is whose."""

import hashlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
import pytest_asyncio
from strongroom import AsyncStrongroom, Conflict, NotAllowed

from tests.plugins.process import Served
from tests.plugins.world import World
from vault.cli.main import main

pytestmark = pytest.mark.asyncio(loop_scope="module")
MARKETING = "marketing_display"
WHO = ("STRONGROOM_URL", "STRONGROOM_CLIENT_ID", "STRONGROOM_CLIENT_SECRET")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(service: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """All planes in one process, and somebody of the office."""
    grants = ["notices", "consent", "subjects", "holds"]
    await service.hire("desk", grants, person="Meera Iyer")
    async with Served(service.environment(), tmp_path_factory.mktemp("served") / "log") as running:
        yield running


@pytest.fixture
def run(service: World, served: Served, monkeypatch, capsys):
    """Runs a command as the office; answers (status, output, errors)."""
    for name in [one for one in os.environ if one.startswith("STRONGROOM_")]:
        monkeypatch.delenv(name)
    for name, value in zip(WHO, (served.url, "acme.desk", service.secrets["acme.desk"]), strict=True):
        monkeypatch.setenv(name, value)

    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        return (int(end.value.code or 0), *capsys.readouterr())

    return command


def told(run: Any, *arguments: str) -> Any:
    status, out, err = run(*arguments, "--json")
    assert status == 0, err
    return json.loads(out)


async def sealed(world: World, subject: str) -> str:
    made = await world.tokenize([("email", "asha@example.com")], subject=subject)
    return str(made.json()["items"][0]["token"])


async def test_a_notice_is_published_by_its_digest(run, tmp_path):
    """The file's SHA-256 is computed here; the same version again is refused in one line."""
    text = tmp_path / "notice.html"
    text.write_bytes("नोटिस".encode())
    terms = ("--version", "2026-04", "--language", "hi-IN", "--effective", "2026-04-01T00:00:00+05:30")
    command = ("notices", "publish", str(text), *terms, "--purpose", "payment")
    done = told(run, *command)
    assert done["sha256"] == hashlib.sha256(text.read_bytes()).hexdigest()
    assert [one["notice"] for one in told(run, "notices", "list")["notices"]] == ["2026-04/hi-IN"]
    status, _, err = run(*command)
    assert status == 1
    assert "notice_exists" in err
    assert "2026-04/hi-IN" in run("notices", "list")[1]


async def test_consents_are_recorded_and_listed_page_by_page(run, service: World, monkeypatch, tmp_path):
    """What was said stands in the history; `outdated` reads every page, each consent once."""
    old = ("--source", "form-1", "--at", "2025-01-01T00:00:00Z")
    for number in range(3):
        done = told(run, "consents", "record", f"cli-{number}", MARKETING, "grant", *old)
        assert done["effect"] == "applies"
    told(run, "consents", "record", "cli-1", MARKETING, "object", "--source", "letter-1")
    history = told(run, "consents", "history", "cli-1")
    assert [one["act"] for one in history["items"]] == ["grant", "object"]
    text = tmp_path / "notice"
    text.write_text("new")
    terms = ("--version", "2026-05", "--language", "en", "--effective", "2026-05-01T00:00:00Z")
    told(run, "notices", "publish", str(text), *terms, "--purpose", MARKETING)
    monkeypatch.setattr("vault.cli.pages.PAGE", 1)
    status, out, _ = run("consents", "outdated", "2026-05", "--json")
    assert status == 0
    assert [json.loads(line)["subject"] for line in out.splitlines()] == ["cli-0", "cli-2"]
    assert "cli-2" in run("consents", "outdated", "2026-05", "--purpose", MARKETING)[1]


async def test_an_account_is_closed_shown_and_reopened(run, service: World):
    """Closing stops the next reveal; `show` says so without a value; a second closing is one line."""
    token = await sealed(service, "cli-subject")
    told(run, "subjects", "invoiced", "cli-subject", "--on", "2026-03-31", "--reference", "inv-1")
    assert told(run, "subjects", "close", "cli-subject")["fact"] == "closed"
    refused = await service.detokenize([token])
    assert refused.json()["code"] == "account_closed"
    status, _, err = run("subjects", "close", "cli-subject")
    assert status == 1
    assert "account_already" in err
    [one] = told(run, "subjects", "show", "cli-subject")["subjects"]
    assert (one["account"], one["invoiced"]) == ("closed", "2026-03-31")
    shown = run("subjects", "show", "cli-subject")[1]
    assert token in shown.replace("\n", "")
    assert "asha" not in shown
    told(run, "subjects", "reopen", "cli-subject")
    assert (await service.detokenize([token])).status_code == 200


async def test_a_hold_is_placed_listed_and_lifted(run, service: World):
    """The person of the credential stands beside placing and lifting; lifted ones are listed on demand."""
    token = await sealed(service, "cli-held")
    why = ("--reason", "Tax audit of 2025", "--reference", "case-118")
    held = told(run, "holds", "place", "cli-held", *why, "--token", token)
    assert (held["person"], held["token"]) == ("Meera Iyer", token)
    listed = run("holds", "list", "--token", token)[1]
    assert held["hold"] in listed
    assert "Tax audit" in listed
    lifted = told(run, "holds", "lift", held["hold"], "--reason", "The audit is over")
    assert lifted["lifted"]["person"] == "Meera Iyer"
    assert told(run, "holds", "list", "--subject", "cli-held")["holds"] == []
    assert len(told(run, "holds", "list", "--subject", "cli-held", "--all")["holds"]) == 1
    status, _, err = run("holds", "lift", held["hold"], "--reason", "Again")
    assert status == 1
    assert "hold_lifted" in err


@pytest.mark.parametrize("name", ["hld_x", "../../v1/erase", "evt_" + "0" * 26])
async def test_what_names_no_hold_is_not_asked_about(run, name: str):
    """A path cannot be made of an argument: status 2, and nothing is sent."""
    status, _, err = run("holds", "lift", name, "--reason", "x")
    assert status == 2
    assert "hld_" in err


async def test_the_client_library_says_the_same(service: World, served: Served):
    """Consents, notices, accounts and holds by the SDK, typed, in force at the next reveal, with receipts."""
    token = await sealed(service, "sdk-subject")
    async with AsyncStrongroom(served.url, "acme.desk", service.secrets["acme.desk"]) as vault:
        at = datetime(2026, 6, 1, tzinfo=UTC)
        notice = await vault.publish_notice("2026-06", "en", b"We keep", effective=at, purposes=["payment"])
        assert replace(notice, receipt=None) in await vault.notices()
        old = datetime(2025, 1, 1, tzinfo=UTC)
        said = await vault.consent("sdk-subject", "payment", "grant", source="form-1", at=old)
        assert said.receipt is not None
        assert said.at == old
        assert "sdk-subject" in [one.subject async for one in vault.outdated_consents("2026-06")]
        assert [one.act for one in await vault.consent_history("sdk-subject")] == ["grant"]
        await vault.close_account("sdk-subject", on=date(2026, 11, 1))
        assert (await service.detokenize([token])).json()["code"] == "account_closed"
        with pytest.raises(Conflict, match="account_already"):
            await vault.close_account("sdk-subject")
        held = await vault.hold("sdk-subject", reason="Tax audit", reference="case-1", token=token)
        [known] = await vault.subjects(["sdk-subject"])
        assert (known.account, known.since, known.open_holds) == ("closed", date(2026, 11, 1), 1)
        assert [record.token for record in known.records] == [token]
        assert (await vault.lift_hold(held.hold_id, reason="Over")).lifted is not None
        assert [one async for one in vault.holds(subject="sdk-subject")] == []
        await vault.reopen_account("sdk-subject")
    assert (await service.detokenize([token])).status_code == 200
    async with AsyncStrongroom(served.url, "acme.office", service.secrets["acme.office"]) as vault:
        with pytest.raises(NotAllowed, match="no_grant"):
            await vault.close_account("sdk-subject")
