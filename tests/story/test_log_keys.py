"""The keys that a log is verified under stand in the log itself."""

import pytest

from tests.plugins.world import World
from vault.cli.retention import _keys

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_log_tells_its_own_keys(service: World):
    """What `strongroom log keys --record` put on record is what the log publishes, for every tenant."""
    told = await _keys(service.settings, record=True)
    assert [one["tenant"] for one in told] == ["acme", "globex"]
    for tenant in ("acme", "globex"):
        published = (await service.client.get(f"/v1/log/{tenant}/keys")).json()["log"]
        event = (await service.events(tenant=tenant, verb="log_keys"))[0]
        assert [event[name] for name in sorted(event) if name.startswith("log_key_")] == published


async def test_looking_at_the_keys_records_nothing(service: World):
    """Without --record no event is written."""
    before = len(await service.events(verb="log_keys"))
    await _keys(service.settings, record=False)
    assert len(await service.events(verb="log_keys")) == before
