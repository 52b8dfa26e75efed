"""A payment ledger against a real vault's log: bought, paid, numbered, tampered with; over a socket."""

import csv
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from strongroom import NotFound, Strongroom
from strongroom_audit.cli import main as audit

from tests.plugins.process import Served
from tests.plugins.world import BANK, World
from vault.cli.main import main
from vault.sequencer import build_sequencer
from vault.settings import PLANES


@dataclass
class Shop:
    """A world, its address, and a ledger of what was paid."""

    world: World
    url: str
    folder: Path
    rows: list[dict[str, str]] = field(default_factory=list)

    async def tokens(self, count: int) -> list[str]:
        made = await self.world.tokenize([("bank_account", BANK)] * count)
        return [item["token"] for item in made.json()["items"]]

    async def open(self, reference: str, tokens: list[str], **more: Any) -> list[str]:
        answer = await self.world.detokenize(tokens, reference=reference, **more)
        return [item["receipt"] for item in answer.json()["items"]] if answer.status_code == 200 else []

    async def pay(self, reference: str, tokens: list[str]) -> None:
        receipts = await self.open(reference, tokens)
        for token, receipt in zip(tokens, receipts, strict=True):
            self.rows.append({"reference": reference, "token": token, "receipt": receipt})

    async def sequence(self) -> None:
        """Number and sign everything there is."""
        running = build_sequencer(replace(self.world.settings, sequencer_state=self.folder / "state"))
        try:
            await running.prepare()
            while await running.sequencer.step(sign=True):
                pass
        finally:
            await running.stop()

    def ledger(self) -> Path:
        path = self.folder / "ledger.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["reference", "token", "receipt"])
            writer.writeheader()
            writer.writerows(self.rows)
        return path

    def client(self, who: str) -> Strongroom:
        return Strongroom(self.url, f"acme.{who}", self.world.secrets[f"acme.{who}"])


@asynccontextmanager
async def opened_shop(world: World, folder: Path) -> AsyncIterator[Shop]:
    async with Served(world.environment(), folder / "log", planes=",".join(PLANES)) as running:
        yield Shop(world, running.url, folder)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the real entry as the auditor: exit status, JSON, everything said."""

    def run(shop: Shop, *arguments: object, entry: Callable[[list[str]], None] = main) -> Any:
        monkeypatch.setenv("STRONGROOM_URL", shop.url)
        monkeypatch.setenv("STRONGROOM_CLIENT_ID", "acme.auditor")
        monkeypatch.setenv("STRONGROOM_CLIENT_SECRET", shop.world.secrets["acme.auditor"])
        capsys.readouterr()  # what the world in this process has said meanwhile
        with pytest.raises(SystemExit) as end:
            entry([str(one) for one in arguments])
        out, err = capsys.readouterr()
        return end.value.code or 0, json.loads(out) if "--json" in arguments else out, out + err

    return run


async def test_ledger_and_log_agree_until_somebody_tampers(found_world, tmp_path, run):
    """Pending before a checkpoint, reconciled after it; then each tampering is found on both sides."""
    async with opened_shop(await found_world("sqlite"), tmp_path) as shop:
        tokens = await shop.tokens(300)
        await shop.pay("payout-1", tokens[:280])
        await shop.open("payout-1", tokens[:2])  # a retry
        await shop.pay("payout-2", tokens[:1])
        status, found, _ = run(shop, "receipts", "check", shop.ledger(), "--json")
        assert (status, found["counts"]["pending"], found["reconciled"]) == (0, 281, True)
        await shop.sequence()
        status, found, _ = run(shop, "receipts", "check", shop.ledger(), "--json")
        assert (status, found["counts"]["reconciled"], found["counts"]["retried"]) == (0, 281, 2)

        await shop.open("payout-3", tokens[290:292])
        await shop.open("payout-4", tokens[292:293], reveal="masked")
        shop.rows[0]["token"] = tokens[295]
        shop.rows[1]["receipt"] = shop.rows[2]["receipt"]
        shop.rows[3]["receipt"] = shop.rows[3]["receipt"][:40] + "AAAA" + shop.rows[3]["receipt"][44:]
        shop.rows.append(shop.rows[4])
        shop.rows.append({"reference": "payout-9", "token": tokens[5], "receipt": ""})
        out = tmp_path / "findings.csv"
        asked = ["receipts", "check", shop.ledger(), "--csv", out]
        status, found, _ = run(shop, *asked, "--json")
        assert status == 1
        assert [(one["line"], one["finding"]) for one in found["payments_without_reveal"]] == [
            (2, "wrong_token"), (3, "wrong_token"), (5, "altered"), (283, "duplicate"), (284, "no_receipt"),
        ]  # fmt: skip
        unpaid = [(one["reference"], one["token"]) for one in found["reveals_without_payment"]]
        assert unpaid == [("payout-1", tokens[0]), ("payout-3", tokens[290]), ("payout-3", tokens[291])]
        assert found["counts"]["not_opened"] == {"masked": 1}
        rows = list(csv.reader(out.read_text().splitlines()))
        assert (len(rows), rows[-1][0].startswith("Exported by acme.auditor on ")) == (10, True)
        status, out, _ = run(shop, *asked)
        assert (status, "NOT RECONCILED" in out, "Reveals without a payment: 3" in out) == (1, True, True)


async def test_receipt_becomes_a_proof_that_needs_nobody(found_world, tmp_path, run):
    """The file that the command writes, and the text the client gets, verify with the public key alone."""
    async with opened_shop(await found_world("sqlite"), tmp_path) as shop:
        await shop.pay("payout-1", await shop.tokens(3))
        receipt = shop.rows[0]["receipt"]
        with shop.client("payments") as client:
            with pytest.raises(NotFound) as early:
                client.proof(receipt)
            assert early.value.code == "not_sequenced_yet"
            await shop.sequence()
            text = client.proof(receipt)
        (vkey,) = (await shop.world.client.get("/v1/log/acme/keys")).json()["log"]
        file, again, by_client = (
            tmp_path / name for name in ("a.tlog-proof", "b.tlog-proof", "c.tlog-proof")
        )
        by_client.write_text(text)
        status, _, said = run(shop, "receipts", "proof", receipt, "--out", file, "--key", vkey)
        assert status == 0, said
        events = await shop.world.events(verb="detokenize", order="oldest")
        asked = ["receipts", "proof", events[0]["event_id"], "--out", again]
        assert run(shop, *asked)[0] == 0
        assert again.read_text() == file.read_text()
        for arguments in ([file], [by_client, "--receipt", receipt]):
            checked = run(shop, "proof", *arguments, "--key", vkey, entry=audit)
            assert (checked[0], events[0]["event_id"] in checked[2]) == (0, True), checked
        globex = (await shop.world.client.get("/v1/log/globex/keys")).json()["log"][0]
        status, _, said = run(shop, "receipts", "proof", receipt, "--key", globex)
        assert (status, "not of the log of acme" in said) == (2, True)


async def test_log_that_asks_for_a_grant_is_asked_with_one(found_world, tmp_path, run):
    """Where the public part takes the grant, command and client show their access token."""
    async with opened_shop(await found_world("sqlite"), tmp_path) as shop:
        await shop.pay("payout-1", await shop.tokens(1))
        await shop.sequence()
        told = shop.world.environment() | {"STRONGROOM_LOG_GRANT": "required"}
        async with Served(told, tmp_path / "guarded", planes="control,audit") as guarded:
            shop.url = guarded.url
            status, found, said = run(shop, "receipts", "check", shop.ledger(), "--json")
            assert (status, found["counts"]["reconciled"]) == (0, 1), said
            with shop.client("auditor") as client:
                assert (client.proof(shop.rows[0]["receipt"])).startswith("c2sp.org")


def test_exit_codes(tmp_path, monkeypatch, capsys):
    """Not reachable is 3; a file that is no ledger is 2."""
    path = tmp_path / "l.csv"
    path.write_text("reference,token,receipt\n")
    for name, value in (("URL", "http://127.0.0.1:9"), ("CLIENT_ID", "acme.a"), ("CLIENT_SECRET", "x")):
        monkeypatch.setenv(f"STRONGROOM_{name}", value)
    for arguments, status in (([path], 3), ([path, "--since", "yesterday"], 2), ([tmp_path], 2)):
        with pytest.raises(SystemExit) as end:
            main(["receipts", "check", *map(str, arguments)])
        assert end.value.code == status
        assert "Traceback" not in capsys.readouterr().err
