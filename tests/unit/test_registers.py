"""Claims about the authority as a worker sees it; the tests play the one who can write the database."""

import asyncio
from dataclasses import replace

import pytest

from keys.errors import Sealed
from tests.fakes.authority import World
from tests.plugins.waiting import until
from vault.errors import NotFound, Unavailable
from vault.model.grants import parse_grant
from vault.model.register import StoredRegister, to_bytes
from vault.service.credentials import revoke
from vault.service.registers import AHEAD, FRESH


@pytest.fixture
async def world():
    world = World()
    await world.found("acme")
    await world.found("other")
    await world.credential("pay", "detokenize:payment@payment")
    yield world
    world.hasher.close()


async def tampered(world: World, tenant: str = "acme") -> None:
    """Ask a worker that has not looked for a while, and one that just started."""
    world.clock.tick(1)
    for registers in (world.registers, world.another_worker()):
        with pytest.raises(Unavailable) as caught:
            await registers.of(tenant)
        assert caught.value.code == "authority_tampered"
    assert ("authority_tampered", tenant) in world.alarms


async def latest(world: World):
    return (await world.registers.of("acme")).register


async def test_a_worker_knows_the_latest_register(world):
    """Any worker finds the credential that another one made."""
    entries = (await world.another_worker().of("acme")).entries
    assert set(entries) == {"acme.admin", "acme.admin2", "acme.pay"}


async def test_a_tenant_that_never_was_is_not_found(world):
    """An unknown tenant is unknown, not an alarm."""
    with pytest.raises(NotFound):
        await world.registers.of("nobody")
    assert world.alarms == []


async def test_a_grant_written_by_hand_is_refused(world):
    """Who gives himself payment in the database gets the whole tenant refused, and wakes someone."""
    register = await latest(world)
    greedy = replace(register.find("acme.admin"), grants=(parse_grant("detokenize:payment"),))
    await world.forge(register.put(greedy), signed=False)
    await tampered(world)


async def test_an_altered_document_is_refused(world):
    """Changing one byte under the old signature is refused by a worker that reads it."""
    register = await latest(world)
    place = ("acme", register.version)
    row = world.store.registers[place]
    world.store.registers[place] = replace(row, document=row.document.replace(b"Ravi", b"Rani"))
    with pytest.raises(Unavailable):
        await world.another_worker().of("acme")
    assert world.alarms == [("authority_tampered", "acme")]


async def test_an_older_register_under_a_newer_number_is_refused(world):
    """A true signature over version 1 does not pass for version 3."""
    world.store.registers["acme", 3] = world.store.registers["acme", 1]
    await tampered(world)


async def test_another_tenants_register_is_refused(world):
    """A register signed for one tenant does not pass in another's row."""
    register = replace(await latest(world), tenant="other", version=3, credentials=())
    await world.forge(register, at=("acme", 3))
    await tampered(world)


async def test_a_signature_without_the_domain_is_refused(world):
    """What was signed for another use of the key, an access token say, is no register."""
    register = replace(await latest(world), version=3)
    version, signature = await world.ring.sign("authority", to_bytes(register))
    world.store.registers["acme", 3] = StoredRegister(to_bytes(register), signature, version)
    await tampered(world)


async def test_an_unknown_key_version_is_refused(world):
    """A register cannot name a key that the key server does not have."""
    row = world.store.registers["acme", 2]
    world.store.registers["acme", 3] = replace(row, key_version=9)
    await tampered(world)


@pytest.mark.parametrize("gone", [(2,), (1, 2)])
async def test_a_worker_does_not_go_backwards(world, gone):
    """Deleting the row of a revocation, or all of a tenant, does not bring the old rights back."""
    await latest(world)
    for version in gone:
        del world.store.registers["acme", version]
    world.clock.tick(1)
    with pytest.raises(Unavailable) as caught:
        await world.registers.of("acme")
    assert caught.value.code == "authority_tampered"


async def test_one_tenants_trouble_is_not_anothers(world):
    """While one tenant's register is refused, the others go on; once it is mended, so does that one."""
    good = await latest(world)
    await world.forge(replace(good, version=3), signed=False)
    await tampered(world)
    assert (await world.registers.of("other")).register.tenant == "other"
    del world.store.registers["acme", 3]
    world.clock.tick(1)
    assert await latest(world) == good


async def test_the_alarm_sounds_once_for_one_thing(world):
    """A thousand refused requests are one alarm."""
    await world.forge(replace(await latest(world), version=3), signed=False)
    world.clock.tick(1)
    for _ in range(20):
        with pytest.raises(Unavailable):
            await world.registers.of("acme")
    assert world.alarms == [("authority_tampered", "acme")]


async def test_a_revocation_reaches_every_worker_within_a_second(world):
    """Another worker, which had the register in memory, knows half a second later."""
    worker = world.another_worker()
    assert (await worker.of("acme")).entries["acme.pay"].status == "active"
    await revoke("acme.pay", world.admin(), world.control)
    world.clock.tick(0.5)
    assert (await worker.of("acme")).entries["acme.pay"].status == "revoked"


async def test_a_database_that_is_away_is_a_refusal(world):
    """What was known half a second ago no longer counts when nobody can say whether it still holds."""
    await latest(world)
    world.store.down = Unavailable("store_unavailable")
    await latest(world)
    world.clock.tick(0.6)
    with pytest.raises(Unavailable) as caught:
        await world.registers.of("acme")
    assert caught.value.code == "authority_unavailable"
    world.store.down = None
    assert await latest(world)


async def test_a_silent_database_is_a_refusal(world):
    """A look that takes too long ends in 503, and does not spoil the next one."""
    worker = world.another_worker(patience=0.5)
    world.store.delay = 30.0
    with pytest.raises(Unavailable):
        await worker.of("acme")
    world.store.delay = 0.0
    assert (await worker.of("acme")).register.version == 2


async def test_a_look_from_before_a_change_does_not_count(world):
    """Who asks after a commit sees it, even while a look that began before it is still under way."""
    world.clock.tick(1)
    world.store.delay = 0.7  # longer than the change takes on a busy machine
    early = asyncio.create_task(world.registers.of("acme"))
    await asyncio.sleep(0.01)
    world.store.delay = 0.0
    await world.credential("later", "inspect")
    assert "acme.later" in (await world.registers.of("acme")).entries
    assert "acme.later" in (await early).entries
    assert world.alarms == []


async def test_everybody_shares_one_look(world):
    """A hundred requests at once ask the database once, and one that hangs up does not spoil it."""
    world.clock.tick(1)
    worker = world.another_worker()
    world.store.looks = world.store.reads = 0
    tasks = [asyncio.create_task(worker.of("acme")) for _ in range(100)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert len({id(answer) for answer in answers[1:]}) == 1
    assert (world.store.looks, world.store.reads) == (1, 1)


async def test_the_next_look_begins_before_anybody_waits_for_it(world):
    """Under load a request finds the last look still good, and the next one under way."""
    worker = world.another_worker()
    await worker.of("acme")
    world.store.looks = 0
    world.clock.tick(AHEAD)
    with pytest.raises(StopIteration):  # it waits for nothing
        worker.of("acme").send(None)
    await until(lambda: world.store.looks == 1 and worker._look is None)
    world.clock.tick(FRESH - 0.01)
    await worker.of("acme")
    assert world.store.looks == 1


async def test_the_key_server_may_be_away(world):
    """Registers verify with the public keys in memory; only a worker without any has to wait."""
    world.ring.down = Sealed()
    world.clock.tick(3600)
    assert await latest(world)
    with pytest.raises(Unavailable):
        await world.another_worker().of("acme")


async def test_the_authority_key_may_rotate(world):
    """A register signed by a version that the worker has not met is verified all the same."""
    worker = world.another_worker()
    await worker.of("acme")
    world.ring.rotate_signing("authority")
    await world.credential("later", "inspect")
    world.clock.tick(0.6)
    assert "acme.later" in (await worker.of("acme")).entries
