"""Whether the key server still has the KEK versions of a copy's keys: asked before anything else."""

from keys.identity import read_identity
from keys.names import kek_of
from keys.transit import Transit
from vault.cli.backup.manifest import Manifest
from vault.cli.failures import CommandError
from vault.settings import Settings

_INSTEAD = (
    "Use the newest keystore: run this without --keystore, against the living keystore, its replica, or a "
    "copy of it taken after the rewrap. Nothing was changed"
)


async def assert_openable(manifest: Manifest, settings: Settings) -> None:
    """Raises: CommandError when a key of the copy could not be opened; KeysError when nobody can tell."""
    identity = read_identity(settings.identity_file("audit"))
    transit = Transit(settings.server, identity, mount=settings.vault_mount)
    try:
        found = [one for tenant in manifest.tenants for one in [await _trouble(tenant, manifest, transit)]]
    finally:
        await transit.aclose()
    if trouble := [line for line in found if line]:
        raise CommandError(f"{'; '.join(trouble)}. {_INSTEAD}")


async def _trouble(tenant: str, manifest: Manifest, transit: Transit) -> str:
    versions = manifest.tenants[tenant].kek_versions
    if not versions:
        return ""
    key = await transit.key_settings(kek_of(tenant))
    if old := sum(count for version, count in versions.items() if version < key.min_decryption_version):
        return (
            f"the keystore's copy is older than the last finished rotation: {old:,} keys of {tenant} "
            f"are wrapped under KEK versions below {key.min_decryption_version}, which the key server does "
            "not open any more"
        )
    if max(versions) > key.latest_version:
        return f"the key server is older than the copy: it has no version {max(versions)} of {tenant}'s KEK"
    return ""
