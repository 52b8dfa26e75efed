"""Inspect: what the vault knows about a token, and no part of its value."""

from collections.abc import Sequence
from dataclasses import dataclass

from vault.errors import ServiceError
from vault.model.ask import Ask, Caller, Denied
from vault.service.asked import Item, asked, draft, look_up
from vault.service.catalogue import catalogue
from vault.service.guarded import Trace, record_guarded
from vault.service.honey import spring
from vault.service.parts import Reveal
from vault.service.refusals import problem


@dataclass(frozen=True, slots=True)
class InspectRequest:
    """Tokens as the caller sent them."""

    caller: Caller
    tokens: Sequence[str]


@dataclass(frozen=True, slots=True)
class Inspected:
    """A record from outside. Times are µs since 1970."""

    token: str
    field_type: str
    subject: str
    state: str
    version: int
    created_at: int
    erased_at: int | None


Answer = list[Inspected | ServiceError]


async def inspect(
    tenant: str, requests: Sequence[InspectRequest], parts: Reveal
) -> list[Answer | ServiceError]:
    """Look each token up, record that, and answer for each by itself."""
    policy = (await parts.registers.of(tenant)).policy
    fields = catalogue(policy)
    groups = [
        [asked(Ask(request.caller, "inspect"), token, fields) for token in request.tokens]
        for request in requests
    ]
    items = [item for group in groups for item in group]
    touches = await spring(tenant, items, parts.honey)
    await look_up(tenant, items, policy, parts.store)
    trace = Trace((), lambda: [draft(item, policy) for item in items], touches=touches)
    await record_guarded(tenant, trace, policy, parts)
    return [[_result(item) for item in group] for group in groups]


def _result(item: Item) -> Inspected | ServiceError:
    if isinstance(item.decision, Denied):
        return problem(item.decision)
    stored = item.stored
    if stored is None:
        return problem(Denied("token_not_found"))
    return Inspected(
        stored.token,
        stored.field_type,
        stored.subject,
        stored.state,
        stored.version,
        stored.created_at,
        stored.erased_at,
    )
