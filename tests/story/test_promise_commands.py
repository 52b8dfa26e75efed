"""Retention, cases and corrections by command, and by the client, against the service over a socket."""

import asyncio
import io
import json
import os
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import update
from strongroom import AsyncStrongroom, Conflict
from strongroom_audit.verifier.certificate import read_certificate

from tests.plugins.process import Served
from tests.plugins.world import World
from vault.cli.main import main
from vault.retention import load
from vault.store.schema import record

pytestmark = pytest.mark.asyncio(loop_scope="module")
WHO = ("STRONGROOM_URL", "STRONGROOM_CLIENT_ID", "STRONGROOM_CLIENT_SECRET")
IN = Path(load.__file__).with_name("in.toml").read_text("utf-8")
_numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(service: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """All planes in one process under the Indian profile; somebody who keeps, an officer, an approver."""
    await service.keep(IN)
    await service.hire("keeper", ["holds", "replace", "retention", "subjects"], person="Meera Iyer")
    await service.hire("officer", ["cases"], person="Farah Khan")
    await service.hire("approver", ["release"], person="Dev Mehta")
    async with Served(service.environment(), tmp_path_factory.mktemp("served") / "log") as running:
        yield running


@pytest.fixture
def run(service: World, served: Served, monkeypatch, capsys):
    """Runs a command as somebody; answers (status, output, errors)."""
    for name in [one for one in os.environ if one.startswith("STRONGROOM_")]:
        monkeypatch.delenv(name)

    async def command(who: str, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        for name, value in zip(WHO, (served.url, f"acme.{who}", service.secrets[f"acme.{who}"]), strict=True):
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        status = await asyncio.to_thread(_ended, list(arguments))
        return (status, *capsys.readouterr())

    return command


def _ended(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)


async def told(run: Any, who: str, *arguments: str, stdin: str = "") -> Any:
    status, out, err = await run(who, *arguments, "--json", stdin=stdin)
    assert status == 0, err
    return json.loads(out)


@pytest.fixture
def subject() -> str:
    return f"promised-{next(_numbers)}"


async def sealed(world: World, subject: str, *, months: int = 0) -> str:
    """The token of an e-mail address that was collected so many months ago."""
    made = await world.tokenize([("email", "asha@example.com")], subject=subject)
    token = str(made.json()["items"][0]["token"])
    world.journal.values.pop(token, None)
    then = int((datetime.now(UTC) - timedelta(days=31 * months)).timestamp() * 1_000_000)
    async with world.owner.begin() as connection:
        await connection.execute(update(record).where(record.c.token == token).values(created_at=then))
    return token


async def test_rules_are_shown_compared_and_put_in_force(run, tmp_path):
    """What changes is shown and asked about; a file that is no rules is refused."""
    file = tmp_path / "retention.toml"
    file.write_text(IN)
    before = await told(run, "admin", "retention", "show")
    assert before["profile"] == "in"
    assert (await told(run, "admin", "retention", "apply", str(file), "--yes"))["hash"] == before["hash"]
    file.write_text(IN.replace('title = "', 'title = "Our '))
    status, out, err = await run("admin", "retention", "apply", str(file), stdin="n\n")
    assert status == 1
    assert "title" in out
    assert "nothing was changed" in err
    changed = await told(run, "admin", "retention", "apply", str(file), "--yes")
    assert changed["hash"] != before["hash"]
    assert changed["hash"] in (await run("admin", "retention", "show"))[1]
    file.write_text(IN.replace("version = 1", "version = 2"))
    assert (await run("admin", "retention", "apply", str(file), "--yes"))[0] == 1


async def test_a_record_is_explained_and_taken_out_of_use(run, service: World, subject: str):
    """Every clock's own sentence; a restricted record opens to nobody until it is lifted."""
    token = await sealed(service, subject)
    status, out, _ = await run("keeper", "retention", "explain", token)
    assert status == 0
    assert "Archive until" in out
    assert "Kept until" in out
    assert "asha@" not in out
    await told(run, "keeper", "retention", "restrict", token, "--reason", "case-3")
    assert (await service.detokenize([token])).json()["code"] == "record_restricted"
    assert (await told(run, "keeper", "retention", "lift", token, "--reason", "case-3"))["items"][0][
        "state"
    ] == "active"
    status, out, _ = await run("keeper", "retention", "explain", token[:-4] + "zzzz")
    assert status == 1
    assert "malformed_token" in out


async def test_a_run_is_dry_then_announces_then_verify_is_content(
    run, service: World, subject: str, tmp_path
):
    """Overdue is exit 1; announced to a file; erased without announcing; then nothing is overdue."""
    token = await sealed(service, subject, months=16)
    dry = await told(run, "keeper", "retention", "run")
    assert dry["counts"]["erase"] >= 1
    report = tmp_path / "report.json"
    status, out, _ = await run("keeper", "retention", "verify", "--out", str(report))
    assert status == 1
    assert token in out
    assert token in [one["token"] for one in json.loads(report.read_text())["listed"]]
    box = tmp_path / "box"
    options = ("--apply", "--announce-hours", "48", "--outbox", str(box), "--run", "run-1")
    assert (await told(run, "keeper", "retention", "run", *options))["counts"]["erase"] == 0
    lines = [json.loads(line) for line in (box / "run-1.jsonl").read_text().splitlines()]
    assert token in [one["token"] for one in lines]
    assert "asha@" not in (box / "run-1.jsonl").read_text()
    assert (await told(run, "keeper", "retention", "run", "--apply"))["counts"]["erase"] >= 1
    assert (await service.detokenize([token])).status_code == 410
    proof = await told(run, "keeper", "retention", "verify")
    assert (proof["ok"], proof["overdue"]) == (True, 0)
    page = (await service.events(verb="retention"))[0]
    assert page["rules"] == proof["rules"][0]
    assert "due_since" not in page
    assert len(proof["receipts"]) >= 1


async def test_an_erasure_goes_through_four_eyes_by_command(run, service: World, subject: str, tmp_path):
    """Opened, decided, released by the hash of what was shown, answered; the certificate is one."""
    token = await sealed(service, subject, months=16)
    case = (await told(run, "officer", "cases", "open", "erasure", subject))["case"]
    assert case in (await run("officer", "cases", "list"))[1]
    assert case not in (await run("officer", "cases", "list", "--late"))[1]
    await told(run, "officer", "cases", "verify", case, "--how", "Called back")
    await told(run, "officer", "cases", "evaluate", case)
    decided = await told(run, "officer", "cases", "decide", case, "--as-proposed")
    shown = (await run("approver", "cases", "show", case))[1]
    assert "erase now" in shown
    assert "Farah Khan" in shown
    status, out, _ = await run("approver", "cases", "release", case, stdin="n\n")
    assert status == 1
    assert decided["decision"] in out
    assert (await run("approver", "cases", "release", case, "--decision", "0" * 64))[0] == 1
    status, _, err = await run("officer", "cases", "release", case, "--decision", decided["decision"])
    assert status == 1
    assert "no_grant" in err
    status, out, err = await run("approver", "cases", "release", case, stdin="y\n")
    assert status == 0, err
    assert (await service.detokenize([token])).status_code == 410
    file = tmp_path / "certificate"
    assert (await run("officer", "cases", "certificate", case, "--out", str(file)))[0] == 1
    await told(run, "officer", "cases", "answer", case)
    assert subject in (await run("officer", "cases", "letter", case))[1]
    assert (await run("officer", "cases", "certificate", case, "--out", str(file)))[0] == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [item.token for item in read_certificate(file.read_bytes()).items] == [token]
    assert (await run("officer", "cases", "certificate", case, "--out", str(file)))[0] == 1
    assert case in (await run("officer", "cases", "list", "--all", "--subject", subject))[1]


async def test_fields_are_refused_or_kept_longer_by_command(run, service: World, subject: str):
    """--refuse and --archive give single fields another verdict; what the law keeps is not erased."""
    email, other = await sealed(service, subject, months=16), await sealed(service, subject, months=16)
    case = (await told(run, "officer", "cases", "open", "erasure", subject))["case"]
    await told(run, "officer", "cases", "verify", case, "--how", "Called back")
    await told(run, "officer", "cases", "evaluate", case)
    verdicts = ("--refuse", f"{email}=A complaint is open", "--archive", f"{other}=2040-01-31:Contract 7")
    done = await told(run, "officer", "cases", "decide", case, *verdicts)
    rows = {one["token"]: one for one in done["acts"][0]["document"]["items"]}
    assert rows[email]["reason"] == "A complaint is open"
    assert (rows[other]["until"], rows[other]["law"]) == ("2040-01-31", "Contract 7")
    sent = await told(run, "approver", "cases", "send-back", case, "--reason", "Why so long")
    assert (sent["state"], sent["sent_back"]) == ("evaluated", "Why so long")
    for wrong in (("--refuse", email), ("--archive", f"{email}=soon:Law"), ("--as-proposed", *verdicts)):
        assert (await run("officer", "cases", "decide", case, *wrong))[0] == 2


async def test_a_grievance_is_answered_from_a_file(run, subject: str, tmp_path):
    """The answer may speak of the person, so that it is no argument."""
    case = (await told(run, "officer", "cases", "open", "grievance", subject))["case"]
    await told(run, "officer", "cases", "verify", case, "--how", "Called back")
    await told(run, "officer", "cases", "evaluate", case)
    words = "We have looked into it and put it right."
    done = await told(run, "officer", "cases", "decide", case, "--answer-file", "-", stdin=words + "\n")
    assert done["acts"][0]["document"]["answer"] == words
    await told(run, "officer", "cases", "answer", case)
    assert "put it right" in (await run("officer", "cases", "letter", case))[1]


async def test_a_value_is_corrected_from_standard_input(run, service: World, subject: str):
    """Same token, new value; neither output nor log has it; a bad one is refused and the old one stays."""
    token = await sealed(service, subject)
    status, out, err = await run("keeper", "replace", token, "--reason", "case-5", stdin="not an address")
    assert status == 1
    assert "not an address" not in out + err
    status, out, err = await run("keeper", "replace", token, "--reason", "case-5", stdin="new@example.org\n")
    assert status == 0, err
    assert "new@example.org" not in out + err
    opened = await service.detokenize([token])
    assert opened.json()["items"][0]["value"] == "new@example.org"


@pytest.mark.parametrize("name", ["cas_x", "../../v1/erase", "hld_" + "0" * 26])
async def test_what_names_no_case_is_not_asked_about(run, name: str):
    """A path cannot be made of an argument: status 2, and nothing is sent."""
    for command in (("show",), ("evaluate",), ("release", "--decision", "0" * 64), ("letter",)):
        status, _, err = await run("officer", "cases", command[0], name, *command[1:])
        assert status == 2
        assert "cas_" in err


async def test_the_client_library_does_the_same(service: World, served: Served, subject: str):
    """Explained, corrected, decided and released by the SDK, with receipts; what is kept says so."""
    token, old = await sealed(service, subject), await sealed(service, subject, months=16)
    async with AsyncStrongroom(served.url, "acme.keeper", service.secrets["acme.keeper"]) as keeper:
        [why] = await keeper.explain_retention([token])
        assert why.keep_until is not None
        assert why.clocks[0].explanation
        done = await keeper.replace(token, "new@example.org", reason="case-9")
        assert (done.version, done.tell) == (2, ())
    async with AsyncStrongroom(served.url, "acme.office", service.secrets["acme.office"]) as office:
        [kept] = await office.erase([token], reason="case-9")
        assert (kept.state, kept.erased, kept.until) == ("archived", None, why.keep_until)
    secrets = service.secrets
    async with (
        AsyncStrongroom(served.url, "acme.officer", secrets["acme.officer"]) as officer,
        AsyncStrongroom(served.url, "acme.approver", secrets["acme.approver"]) as approver,
    ):
        case = await officer.open_case("erasure", subject)
        assert case.case_id in [one.case_id async for one in officer.cases(subject=subject)]
        await officer.act_on_case(case.case_id, "verify", how="Called back")
        await officer.act_on_case(case.case_id, "evaluate")
        decided = await officer.act_on_case(case.case_id, "decide")
        with pytest.raises(Conflict, match="decision_moved"):
            await approver.act_on_case(case.case_id, "release", decision="0" * 64)
        await approver.act_on_case(case.case_id, "release", decision=str(decided.decision))
        answered = await officer.act_on_case(case.case_id, "answer")
        assert "certificate" in answered.acts[-1].document
        assert {act.person for act in (await officer.case(case.case_id)).acts} == {"Farah Khan", "Dev Mehta"}
    assert (await service.detokenize([old])).status_code == 410
