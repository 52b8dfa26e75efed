"""Keys are rotated under a service that goes on serving: KEKs to the end, signing keys without a restart."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keys.provision import SIGNING_KEYS
from tests.plugins.bridge import bridged
from tests.plugins.scene import audit, sequence
from tests.plugins.world import World
from vault.cli.keys.inventory import collected
from vault.cli.keys.rotating import Job
from vault.cli.keys.signing import rotate_key
from vault.errors import BadRequest
from vault.service import signing_keys
from vault.service.inventory import USES, document

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def serve(world: World, tokens: list[str], stop: asyncio.Event) -> int:
    """Tokenize and open until told to stop; how often. Every answer is one that a caller wants."""
    rounds = 0
    while not stop.is_set():
        tokens += await world.seal(4)
        opened = await world.detokenize(tokens[-8:])
        assert opened.status_code == 200, opened.text
        assert all("value" in one for one in opened.json()["items"])
        rounds += 1
    return rounds


async def test_rotation_under_load(rotatable: World):
    """While a KEK is rotated to the end callers are answered as ever; steps and count are on record."""
    tokens, stop = await rotatable.seal(40), asyncio.Event()
    load = asyncio.create_task(serve(rotatable, tokens, stop))
    done = await Job("Meera Iyer", "change-118", None, True).all_of(rotatable.settings, "acme")
    stop.set()
    assert await load > 3
    assert [(one.version, one.retired, one.left, list(one.failures)) for one in done] == [(2, True, 0, [])]
    assert done[0].rewrapped > 40
    told = await rotatable.events(verb="keys")
    assert [one["action"] for one in reversed(told)] == ["rotate", "pin", "rewrap", "retire"]
    assert {(one["person"], one["reference"], one["to_version"]) for one in told} == {
        ("Meera Iyer", "change-118", 2)
    }
    assert told[0]["old_deks"] == 0
    for start in range(0, len(tokens), 50):
        opened = await rotatable.detokenize(tokens[start : start + 50])
        assert all("value" in one for one in opened.json()["items"])
    assert (await rotatable.client.get("/readyz")).status_code == 200
    assert await rotatable.events(tenant="globex", verb="keys") == []


async def test_signing_keys_rotated_under_a_running_service(
    rotatable: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Old signatures verify, new ones are taken without a restart, and an auditor accepts it all."""
    monkeypatch.setattr(signing_keys, "STANDBY_SECONDS", 0.05)  # there is no standby here
    token = (await rotatable.seal())[0]
    settings = replace(rotatable.settings, sequencer_state=tmp_path / "state")
    assert await sequence(settings) == []
    old = await rotatable.bearer("payments")
    for key in SIGNING_KEYS:
        done = await rotate_key(settings, key, person="Meera Iyer", reason="change-119")
        assert (done.version, done.older) == (2, 1)
    assert (await rotatable.bearer("payments")) == old
    assert (await rotatable.detokenize([token])).json()["items"][0]["value"]
    rotatable._tokens.clear()  # new access tokens, under the new version
    assert (await rotatable.bearer("payments")) != old
    assert (await rotatable.detokenize([token])).json()["items"][0]["value"]
    await rotatable.hire("late", ["inspect"])  # a register signed anew
    await rotatable.worker(["reveal"])  # one that starts now is endorsed under the new version
    assert (await rotatable.erase([token])).json()["items"][0]["state"] == "shredded"
    assert await sequence(settings) == []
    told = (await rotatable.events(verb="keys"))[::-1]
    rotated = [one for one in told if one["action"] == "rotated"]
    assert [one["key"] for one in rotated] == list(SIGNING_KEYS)
    published = (await rotatable.client.get("/v1/log/acme/keys")).json()["log"]
    ours = next(one for one in rotated if one["key"] == "log")
    assert [ours["log_key_1"], ours["log_key_2"]] == published
    secret = rotatable.secrets["acme.auditor"]
    with bridged(rotatable.client) as url:
        said = await audit("mirror", url, tmp_path / "mirror", "--tenant", "acme", secret=secret)
    assert said.code == 0, said.words


@pytest.mark.parametrize("key", ["idem-acme", "kek-acme", "bidx-acme-pan", "worker", "nonsense"])
async def test_what_is_no_signing_key_is_refused(rotatable: World, key: str):
    """Another key is not rotated this way, and the answer says how it is, or why it is not."""
    with pytest.raises(BadRequest, match="bad_key"):
        await rotate_key(rotatable.settings, key, person="Meera Iyer", reason=None)


async def test_the_inventory_knows_every_key(rotatable: World):
    """Every key at the key server is in the bill, with its use and its age, and DEKs as a class."""
    cards, deks = await collected(rotatable.settings)
    assert {one.fate(datetime.now(UTC)) for one in cards} == {"ok", "kept", "unknown"}
    there = set(rotatable.bao.admin.get("strongroom/keys?list=true")["data"]["keys"])
    assert {one.name for one in cards} == there
    bill = document(cards, deks, now=datetime.now(UTC))
    assert {one["bom-ref"] for one in bill["components"]} == there | {
        "deks-acme", "deks-globex", "worker-process-keys"
    }  # fmt: skip
    assert {one.kind for one in cards} == set(USES)
    assert not any(one.may_leave for one in cards)
    rotatable.bao.admin.post("strongroom/keys/bidx-globex-pan/config", {"exportable": True})
    cards, _ = await collected(rotatable.settings)
    assert [one.name for one in cards if one.may_leave] == ["bidx-globex-pan"]
