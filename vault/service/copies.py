"""The trace of backups and restores: an event in each tenant's log, by the operator who made it."""

from collections.abc import Callable, Mapping

from vault.errors import ServiceError
from vault.log.event import Draft
from vault.model.ask import Caller
from vault.service.parts import Parts
from vault.service.record import record

BACKUP, RESTORE = "backup", "restore"


async def trace(
    verb: str, detail: Mapping[str, str | int], parts: Parts, *, who: Callable[[str], Caller]
) -> list[str]:
    """Put it on record in every tenant's log; answers the tenants. Raises: Unavailable, OutcomeUnknown."""
    told = []
    for tenant in await parts.registers.tenants():
        policy = await _policy(tenant, parts)
        draft = Draft(who(tenant), verb, "allow", verb, policy=policy, detail=detail)
        await record(tenant, [draft], parts)
        told.append(tenant)
    return told


async def _policy(tenant: str, parts: Parts) -> str | None:
    """The policy in force; None where the register does not verify, which must not keep the event away."""
    try:
        return (await parts.registers.of(tenant)).policy.hash
    except ServiceError:
        return None
