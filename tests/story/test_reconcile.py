"""Two logs of one service held against each other: an honest one, and one whose reveal host has a guest."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from keys.admin import Admin
from keys.context import context_of
from keys.identity import read_identity
from keys.keystore import Keystore
from keys.transit import Transit
from tests.plugins.bao import Provisioned
from tests.plugins.world import World
from vault.cli.checkup.records import unwrapped
from vault.cli.reconcile.files import log_files
from vault.cli.reconcile.running import Run, reconciler
from vault.cli.reconcile.state import Places
from vault.reconcile.findings import Finding
from vault.reconcile.unwraps import Bounds
from vault.store.engine import open_database
from vault.store.schema import event, record

pytestmark = pytest.mark.asyncio(loop_scope="module")
Stretch = Callable[[], Path]


@pytest.fixture
def stretch(service: World, tmp_path: Path) -> Stretch:
    """What the key server logged since the test began, as a file of its own."""
    start = service.bao.audit_log.stat().st_size

    def copy() -> Path:
        with service.bao.audit_log.open("rb") as log:
            log.seek(start)
            (tmp_path / "audit.log").write_bytes(log.read())
        return tmp_path / "audit.log"

    return copy


async def judge(world: World, log: Path) -> tuple[list[Finding], Any]:
    found: list[Finding] = []
    async with reconciler(world.settings, device="file", bounds=Bounds()) as one:
        await Run(one, Places(), found.append).files(log_files([log]), lambda _: None)
        return found, one.finish()


class Guest:
    """Somebody with a shell on the reveal host: its identity, its keystore role, and the log's list ids."""

    def __init__(self, world: World) -> None:
        told = world.settings
        self._world = world
        self.transit = Transit(told.server, read_identity(told.identity_file("reveal")))
        self._keystore = Keystore(open_database(told.keystore_url_of("reveal")))

    async def unwrap(self, tokens: Sequence[str], *, batch: str) -> None:
        """Take the DEKs of these tokens past the service."""
        async with self._world.owner.connect() as connection:
            query = select(record.c.dek_id).where(record.c.token.in_(tokens))
            deks = list((await connection.execute(query)).scalars())
        wrapped = await self._keystore.fetch("acme", deks)
        opened = await self.transit.unwrap("acme", list(wrapped.values()), batch=batch)
        assert all(isinstance(dek, bytes) for dek in opened)

    async def list_of(self, verb: str, token: str) -> str:
        """The list of the newest event of a verb about a token."""
        async with self._world.owner.connect() as connection:
            query = select(event.c.body).where(event.c.verb == verb, event.c.token == token)
            return str(
                json.loads(
                    (await connection.execute(query.order_by(event.c.event_id.desc()))).scalars().first()
                )["batch"]
            )


@pytest.fixture
async def guest(service: World):
    one = Guest(service)
    yield one
    await one.transit.aclose()
    await one._keystore._engine.dispose()


async def test_honest_day_is_clean(service: World, stretch: Stretch):
    """A bulk of 300 in three calls, single ones, a refused one, doctor's and canaries: all explained."""
    tokens = await service.seal(300)
    assert (await service.detokenize(tokens)).status_code == 200
    for token in tokens[:3]:
        assert (await service.detokenize([token])).status_code == 200
    assert (
        await service.detokenize([tokens[0]], who="marketing", purpose="marketing_display")
    ).status_code == 403
    assert (await service.client.get("/readyz")).status_code == 200
    assert {one.state for one in await unwrapped(service.settings)} == {"ok"}
    found, tally = await judge(service, stretch())
    assert [one for one in found if one.grave] == []
    assert tally.items - tally.canaries == 303 + 8
    assert (tally.lists, tally.untouched) == (5, 0)


async def test_unwrap_outside_the_service_is_named(service: World, stretch: Stretch, guest: Guest):
    """With reveal's own token: no list, a made-up, another's, tokenize's, a copied header: all named."""
    opened, kept = await service.seal(2)
    assert (await service.detokenize([opened])).status_code == 200
    true, sealed = await guest.list_of("detokenize", opened), await guest.list_of("tokenize", kept)
    for batch in ("x", "lst_" + "0" * 26, true, sealed):
        await guest.unwrap([kept], batch=batch)
    await guest.unwrap([kept], batch="canary")
    header = next(
        one["request"]["headers"]["x-strongroom-batch"][0]
        for one in map(json.loads, stretch().read_text().splitlines())
        if true in str(one["request"].get("headers"))
    )
    replayed = await _verbatim(service, guest, opened, header)
    found, _ = await judge(service, stretch())
    says = [one.says for one in found if one.kind == "unwrap_unmatched"]
    assert len(says) == 5
    assert says[0] == "names no list, or not as we do"
    assert says[-1] == "called the canary, and is another DEK"
    reused = [one for one in found if one.kind == "batch_reused"]
    assert [one.evidence["audit_request"] for one in reused] == [replayed]
    assert all(
        one.evidence["role"] == "strongroom-reveal" and one.evidence["from"] == "127.0.0.1" for one in found
    )


async def _verbatim(world: World, guest: Guest, token: str, header: str) -> str:
    """The same request as the service's, header and all; its id in the audit log."""
    async with world.owner.connect() as connection:
        dek_id = await connection.scalar(select(record.c.dek_id).where(record.c.token == token))
    wrapped = (await guest._keystore.fetch("acme", [dek_id]))[dek_id].wrapped
    asked = {"batch_input": [{"ciphertext": wrapped, "context": context_of("acme", dek_id)}]}
    lease = guest.transit._login._live(asyncio.get_running_loop().time() + 60)
    response = lease.line._adapters[0].request(
        "post", "/v1/strongroom/decrypt/kek-acme", headers={"X-Strongroom-Batch": header},
        data=msgspec.json.encode(asked), raise_exception=False, timeout=(1.0, 5.0),
    )  # fmt: skip
    assert response.status_code == 200
    return str(json.loads(response.raw.read())["request_id"])


async def test_second_call_of_a_lost_answer_is_a_notice(service: World, stretch: Stretch, guest: Guest):
    """The same items under the same list, at once and by the same identity, are counted and no incident."""
    (token,) = await service.seal()
    assert (await service.detokenize([token])).status_code == 200
    await guest.unwrap([token], batch=await guest.list_of("detokenize", token))
    found, _ = await judge(service, stretch())
    assert [one.kind for one in found] == ["repeated"]


async def test_forged_event_explains_nothing(service: World, stretch: Stretch, guest: Guest):
    """An event that a database writer adds for an unwrap is in no list that reveal signed: an incident."""
    opened, kept = await service.seal(2)
    assert (await service.detokenize([opened])).status_code == 200
    batch = await guest.list_of("detokenize", opened)
    async with service.owner.begin() as connection:
        dek_id = await connection.scalar(select(record.c.dek_id).where(record.c.token == kept))
        query = select(event).where(event.c.verb == "detokenize", event.c.token == opened)
        row = dict((await connection.execute(query)).mappings().one())
        body = json.loads(row["body"]) | {"dek_id": dek_id.hex(), "token": kept}
        row |= {"event_id": row["event_id"][:-1] + b"\xff", "position": 1, "body": json.dumps(body).encode()}
        await connection.execute(event.insert(), row)
    await guest.unwrap([kept], batch=batch)
    found, _ = await judge(service, stretch())
    assert "unwrap_unmatched" in {one.kind for one in found}
    async with service.owner.begin() as connection:
        await connection.execute(event.delete().where(event.c.event_id == row["event_id"]))


async def test_changes_at_the_key_server_are_named(
    service: World, stretch: Stretch, provisioned: Provisioned
):
    """What nobody does in ordinary work is named, done or refused; what an operator is there for is not."""
    root, rotator = (
        service.bao.admin,
        Admin.with_identity(provisioned.server, provisioned.identities["rotator"]),
    )
    rotator.post("strongroom/keys/kek-globex/config", {"min_decryption_version": 1})
    shredder = Admin.with_identity(provisioned.server, provisioned.identities["shredder"])
    shredder.status("get", "strongroom/export/encryption-key/kek-globex")
    root.post(
        "sys/policies/acl/guest", {"policy": 'path "strongroom/decrypt/+" { capabilities = ["update"] }'}
    )
    root.post("strongroom/keys/kek-globex/config", {"deletion_allowed": True})
    root.post("strongroom/keys/kek-globex/config", {"deletion_allowed": False})
    root.post("auth/approle/role/strongroom-reveal/secret-id", {})
    root.post("sys/config/auditing/request-headers/X-Other", {"hmac": True})
    root.delete("sys/config/auditing/request-headers/X-Other")
    root.delete("sys/policies/acl/guest")
    found, _ = await judge(service, stretch())
    kinds = [one.kind for one in found if one.grave]
    assert kinds == [
        "key_taken", "root_used", "policy_changed", "key_changed", "key_changed", "access_changed",
        "audit_changed", "audit_changed", "policy_changed",
    ]  # fmt: skip
    assert found[0].says == "refused: a key left"


async def test_command_judges_each_entry_once(service: World, stretch: Stretch, guest: Guest, tmp_path: Path):
    """Exit 0 for a clean log; 1 once an incident is in it, and what was judged before is skipped."""
    (token,) = await service.seal()
    assert (await service.detokenize([token])).status_code == 200
    log = stretch()
    clean = await run(service, str(log), "--state", str(tmp_path / "state.json"), "--json")
    assert clean.returncode == 0, clean.stderr
    assert (json.loads(clean.stdout)["items"], json.loads(clean.stdout)["ok"]) == (1, True)
    await guest.unwrap([token], batch="lst_" + "0" * 26)
    stretch()
    found = await run(service, str(log), "--state", str(tmp_path / "state.json"), "--json")
    told = json.loads(found.stdout)
    assert (found.returncode, told["ok"], told["found"]) == (1, False, {"unwrap_unmatched": 1}), found.stderr
    assert told["items"] == 1


async def run(world: World, *options: str) -> "subprocess.CompletedProcess[str]":
    told = world.settings
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")},
        "STRONGROOM_DATA_URL": told.data_url_of("audit"),
        "STRONGROOM_VAULT_ADDR": told.vault_addr,
        "STRONGROOM_IDENTITIES": str(told.identities),
    }
    command = [sys.executable, "-m", "vault.cli", "reconcile", *options]
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
