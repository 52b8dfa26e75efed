"""Search: which tokens hold this value? Equality through the blind index, for types the policy opens."""

from collections.abc import Sequence
from dataclasses import dataclass

from vault.errors import ServiceError
from vault.log.event import Draft
from vault.log.lists import SignedList
from vault.model.ask import Allowed, Ask, Caller, Decision, Denied
from vault.model.secret import Secret
from vault.policy.decide import decide
from vault.policy.rules import Policy
from vault.service.asked import known_purpose, usable
from vault.service.catalogue import catalogue, class_of
from vault.service.guarded import Trace, record_guarded
from vault.service.parts import Reveal
from vault.service.refusals import problem
from vault.service.spending import Claim


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One value to look for, normalised and validated, or the problem it has."""

    caller: Caller
    field_type: str
    purpose: str
    value: Secret[bytes] | ServiceError


@dataclass(frozen=True, slots=True)
class Found:
    """The tokens that hold the value, oldest index rows first, and the receipt of the search."""

    tokens: tuple[str, ...]
    receipt: str


async def search(tenant: str, requests: Sequence[SearchRequest], parts: Reveal) -> list[Found | ServiceError]:
    """Decide, put every search on record, and only then ask the key server for the index."""
    await parts.bound.assert_near(tenant)
    policy = (await parts.registers.of(tenant)).policy
    fields = catalogue(policy)
    decisions: list[Decision] = [
        decide(
            Ask(
                request.caller,
                "search",
                request.field_type,
                class_of(fields, request.field_type),
                request.purpose,
            ),
            policy,
        )
        for request in requests
    ]
    signed = await _record(tenant, requests, decisions, policy, parts)
    hits = await _hits(tenant, _to_look_for(requests, decisions), parts)
    hits = await _usable(tenant, requests, hits, policy, parts)
    outcomes: list[Found | ServiceError] = []
    for i, (request, decision) in enumerate(zip(requests, decisions, strict=True)):
        if isinstance(decision, Denied):
            outcomes.append(problem(decision))
        elif isinstance(request.value, ServiceError):
            outcomes.append(request.value)
        else:
            outcomes.append(Found(tuple(hits[i]), signed.receipt(signed.events[i])))
    return outcomes


async def _record(
    tenant: str, requests: Sequence[SearchRequest], decisions: list[Decision], policy: Policy, parts: Reveal
) -> SignedList:
    """Commit one event for each search. In a budget each counts as a value and a subject of its own."""
    pairs = zip(requests, decisions, strict=True)
    claims = [
        Claim(request.caller, request.purpose, [None] if _goes_on(request, decision) else [])
        for request, decision in pairs
    ]

    def draw() -> list[Draft]:
        for i, one in enumerate(claims):
            if one.denied is not None and one.fits < len(one.subjects):
                decisions[i] = one.denied
        return [
            _draft(request, decision, policy) for request, decision in zip(requests, decisions, strict=True)
        ]

    return await record_guarded(tenant, Trace(claims, draw), policy, parts)


def _goes_on(request: SearchRequest, decision: Decision) -> bool:
    return isinstance(decision, Allowed) and isinstance(request.value, Secret)


def _to_look_for(
    requests: Sequence[SearchRequest], decisions: Sequence[Decision]
) -> dict[str, dict[int, Secret[bytes]]]:
    """{field type: {request: the value it looks for}} for the searches that may go on."""
    wanted: dict[str, dict[int, Secret[bytes]]] = {}
    for i, (request, decision) in enumerate(zip(requests, decisions, strict=True)):
        if isinstance(decision, Allowed) and isinstance(request.value, Secret):
            wanted.setdefault(request.field_type, {})[i] = request.value
    return wanted


async def _hits(
    tenant: str, wanted: dict[str, dict[int, Secret[bytes]]], parts: Reveal
) -> dict[int, list[str]]:
    """One call to the key server for each live version of the index key, one SELECT for each field type."""
    hits: dict[int, list[str]] = {}
    for field_type, values in wanted.items():
        digests = await parts.lookup.digests(tenant, field_type, list(values.values()))
        found = await parts.store.find(tenant, field_type, list(set().union(*digests)))
        for i, mine in zip(values, digests, strict=True):
            hits[i] = sorted({token for hit, token in found if hit in mine})
    return hits


async def _usable(
    tenant: str,
    requests: Sequence[SearchRequest],
    hits: dict[int, list[str]],
    policy: Policy,
    parts: Reveal,
) -> dict[int, list[str]]:
    """Those of the hits that may serve the purpose now: what is restricted, or withdrawn, is not found."""
    tokens = sorted({token for found in hits.values() for token in found})
    live = await parts.store.standing(tenant, tokens) if tokens else {}
    now = {token: standing for (token, _), standing in live.items()}
    fields = catalogue(policy)
    left = {}
    for i, found in hits.items():
        request = requests[i]
        field_class = class_of(fields, request.field_type)
        ask = Ask(request.caller, "search", request.field_type, field_class, request.purpose)
        left[i] = [
            token for token in found if token in now and isinstance(usable(ask, now[token], policy), Allowed)
        ]
    return left


def _draft(request: SearchRequest, decision: Decision, policy: Policy) -> Draft:
    allowed = isinstance(decision, Allowed)
    return Draft(
        request.caller,
        "search",
        "allow" if allowed else "deny",
        decision.rule if isinstance(decision, Allowed) else decision.code,
        field_type=request.field_type,
        purpose=known_purpose(request.caller, request.purpose, policy),
        policy=policy.hash,
    )
