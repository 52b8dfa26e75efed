"""What each credential has opened of late, locked and counted in the transaction of the events about it."""

from collections.abc import Collection, Mapping
from hashlib import sha256

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from vault.model.spent import Spender, Spent
from vault.store import failures
from vault.store.accounts import spent, spent_subject
from vault.store.rows import among, put_rows
from vault.store.schema import db_clock
from vault.store.unit import Unit

_COUNTERS = ("hour", "hour_subjects", "day", "day_subjects", "minute", "minute_values")


async def lock(unit: Unit, spender: Spender) -> tuple[Spent, int]:
    """The account, held until the transaction ends, and the database's clock (µs) once it is held.

    Two lists of one account pass here one after the other, whichever workers run them. Raises: Unavailable.
    """
    connection = await unit.transaction()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    key = {"tenant": spender.tenant, "credential": spender.credential, "purpose": spender.purpose}
    fresh = dialect.insert(spent).values({**key, **dict.fromkeys(_COUNTERS, 0)})
    held = fresh.on_conflict_do_update(index_elements=list(key), set_={"hour": spent.c.hour})
    with failures.statements():
        found = await connection.execute(held.returning(*(spent.c[name] for name in _COUNTERS), db_clock()))
        row = found.one()
    return Spent(*row[:-1]), int(row[-1])


async def seen(unit: Unit, spender: Spender, subjects: Collection[str]) -> dict[str, tuple[int, int]]:
    """{subject: the hour and the day in which it was counted last}, of those that ever were."""
    by_digest = {_digest(subject): subject for subject in subjects}
    c, connection = spent_subject.c, await unit.transaction()
    known = select(c.subject, c.hour, c.day).where(
        c.tenant == spender.tenant,
        c.credential == spender.credential,
        c.purpose == spender.purpose,
        among(connection, c.subject, list(by_digest)),
    )
    with failures.statements():
        found = (await connection.execute(known)).all()
    return {by_digest[row[0]]: (row[1], row[2]) for row in found}


async def put(unit: Unit, spender: Spender, now: Spent, subjects: Mapping[str, tuple[int, int]]) -> None:
    """Write the account down, with the subjects that were counted anew. The account must be held."""
    c, connection = spent.c, await unit.transaction()
    mine = c.tenant == spender.tenant, c.credential == spender.credential, c.purpose == spender.purpose
    with failures.statements():
        await connection.execute(
            update(spent).where(*mine).values({name: getattr(now, name) for name in _COUNTERS})
        )
        if subjects:
            await put_rows(
                connection,
                spent_subject,
                {
                    "tenant": spender.tenant,
                    "credential": spender.credential,
                    "purpose": spender.purpose,
                },
                {
                    "subject": [_digest(subject) for subject in subjects],
                    "hour": [hour for hour, _ in subjects.values()],
                    "day": [day for _, day in subjects.values()],
                },
            )


def _digest(subject: str) -> bytes:
    return sha256(subject.encode()).digest()[:16]
