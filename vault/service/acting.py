"""How the office's verbs act: the right first, then the deed and its events in one transaction.

Their requests come at the pace of people, each a list by itself; nothing is gathered across them.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from vault.errors import Conflict, ServiceError
from vault.log.event import Draft
from vault.model.ask import Ask, Caller, Denied
from vault.policy.decide import granted
from vault.policy.rules import Policy
from vault.service.parts import Parts
from vault.service.record import record
from vault.service.refusals import problem
from vault.store.failures import Clash

ATTEMPTS = 3
T = TypeVar("T")


async def authorise(caller: Caller, verb: str, parts: Parts, detail: Mapping[str, str | int]) -> Policy:
    """The policy in force, when a grant covers the verb. Raises: Forbidden, once the refusal is on record."""
    policy = (await parts.registers.of(caller.tenant)).policy
    right = granted(Ask(caller, verb))
    if isinstance(right, Denied):
        await refuse(caller, verb, problem(right), parts, policy=policy, detail=detail)
    return policy


async def refuse(
    caller: Caller,
    verb: str,
    refusal: ServiceError,
    parts: Parts,
    *,
    policy: Policy,
    detail: Mapping[str, str | int],
) -> None:
    """Put a refusal on record, then raise it."""
    draft = Draft(caller, verb, "deny", refusal.code, policy=policy.hash, detail=detail)
    await record(caller.tenant, [draft], parts)
    raise refusal


async def retried(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run what clashes when somebody else acts on the same thing, until it does not. Raises: Conflict."""
    for _ in range(ATTEMPTS):
        try:
            return await attempt()
        except Clash:
            continue
    raise Conflict("acts_moved", "Others acted on the same thing meanwhile; nothing was done.")
