"""Failed authentications become events: one for each client, address and minute, not one for each try."""

from vault.errors import NotFound, ServiceError
from vault.log.event import Draft, timestamp
from vault.model.ask import Caller
from vault.service.failed_logins import FailedLogin, FailedLogins
from vault.service.parts import Parts
from vault.service.record import record

UNKNOWN = "unknown"


async def write_down(failed: FailedLogins, parts: Parts, *, everything: bool = False) -> None:
    """Record the minutes that are over. What cannot be recorded now is kept for the next time."""
    by_tenant: dict[str, list[FailedLogin]] = {}
    for one in failed.drain(now=parts.now(), everything=everything):
        by_tenant.setdefault(one.credential.partition(".")[0], []).append(one)
    for tenant, failures in by_tenant.items():
        try:
            known = (await parts.registers.of(tenant)).entries
            await record(
                tenant, [_draft(tenant, one, known=one.credential in known) for one in failures], parts
            )
        except NotFound:
            continue  # no such tenant has a log; the metric has counted it
        except ServiceError:
            failed.put_back(failures)


def _draft(tenant: str, failure: FailedLogin, *, known: bool) -> Draft:
    """An id that no register knows is not repeated: somebody may have typed anything."""
    caller = Caller(
        tenant=tenant,
        credential=failure.credential if known else UNKNOWN,
        person=UNKNOWN,
        grants=(),
        auth_method="none",
        address=failure.address,
        request_id="",
    )
    detail: dict[str, str | int] = {"count": failure.count, "minute": timestamp(failure.minute)}
    return Draft(caller, "authenticate", "deny", "unauthenticated", detail=detail)
