"""The provable log from outside: what an auditor reads over HTTP and checks by himself."""

import base64
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from strongroom_audit.keyring import read_shown
from strongroom_audit.verifier.certificate import read_certificate

from keys.identity import read_identity
from keys.transit import Transit
from tests.plugins.world import BANK, World
from tests.vectors import certificates_by_the_page
from vault.log.certificates import DOMAIN, attach, parse, to_bytes
from vault.log.checkpoints import read_signed
from vault.log.event import commit_to, entry
from vault.log.merkle import leaf_hash, root_of
from vault.log.notes import read_key
from vault.log.proofs import read_proof
from vault.log.tiles import read_entries
from vault.model.names import show_id
from vault.sequencer import RunningSequencer, build_sequencer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def sequencer(world: World, folder: Path) -> AsyncIterator[RunningSequencer]:
    """A sequencer under its own identity and role, driven by the test."""
    running = build_sequencer(replace(world.settings, sequencer_state=folder))
    try:
        await running.prepare()
        yield running
    finally:
        await running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sequenced(service: World, tmp_path_factory) -> AsyncIterator[RunningSequencer]:
    """A world whose events are numbered and signed."""
    for _ in range(3):
        assert (await service.tokenize([("bank_account", BANK)] * 100)).status_code == 200
    async with sequencer(service, tmp_path_factory.mktemp("state")) as running:
        await drain(running)
        yield running


async def drain(running: RunningSequencer) -> None:
    while await running.sequencer.step(sign=True):
        pass


async def get(world: World, path: str) -> bytes:
    answer = await world.client.get(f"/v1/log/acme/{path}")
    assert answer.status_code == 200, answer.text
    return answer.content


def event_of(receipt: str) -> tuple[str, bytes]:
    """(event id as shown, entry) of a receipt."""
    raw = base64.urlsafe_b64decode(receipt.removeprefix("rcp_") + "==")
    return show_id("evt", raw[1:17]), entry(raw[1:17], raw[17:49])


async def test_checkpoint_is_signed_by_the_published_key(service: World, sequenced):
    """The head verifies under the key that /keys names, and under no other."""
    keys = (await service.client.get("/v1/log/acme/keys")).json()
    head, note = read_signed((await get(service, "checkpoint")).decode())
    assert (head.origin, note.signed_by(read_key(keys["log"][0]))) == ("strongroom.local/acme", True)
    other = (await service.client.get("/v1/log/globex/keys")).json()
    assert not note.signed_by(read_key(other["log"][0]))


async def test_certificate_verifies_under_the_published_key(service: World, sequenced):
    """What the office has signed as a certificate verifies for an auditor under the key that /keys names."""
    known = json.loads(certificates_by_the_page.FILE.read_text("utf-8"))["cases"][0]
    certificate = parse(known["file"].encode()).certificate
    office = read_identity(service.settings.identity_file("office"))
    transit = Transit(service.settings.server, office, mount=service.settings.vault_mount)
    try:
        version, signature = await transit.sign("cert", DOMAIN + to_bytes(certificate))
    finally:
        await transit.aclose()
    issued = read_certificate(attach(certificate, key_version=version, signature=signature).whole)
    published = read_shown((await service.client.get("/v1/log/acme/keys")).text).cert
    issued.verify(published[version])


async def test_tiles_and_entries_give_the_signed_root(service: World, sequenced):
    """Whoever fetches all entries computes the root of the checkpoint; tiles hold the same hashes."""
    head, _ = read_signed((await get(service, "checkpoint")).decode())
    entries, hashes = [], b""
    for place in places(head.size):
        entries += read_entries(await get(service, f"tile/entries/{place}"))
        hashes += await get(service, f"tile/0/{place}")
    leaves = [leaf_hash(one) for one in entries]
    assert (len(leaves), b"".join(leaves)) == (head.size, hashes)
    assert root_of(head.size, tree_over(leaves)) == head.root
    assert await get(service, "tile/1/000.p/1") == tree_over(leaves)(8, 0)


def places(size: int) -> Iterator[str]:
    for number in range(size // 256):
        yield f"{number:03d}"
    if size % 256:
        yield f"{size // 256:03d}.p/{size % 256}"


def tree_over(leaves: list[bytes]):
    def node(level: int, number: int) -> bytes:
        if level == 0:
            return leaves[number]
        both = node(level - 1, 2 * number) + node(level - 1, 2 * number + 1)
        return hashlib.sha256(b"\x01" + both).digest()

    return node


async def test_receipt_becomes_a_proof(service: World, sequenced):
    """Each receipt's event has a proof under the signed head, in less than 2 KB."""
    key = read_key((await service.client.get("/v1/log/acme/keys")).json()["log"][0])
    for receipt in service.journal.receipts[::40]:
        event_id, of_it = event_of(receipt)
        text = (await get(service, f"proof/{event_id}")).decode()
        proof = read_proof(text)
        assert proof.includes(of_it)
        assert proof.note.signed_by(key)
        assert len(text) < 2048


async def test_event_that_is_not_numbered_yet_says_so(service: World, sequenced):
    """Committed but not signed: a 404 that says to come back; an unknown one says that it is unknown."""
    made = await service.tokenize([("bank_account", BANK)])
    event_id, _ = event_of(made.json()["items"][0]["receipt"])
    answer = await service.client.get(f"/v1/log/acme/proof/{event_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_sequenced_yet")
    assert answer.headers["retry-after"] == "10"
    await drain(sequenced)
    assert (await service.client.get(f"/v1/log/acme/proof/{event_id}")).status_code == 200
    for unknown in (show_id("evt", bytes(16)), "evt_x", "lst_0", event_id.upper()):
        answer = await service.client.get(f"/v1/log/acme/proof/{unknown}")
        assert (answer.status_code, answer.json()["code"]) == (404, "event_not_found")
    assert (await service.client.get(f"/v1/log/globex/proof/{event_id}")).json()["code"] == "event_not_found"


@pytest.mark.parametrize(
    "path",
    ["tile/0/000.p/0", "tile/0/0", "tile/0/x000/000", "tile/00/000", "tile/0/999", "tile/9/000", "tile/3/000",
     "tile/entries/999", "tile/entries/000.p/256", "tile/entries/", "tile/0/000/"],
)  # fmt: skip
async def test_tile_that_is_not_there_is_not_found(service: World, sequenced, path: str):
    """Another spelling, or a tile beyond the signed head, is a 404."""
    answer = await service.client.get(f"/v1/log/acme/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_tile")


async def test_only_full_tiles_may_be_kept(service: World, sequenced):
    """Full tiles are immutable; partial ones, checkpoint and proofs are not to be stored."""
    for path, kept in (
        ("tile/0/000", "public, max-age=31536000, immutable"),
        ("tile/entries/000", "public, max-age=31536000, immutable"),
        ("tile/0/001.p/1", "no-store"),
        ("checkpoint", "no-store"),
        ("keys", "no-store"),
    ):
        answer = await service.client.get(f"/v1/log/acme/{path}")
        assert answer.headers.get_list("cache-control") == [kept], path


async def test_tenant_without_a_log_has_none(service: World, sequenced):
    """An unknown tenant's log is not there, whatever is asked of it."""
    for tenant in ("nobody", "..", "a" * 40, "Acme"):
        assert (await service.client.get(f"/v1/log/{tenant}/checkpoint")).status_code == 404


async def test_bodies_prove_themselves(service: World, sequenced):
    """A bundle's bodies open their commitments, and reading them is an event with the range asked for."""
    asked = {"from": 2, "limit": 300}
    answer = await service.post("/v1/events/bodies", asked, who="auditor")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    workers, lists, events = unpack(answer.content)
    assert [index for index, *_ in events] == list(range(2, 2 + len(events)))
    assert {one[2] for one in events} == lists
    assert workers
    entries = read_entries(await get(service, "tile/entries/000"))
    for index, event_id, _, salt, body in events:
        assert index >= 256 or entry(event_id, commit_to(body, salt)) == entries[index]
    read = await service.events(verb="events")
    assert [one["asked_limit"] for one in read if one.get("asked_from") == 2] == [300]


async def test_bodies_take_a_grant(service: World, sequenced):
    """Without the grant nobody reads bodies, and the attempt is on record; ranges are checked."""
    assert (await service.post("/v1/events/bodies", {"from": 0}, who="payments")).status_code in (401, 403)
    for wrong in ({"from": -1}, {"from": 0, "limit": 0}, {"from": 0, "limit": 4097}, {"from": 2**63}, {}):
        assert (await service.post("/v1/events/bodies", wrong, who="auditor")).status_code == 400


async def test_log_may_ask_for_a_grant(service: World, sequenced):
    """With STRONGROOM_LOG_GRANT=required the public part takes the grant, of the same tenant."""
    client = await service.worker(["audit"], log_grant="required")
    path = "/v1/log/acme/tile/0/000"
    assert (await client.get(path)).status_code == 401
    assert (await client.get(path, headers=await service.bearer("auditor", "globex"))).status_code == 403
    answer = await client.get(path, headers=await service.bearer("auditor"))
    assert (answer.status_code, answer.headers["cache-control"].startswith("private")) == (200, True)


def unpack(raw: bytes):
    """A bundle by docs/FORMATS.md §14: worker ids, list ids, (index, event id, list id, salt, body)."""
    at = 1
    assert raw[:1] == b"\x01"

    def take(size: int) -> bytes:
        nonlocal at
        at += size
        assert at <= len(raw)
        return raw[at - size : at]

    def number() -> int:
        return struct.unpack(">I", take(4))[0]

    workers = set()
    for _ in range(number()):
        workers.add(take(16))
        take(take(1)[0])
        take(32 + 8 + 4 + 64)
    lists = {take(16 + 16 + 16 + 8 + 32 + 4 + 64)[:16] for _ in range(number())}
    events = []
    for _ in range(number()):
        index, event_id, list_id, _, salt = struct.unpack(">Q16s16sI32s", take(76))
        size = number()
        events.append((index, event_id, list_id, salt, None if size == 0xFFFFFFFF else take(size)))
    assert at == len(raw)
    return workers, lists, events
