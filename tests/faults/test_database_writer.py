"""Somebody writes to the databases by hand: what was moved does not open, what was forged grants nothing."""

import asyncio

import pytest
from sqlalchemy import func, select, text

from tests.plugins.world import World
from vault.store.schema import record

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_was_swapped_does_not_open(service: World):
    """Swapped ciphertexts, keys or tokens, another subject or version: 409, an event, no value."""
    tampered = await service.seal(8)
    untouched = await service.seal(2)
    ids = await _dek_ids(service, tampered)
    a, b, c, d, e, f, g, h = tampered
    async with service.owner.begin() as connection:
        for column, one, other in (("sealed", a, b), ("token", e, f)):
            await _swap(connection, column, one, other)
        await connection.execute(text("UPDATE record SET subject = 'cust-thief' WHERE token = :t"), {"t": g})
        await connection.execute(text("UPDATE record SET version = 2 WHERE token = :t"), {"t": h})
    async with service.keystore_owner.begin() as connection:
        await _swap_wrapped(connection, ids[c], ids[d])
    for token in tampered:
        refused = await service.detokenize([token])
        assert (refused.status_code, refused.json()["code"]) == (409, "record_tampered")
        assert "Canary" not in refused.text
        newest = (await service.events(token=token, verb="detokenize"))[0]
        assert (newest["result"], newest["failure"]) == ("failed", "record_tampered")
        service.journal.values.pop(token)
    assert (await service.detokenize(untouched)).status_code == 200
    await service.recheck()


async def test_an_erased_row_put_back_does_not_open(service: World):
    """A record restored beside its tombstone, from yesterday's copy, finds its key gone: never a value."""
    token = (await service.seal())[0]
    async with service.owner.connect() as connection:
        row = (await connection.execute(select(record).where(record.c.token == token))).mappings().one()
    await service.erase([token])
    async with service.owner.begin() as connection:
        await connection.execute(record.insert().values(**row))
    refused = await service.detokenize([token])
    assert refused.status_code in (409, 410)
    assert "Canary" not in refused.text
    await service.recheck()


LATEST = "tenant = 'acme' AND version = (SELECT max(version) FROM register WHERE tenant = 'acme')"
COPY = "SELECT tenant, version + 1, document, signature, key_version FROM register WHERE " + LATEST
THEIRS = (
    "SELECT 'acme', 1000, document, signature, key_version FROM register"
    " WHERE tenant = 'globex' AND version = 1"
)
ADD = "INSERT INTO register (tenant, version, document, signature, key_version)"
FORGED = {
    "the last register once more, under the next number": (
        [f"{ADD} {COPY}"],
        [f"DELETE FROM register WHERE {LATEST}"],
    ),
    "the last register taken away": (
        [
            f"CREATE TABLE kept AS SELECT * FROM register WHERE {LATEST}",
            f"DELETE FROM register WHERE {LATEST}",
        ],
        ["INSERT INTO register SELECT * FROM kept", "DROP TABLE kept"],
    ),
    "another tenant's register under this one's name": (
        [f"{ADD} {THEIRS}"],
        ["DELETE FROM register WHERE tenant = 'acme' AND version = 1000"],
    ),
}


async def test_authority_that_was_written_by_hand_is_refused(service: World):
    """A register added or taken away stops the tenant with 503, on old workers and new, and nobody else."""
    token = (await service.seal())[0]
    headers = await service.bearer("payments")
    await service.bearer("payments", "globex")
    body = {"purpose": "payment", "reference": "payout-1", "items": [{"token": token}]}
    for how, (deeds, undoing) in FORGED.items():
        await run(service, deeds)
        fresh = await service.worker(["reveal"])
        for client in (service.client, fresh):
            refused = await client.post("/v1/detokenize", json=body, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (503, "authority_tampered"), how
        assert (await service.detokenize([token], tenant="globex")).status_code == 404
        await run(service, undoing)
        await asyncio.sleep(0.6)
        assert (await service.detokenize([token])).status_code == 200, how
    await service.recheck()


async def run(service: World, statements: list[str]) -> None:
    """By hand, and long enough ago that every worker has looked again."""
    async with service.owner.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await asyncio.sleep(0.6)


async def test_a_grant_written_into_the_register_is_refused(service: World):
    """Marketing given the purpose payment by SQL, on a worker that starts afterwards, gets nothing."""
    token = (await service.seal())[0]
    headers = await service.bearer("marketing")
    async with service.owner.begin() as connection:
        newest = (
            select(func.max(text("version"))).select_from(text("register")).where(text("tenant = 'acme'"))
        )
        version = await connection.scalar(newest)
        named = {"v": version}
        found = text("SELECT document FROM register WHERE tenant = 'acme' AND version = :v")
        document = bytes(await connection.scalar(found, named))
        grown = document.replace(b"detokenize:marketing_display", b"detokenize:payment")
        assert grown != document
        change = text("UPDATE register SET document = :d WHERE tenant = 'acme' AND version = :v")
        await connection.execute(change, named | {"d": grown})
    fresh = await service.worker(["reveal"])
    body = {"purpose": "payment", "reference": "payout-1", "items": [{"token": token}]}
    refused = await fresh.post("/v1/detokenize", json=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (503, "authority_tampered")
    async with service.owner.begin() as connection:
        await connection.execute(change, named | {"d": document})
    assert (await fresh.post("/v1/detokenize", json=body, headers=headers)).status_code == 403
    await service.recheck()


async def test_a_secret_written_into_the_database_lets_nobody_in(service: World):
    """A known secret's hash put in the place of a credential's own gets no access token."""
    known = service.secrets["acme.marketing"]
    async with service.owner.begin() as connection:
        mine = text("SELECT hash FROM credential_secret WHERE credential = 'acme.marketing'")
        theirs = text("SELECT hash FROM credential_secret WHERE credential = 'acme.payments'")
        kept = await connection.scalar(theirs)
        change = text("UPDATE credential_secret SET hash = :h WHERE credential = 'acme.payments'")
        await connection.execute(change, {"h": await connection.scalar(mine)})
    form = {"grant_type": "client_credentials"}
    for secret in (known, service.secrets["acme.payments"]):
        answer = await service.client.post("/oauth2/token", data=form, auth=("acme.payments", secret))
        assert answer.status_code == 503
        assert "access_token" not in answer.text
    extra = text(
        "INSERT INTO credential_secret (tenant, credential, sha256, hash)"
        " SELECT tenant, 'acme.auditor', sha256, hash FROM credential_secret"
        " WHERE credential = 'acme.marketing'"
    )
    async with service.owner.begin() as connection:
        await connection.execute(change, {"h": kept})
        await connection.execute(extra)
    answer = await service.client.post("/oauth2/token", data=form, auth=("acme.auditor", known))
    assert answer.status_code == 401


async def _dek_ids(service: World, tokens: list[str]) -> dict[str, bytes]:
    async with service.owner.connect() as connection:
        rows = await connection.execute(
            select(record.c.token, record.c.dek_id).where(record.c.token.in_(tokens))
        )
        return {row[0]: row[1] for row in rows}


async def _swap(connection, column: str, one: str, other: str) -> None:
    """Exchange a column between two records."""
    values = {}
    for token in (one, other):
        found = text(f"SELECT {column} FROM record WHERE token = :t")
        values[token] = await connection.scalar(found, {"t": token})
    change = text(f"UPDATE record SET {column} = :v WHERE token = :t")
    if column == "token":
        await connection.execute(change, {"v": "aside", "t": one})
        await connection.execute(change, {"v": one, "t": other})
        await connection.execute(change, {"v": other, "t": "aside"})
        return
    await connection.execute(change, {"v": values[other], "t": one})
    await connection.execute(change, {"v": values[one], "t": other})


async def _swap_wrapped(connection, one: bytes, other: bytes) -> None:
    """Exchange two wrapped keys."""
    found = text("SELECT wrapped FROM dek WHERE dek_id = :i")
    change = text("UPDATE dek SET wrapped = :w WHERE dek_id = :i")
    first = await connection.scalar(found, {"i": one})
    second = await connection.scalar(found, {"i": other})
    await connection.execute(change, {"w": second, "i": one})
    await connection.execute(change, {"w": first, "i": other})
