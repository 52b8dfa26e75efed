"""Who writes the database takes the newest register away: no worker, old or new, believes the older one."""

from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from vault.alarms import raise_alarm
from vault.errors import ServiceError
from vault.model.register import StoredStanding
from vault.plane import base, now
from vault.service.registers import Registers
from vault.service.standing import LIFETIME, Anchored
from vault.store.schema import register, standing

pytestmark = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


async def refusal(world, *, clock=now, plane: str = "reveal") -> str | None:
    """How a plane that starts now refuses the authority of acme; None when it believes it."""
    built = base(plane, world.settings)
    anchored = Anchored(
        built.authority, built.public_keys, now=clock, alarm=raise_alarm, old_counts=plane == "control"
    )
    registers = Registers(anchored, built.public_keys, clock=lambda: 0.0, alarm=raise_alarm)
    try:
        await built.transit.public_keys("authority")  # logs in: that is not what is timed below
        if (await anchored.latest_versions()).get("acme", 0) < 1:
            return "lost"
        await registers.of("acme")
    except ServiceError as error:
        return error.code
    else:
        return None
    finally:
        await built.transit.aclose()
        await built.data.dispose()


async def drop_newest(world) -> None:
    """What a rogue administrator of the database does to bring a revoked credential back."""
    version = (await latest(world))["acme"]
    async with world.owner.begin() as connection:
        gone = delete(register).where(register.c.tenant == "acme", register.c.version == version)
        await connection.execute(gone)


async def latest(world) -> dict[str, int]:
    built = base("control", world.settings)
    try:
        return dict(await built.authority.latest_versions())
    finally:
        await built.transit.aclose()
        await built.data.dispose()


async def test_a_worker_that_starts_does_not_believe_a_register_set_back(found_world, kind):
    """The newest register is deleted: a fresh worker of any plane finds it missing, control included."""
    world = await found_world(kind)
    assert await refusal(world) is None
    await world.post("/v1/credentials/acme.payments/revoke", {}, who="admin")
    await drop_newest(world)
    assert await refusal(world) == "lost"
    assert await refusal(world, plane="control") == "lost"


async def test_a_standing_that_is_old_forged_or_gone_is_refused(found_world, kind):
    """Older than an access token lives, changed by a byte, or deleted: no plane goes by it."""
    world = await found_world(kind)
    assert await refusal(world, clock=lambda: now() + LIFETIME + 1) == "authority_stale"
    assert await refusal(world, clock=lambda: now() + LIFETIME + 1, plane="control") is None
    kept = await standing_of(world)
    changed = kept.document.replace(b'"acme":', b'"acmf":')
    await set_standing(world, replace(kept, document=changed))
    assert await refusal(world) == "authority_tampered"
    assert await refusal(world, plane="control") == "authority_tampered"
    async with world.owner.begin() as connection:
        await connection.execute(delete(standing))
    assert await refusal(world) == "authority_stale"
    assert await refusal(world, plane="control") == "authority_stale"


async def test_an_operator_can_vouch_when_the_standing_is_lost(found_world, kind):
    """With the row gone nothing starts, until somebody with control's identity says what is the latest."""
    world = await found_world(kind)
    async with world.owner.begin() as connection:
        await connection.execute(delete(standing))
    built = base("control", world.settings)
    try:
        with pytest.raises(ServiceError):
            await built.announcer.announce()
        await built.announcer.announce(await built.authority.latest_versions())
    finally:
        await built.transit.aclose()
        await built.data.dispose()
    assert await refusal(world) is None


async def test_control_never_vouches_for_less_than_before(found_world, kind):
    """The newest register is deleted while control runs and while it is restarted: its word stays."""
    world = await found_world(kind)
    before = (await standing_of(world)).document
    await drop_newest(world)
    built = base("control", world.settings)
    try:
        after = await built.announcer.announce()
    finally:
        await built.transit.aclose()
        await built.data.dispose()
    assert f'"acme":{after.registers["acme"]}'.encode() in before
    assert await refusal(world) == "lost"


async def standing_of(world) -> StoredStanding:
    built = base("control", world.settings)
    try:
        found = await built.authority.standing()
        assert found is not None
        return found
    finally:
        await built.transit.aclose()
        await built.data.dispose()


async def set_standing(world, new: StoredStanding) -> None:
    async with world.owner.begin() as connection:
        await connection.execute(update(standing).values(document=new.document))
