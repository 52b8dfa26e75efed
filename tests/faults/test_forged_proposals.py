"""An administrator who can also write the database puts proposals into the other's mouth, to approve them.

Each deed ends in a row that says: Ada proposed this. Zoe approves it with her own true credential.
"""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
import pytest
from sqlalchemy import delete, func, select, update

from keys.identity import read_identity
from keys.transit import Transit
from tests.plugins.world import World
from vault.log.event import Draft, canonical, commit_to
from vault.log.lists import WorkerKey
from vault.log.writer import LogWriter
from vault.model.ask import Caller
from vault.model.names import read_id, show_id, time_ordered_id
from vault.model.proposal import LASTS, Proposal, from_bytes, to_bytes
from vault.service.proposed import claims
from vault.store.acts import proposal, proposal_end
from vault.store.proposals import StoredProposal
from vault.store.records import Store
from vault.store.schema import event, register

pytestmark = pytest.mark.asyncio(loop_scope="module")
ADA, PERSON = "acme.admin", "Ada Admin"
PAYS = ["detokenize:payment"]


@dataclass(frozen=True, slots=True)
class Forged:
    """What the intruder then tries to approve."""

    name: str
    sha256: str


def now() -> int:
    return time.time_ns() // 1000


async def proposed(world: World, name: str, *, who: str) -> StoredProposal:
    """A true proposal, and its row."""
    body = {"name": name, "person": "Accomplice", "grants": PAYS}
    done = await world.post("/v1/credentials", body, who=who)
    assert done.status_code == 202, done.text
    wanted = [proposal.c[name] for name in StoredProposal.__dataclass_fields__]
    mine = proposal.c.proposal_id == read_id("prp", done.json()["proposal_id"])
    async with world.owner.connect() as connection:
        return StoredProposal(*(await connection.execute(select(*wanted).where(mine))).one())


def wish(name: str) -> Proposal:
    """What the intruder would like Ada to have proposed."""
    return from_bytes(
        canonical(
            {
                "v": 1, "tenant": "acme", "action": "create", "credential": f"acme.{name}",
                "person": "Accomplice", "grants": PAYS, "expires_at": None, "public_key": None,
                "before": None, "policy": None,
            }
        )
    )  # fmt: skip


def row_of(wanted: Proposal, event_id: bytes) -> StoredProposal:
    return StoredProposal(
        time_ordered_id(now(), os.urandom(9)), to_bytes(wanted), ADA, PERSON, now() + LASTS, event_id
    )


async def put(world: World, row: StoredProposal) -> Forged:
    async with Store(world.owner).begin() as unit:
        await unit.add_proposal("acme", row)
        await unit.commit()
    return of(row)


async def rewrite(world: World, row: StoredProposal, **changed: object) -> None:
    mine = proposal.c.proposal_id == row.proposal_id
    async with world.owner.begin() as connection:
        await connection.execute(update(proposal).where(mine).values(**changed))


def of(row: StoredProposal) -> Forged:
    return Forged(show_id("prp", row.proposal_id), from_bytes(row.document).sha256)


async def invents_a_row(world: World) -> Forged:
    """A row that names no event there is."""
    return await put(world, row_of(wish("row"), time_ordered_id(now(), os.urandom(9))))


async def borrows_an_event(world: World) -> Forged:
    """A row of her own that points at the event of something Ada did propose."""
    real = await proposed(world, "borrowed", who="admin")
    return await put(world, row_of(wish("instead"), real.event_id))


async def borrows_it_all_but_the_id(world: World) -> Forged:
    """A second row for one true event: it could be approved twice."""
    real = await proposed(world, "twice", who="admin")
    copy = row_of(from_bytes(real.document), real.event_id)
    return await put(world, copy)


async def changes_the_document(world: World) -> Forged:
    """What Ada proposed, with another person and other grants in it."""
    real = await proposed(world, "changed", who="admin")
    document = to_bytes(wish("other"))
    await rewrite(world, real, document=document)
    return Forged(show_id("prp", real.proposal_id), from_bytes(document).sha256)


async def signs_her_own_with_adas_name(world: World) -> Forged:
    """A true proposal of Zoe's, whose row now says that Ada made it."""
    real = await proposed(world, "renamed", who="admin2")
    await rewrite(world, real, credential=ADA, person=PERSON)
    return of(real)


async def rewrites_her_own_event(world: World) -> Forged:
    """With the event rewritten as well, commitment and all."""
    real = await proposed(world, "rewritten", who="admin2")
    await rewrite(world, real, credential=ADA, person=PERSON)
    mine = event.c.event_id == real.event_id
    async with world.owner.begin() as connection:
        body = (await connection.execute(select(event.c.body).where(mine))).scalar_one()
        lie = canonical(orjson.loads(body) | {"actor": ADA, "person": PERSON})
        forged = {"body": lie, "salt": bytes(32), "commitment": commit_to(lie, bytes(32))}
        await connection.execute(update(event).where(mine).values(**forged))
    return of(real)


async def lets_it_wait_longer(world: World) -> Forged:
    """Ada's true proposal, kept open for a year."""
    real = await proposed(world, "prolonged", who="admin")
    await rewrite(world, real, expires_at=now() + 365 * 86_400_000_000)
    return of(real)


async def written_by(world: World, worker: WorkerKey, key_version: int, endorsement: bytes) -> Forged:
    """Row, event and signed list in Ada's name, all consistent, by a worker of this key."""
    writer = LogWriter(worker, now=now, random=os.urandom)
    row = row_of(wish(f"worker-{os.urandom(4).hex()}"), b"")
    ada = Caller("acme", ADA, PERSON, (), "client_secret_basic", "127.0.0.1", "req_x")
    detail = claims(row.proposal_id, row.document, expires_at=row.expires_at)
    draft = Draft(ada, "credentials", "allow", "credentials", detail=detail)
    signed = writer.write(writer.lane("acme"), [draft], list_id=writer.new_list_id())
    store = Store(world.owner)
    await store.enrol(worker, key_version=key_version, endorsement=endorsement)
    async with store.begin() as unit:
        await unit.add_list(signed)
        await unit.commit()
    whole = StoredProposal(
        row.proposal_id, row.document, ADA, PERSON, row.expires_at, signed.events[0].event_id
    )
    return await put(world, whole)


async def makes_a_worker(world: World) -> Forged:
    """A worker of control that no key server endorsed."""
    return await written_by(world, WorkerKey("control", os.urandom(16), now()), 1, os.urandom(64))


async def takes_over_another_plane(world: World) -> Forged:
    """A worker that the identity of ingest truly endorsed, as ingest's."""
    return await _of_ingest(world, "ingest")


async def claims_to_be_control(world: World) -> Forged:
    """The same, calling itself control's."""
    return await _of_ingest(world, "control")


async def _of_ingest(world: World, plane: str) -> Forged:
    settings = world.settings
    identity = read_identity(settings.identity_file("ingest"))
    transit = Transit(settings.server, identity, mount=settings.vault_mount, threads=1)
    worker = WorkerKey(plane, os.urandom(16), now())
    try:
        version, endorsement = await transit.sign("worker-ingest", worker.endorsement_message)
    finally:
        await transit.aclose()
    return await written_by(world, worker, version, endorsement)


Deed = Callable[[World], Awaitable[Forged]]
DEEDS: list[Deed] = [
    invents_a_row, borrows_an_event, borrows_it_all_but_the_id, changes_the_document,
    signs_her_own_with_adas_name, rewrites_her_own_event, lets_it_wait_longer, makes_a_worker,
    takes_over_another_plane, claims_to_be_control,
]  # fmt: skip


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
async def test_a_forged_proposal_counts_for_nothing(service: World, deed: Deed):
    """It is listed nowhere, cannot be approved, changes no register, and her attempt is on record."""
    forged = await deed(service)
    before = await registers(service)
    for decision in ("approve", "reject"):
        body = {"sha256": forged.sha256}
        refused = await service.post(f"/v1/proposals/{forged.name}/{decision}", body, who="admin2")
        assert (refused.status_code, refused.json()["code"]) == (409, "proposal_tampered")
    listed = await service.client.get("/v1/proposals", headers=await service.bearer("admin2"))
    assert forged.name not in listed.text
    assert await registers(service) == before
    newest = (await service.events(verb="credentials", decision="deny"))[0]
    assert (newest["actor"], newest["reason"]) == ("acme.admin2", "proposal_tampered")
    assert newest["proposal"] == forged.name


async def test_a_proposal_that_ended_does_not_come_back(service: World):
    """Deleting the row of its end leaves the end in the log: neither approval nor rejection is undone."""
    rejected = of(await proposed(service, "rejected", who="admin"))
    approved = of(await proposed(service, "approved", who="admin"))
    for one, decision in ((rejected, "reject"), (approved, "approve")):
        done = await service.post(f"/v1/proposals/{one.name}/{decision}", {"sha256": one.sha256}, who="admin")
        if decision == "approve":
            assert (done.status_code, done.json()["code"]) == (403, "own_proposal")
            path = f"/v1/proposals/{one.name}/approve"
            done = await service.post(path, {"sha256": one.sha256}, who="admin2")
        assert done.status_code == 200, done.text
    async with service.owner.begin() as connection:
        await connection.execute(delete(proposal_end))
    before = await registers(service)
    for one in (rejected, approved):
        refused = await service.post(
            f"/v1/proposals/{one.name}/approve", {"sha256": one.sha256}, who="admin2"
        )
        assert (refused.status_code, refused.json()["code"]) == (409, "proposal_ended")
    assert await registers(service) == before


async def registers(world: World) -> dict[str, int]:
    latest = select(register.c.tenant, func.max(register.c.version)).group_by(register.c.tenant)
    async with world.owner.connect() as connection:
        return {row[0]: row[1] for row in await connection.execute(latest)}
