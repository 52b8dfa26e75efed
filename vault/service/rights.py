"""Rights as they are when a list runs, not as they were when its requests began to wait.

A request may wait up to its deadline. Whoever lost a grant, or was revoked, meanwhile has lost it for this
list too: he keeps his name, so that the attempt is on record, and not the right.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from vault.model.ask import Caller
from vault.service.parts import Parts
from vault.service.registers import Authority


class Request(Protocol):
    """What waits in a list: somebody's request."""

    @property
    def caller(self) -> Caller: ...


Q = TypeVar("Q", bound=Request)
A = TypeVar("A")
P = TypeVar("P", bound=Parts)
Verb = Callable[[str, Sequence[Q], P], Awaitable[A]]


async def with_rights_of_now(verb: Verb[Q, P, A], parts: P, tenant: str, requests: Sequence[Q]) -> A:
    """Run a verb for callers with the grants that they still have. Raises: Unavailable, and as the verb."""
    authority = await parts.registers.of(tenant)
    now = parts.now()
    return await verb(tenant, [_current(request, authority, now) for request in requests], parts)


def _current(request: Q, authority: Authority, now: int) -> Q:
    held = request.caller.grants
    entry = authority.entries.get(request.caller.credential)
    usable = entry is not None and entry.usable(now)
    frozen = entry is not None and authority.is_frozen(entry)
    left = tuple(g for g in held if usable and not frozen and entry is not None and g in entry.grants)
    if left == held and not frozen:
        return request
    return replace(request, caller=replace(request.caller, grants=left, frozen=frozen))  # type: ignore[type-var]  # all are dataclasses
