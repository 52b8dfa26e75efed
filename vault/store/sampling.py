"""A sample of sealed records beside their tokenize events, for whoever checks that none was swapped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from vault.model import token
from vault.store import failures
from vault.store.events import StoredEvent
from vault.store.schema import event, record

SEALING = ("tokenize", "replace", "reseal")
"""Verbs whose events say what was sealed."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A record that is sealed; nothing of it can be read here."""

    token: str
    version: int
    sealed: bytes
    sealed_at: int


async def sample_records(
    engine: AsyncEngine, tenant: str, types: Sequence[str], *, each: int, random: Callable[[int], bytes]
) -> list[Sampled]:
    """Up to `each` records of each field type, from a random place on. Raises: Unavailable."""
    found: list[Sampled] = []
    for name in types:
        # Tokens are random: the first ones after a random token are a random choice, found by the index.
        pivot = token.mint(name, random(token.RANDOM_BYTES))
        prefix = f"tok_{name}_"
        found += await _from(engine, tenant, (pivot, f"{prefix}{{"), each)
        if len(found) < each:
            found += await _from(engine, tenant, (prefix, pivot), each - len(found))
    return found


async def tokenize_events(engine: AsyncEngine, tenant: str, tokens: Sequence[str]) -> list[StoredEvent]:
    """The events by which these tokens were sealed, oldest first. Raises: Unavailable."""
    c = event.c
    born = (
        select(c.event_id, c.commitment, c.salt, c.body)
        .where(c.tenant == tenant, c.token.in_(tokens), c.verb.in_(SEALING), c.decision == "allow")
        .order_by(c.event_id)
    )
    with failures.statements():
        async with engine.connect() as connection:
            return [StoredEvent(*row) for row in (await connection.execute(born)).all()]


async def _from(engine: AsyncEngine, tenant: str, span: tuple[str, str], count: int) -> list[Sampled]:
    c = record.c
    some = (
        select(c.token, c.version, c.sealed, func.coalesce(c.resealed_at, c.created_at))
        .where(c.tenant == tenant, c.token >= span[0], c.token < span[1])
        .order_by(c.token)
        .limit(count)
    )
    with failures.statements():
        async with engine.connect() as connection:
            return [Sampled(*row) for row in (await connection.execute(some)).all()]
