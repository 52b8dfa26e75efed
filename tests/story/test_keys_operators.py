"""Operators sign what they do to keys: it stands in the tenant's log, and the auditor accepts it."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.plugins.bridge import bridged
from tests.plugins.scene import audit, sequence
from tests.plugins.world import World
from vault.cli.founding import operator
from vault.cli.keys.commands import _status
from vault.errors import BadRequest
from vault.operators import operating
from vault.service.key_work import Step, tell

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_operators_step_is_in_the_log_and_verifies(service: World, tmp_path: Path):
    """What the rotator and the shredder tell is numbered, mirrored and verified like any plane's event."""
    who = operator("acme", "Meera Iyer")
    for name in ("rotator", "shredder"):
        async with operating(name, service.settings) as running:
            step = Step("look", "kek-acme", {"to_version": 1})
            receipt = await tell(who, step, running.parts, reference="change-118")
            assert receipt.startswith("rcp_")
    told = await service.events(verb="keys")
    assert [(one["action"], one["person"], one["reference"]) for one in told] == [
        ("look", "Meera Iyer", "change-118")
    ] * 2
    assert await sequence(replace(service.settings, sequencer_state=tmp_path / "state")) == []
    secret = service.secrets["acme.auditor"]
    with bridged(service.client) as url:
        said = await audit("mirror", url, tmp_path / "mirror", "--tenant", "acme", secret=secret)
    assert said.code == 0, said.words


async def test_what_may_not_stand_in_a_log_is_refused(service: World):
    """A reason that looks like personal data never reaches the log."""
    who, step = operator("acme", "Meera Iyer"), Step("look", "kek-acme")
    async with operating("rotator", service.settings) as running:
        with pytest.raises(BadRequest, match="invalid_reference"):
            await tell(who, step, running.parts, reference="ABCPE1234F")


async def test_status_counts_every_wrapped_key(service: World):
    """Each tenant's DEKs are counted by KEK version, the pool's and the canary among them."""
    await service.seal(3)
    acme, globex = await _status(service.settings, None)
    assert (acme.tenant, globex.tenant) == ("acme", "globex")
    assert acme.held[acme.latest] >= 1 + service.settings.pool_size
    assert [one.tenant for one in await _status(service.settings, "globex")] == ["globex"]
