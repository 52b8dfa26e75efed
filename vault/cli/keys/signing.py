"""`strongroom keys rotate --key`: a signing key's new version, on record in every tenant's log."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vault.service.signing_keys import SigningRotated
    from vault.settings import Settings


async def rotate_key(settings: "Settings", key: str, *, person: str, reason: str | None) -> "SigningRotated":
    """Rotate it. Raises: BadRequest, KeysError, ServiceError."""
    from vault.cli.founding import operator as named
    from vault.operators import operating
    from vault.service.key_work import Step, tell
    from vault.service.log_keys import verifier_keys
    from vault.service.signing_keys import check_signing, rotate_signing

    check_signing(key)
    async with operating("rotator", settings) as operator:

        async def note(step: Step) -> None:
            for tenant in await operator.parts.registers.tenants():
                detail = dict(step.detail)
                if (key, step.action) == ("log", "rotated"):
                    # The log says by itself which keys sign its checkpoints.
                    detail |= await verifier_keys(operator.transit, settings.log_name, tenant)
                told = Step(step.action, step.key, detail)
                await tell(named(tenant, person), told, operator.parts, reference=reason)

        return await rotate_signing(key, operator.transit, note)
