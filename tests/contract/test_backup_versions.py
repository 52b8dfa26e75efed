"""An old copy of a keystore, held against a real key server that has moved on."""

from dataclasses import replace

import pytest

from keys.devserver import RunningServer
from keys.provision import provision_tenant
from tests.unit.test_backup_manifest import MANIFEST
from vault.cli.backup.versions import assert_openable
from vault.cli.failures import CommandError
from vault.settings import Settings
from vault.store.copies.snapshot import TenantFacts


async def test_a_keystore_from_before_a_finished_rotation_is_refused(bao: RunningServer, identities):
    """Refused while its versions are pinned and after they were trimmed; before that it is welcome."""
    provision_tenant(bao.admin, "umbrella", [])
    settings = Settings(data_url="sqlite+aiosqlite://", vault_addr=bao.addr, identities=identities)

    def copy(**versions: int):
        found = {int(name[1:]): count for name, count in versions.items()}
        return replace(MANIFEST, tenants={"umbrella": TenantFacts(kek_versions=found)})

    await assert_openable(copy(v1=9), settings)
    with pytest.raises(CommandError, match="the key server is older than the copy"):
        await assert_openable(copy(v1=9, v2=1), settings)
    key = "strongroom/keys/kek-umbrella"
    bao.admin.post(f"{key}/rotate")
    await assert_openable(copy(v1=9, v2=1), settings)
    bao.admin.post(f"{key}/config", {"min_decryption_version": 2, "min_encryption_version": 2})
    for _ in range(2):
        with pytest.raises(CommandError, match=r"9 keys of umbrella .* below 2.*Use the newest keystore"):
            await assert_openable(copy(v1=9, v2=1), settings)
        await assert_openable(copy(v2=1), settings)
        bao.admin.post(f"{key}/trim", {"min_available_version": 2})
