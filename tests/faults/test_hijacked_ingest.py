"""Whoever takes over an ingest process has its identity and its database role, and yet changes no value."""

import os
import secrets

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError

from keys.identity import read_identity
from keys.keystore import Keystore
from keys.pool import Dek
from keys.transit import Transit
from tests.plugins.service import KINDS, Founder
from tests.plugins.world import BANK, World
from vault.model.secret import Secret
from vault.model.token import RANDOM_BYTES, mint
from vault.store.engine import open_database
from vault.store.schema import record
from vault.store.unit import NewRecord
from vault.store.wall import Place, seal_record

THIEF = b'{"number":"666666666666","ifsc":"HDFC0000123","holder":"Thief"}'
COLUMNS = ("tenant", "token", "subject", "field_type", "dek_id", "sealed", "dek_lease")


async def sealed(world: World, token: str, value: bytes, *, version: int = 1) -> NewRecord:
    """A record that authenticates: ingest may wrap a DEK and put it into the keystore."""
    settings = world.settings
    transit = Transit(settings.server, read_identity(settings.identity_file("ingest")))
    engine = open_database(settings.keystore_url_of("ingest"))
    dek_id, key = os.urandom(16), os.urandom(32)
    try:
        wrapped = await transit.wrap("acme", {dek_id: key})
        until = await Keystore(engine).insert("acme", wrapped, lease=10**9)
    finally:
        await transit.aclose()
        await engine.dispose()
    place = Place("acme", "cust-8472", token, "bank_account", version)
    return seal_record(Secret(value), place, Dek(dek_id, key, until), nonce=os.urandom(12))


async def write(world: World, new: NewRecord, *more: str) -> None:
    """Insert a record as ingest's role, naming `more` columns than the service does."""
    row = {name: getattr(new, name, 1) for name in (*COLUMNS, *more)}
    engine = open_database(world.settings.data_url_of("ingest"))
    try:
        async with engine.begin() as connection:
            await connection.execute(insert(record), [row])
    finally:
        await engine.dispose()


@pytest.mark.parametrize("column", ["version", "created_at"])
async def test_a_second_version_cannot_be_written(found_world: Founder, column: str):
    """A newer version, or a record dated back into its lease, is no right of ingest: the payee stays."""
    world = await found_world("postgresql")
    token = (await world.tokenize([("bank_account", BANK)])).json()["items"][0]["token"]
    new = await sealed(world, token if column == "version" else fresh(), THIEF, version=2)
    with pytest.raises(DBAPIError, match="permission denied"):
        await write(world, new, column)
    assert (await world.detokenize([token])).json()["items"][0]["value"] == BANK
    await world.recheck()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_erased_token_does_not_come_to_life(found_world: Founder, kind: str):
    """A record sealed anew for a token that was erased opens for nobody: 410, as before."""
    world = await found_world(kind)
    token = (await world.tokenize([("bank_account", BANK)])).json()["items"][0]["token"]
    await world.erase([token])
    await write(world, await sealed(world, token, THIEF))
    refused = await world.detokenize([token])
    assert (refused.status_code, refused.json()["code"]) == (410, "erased")
    looked = await world.post("/v1/inspect", {"tokens": [token]}, who="payments")
    assert looked.json()["items"][0]["state"] == "shredded"
    await world.recheck()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_sealed_value_does_not_write_its_neighbours_lines(found_world: Founder, kind: str):
    """What is sealed as a piece of an answer instead of a value is refused as tampered; the rest opens."""
    world = await found_world(kind)
    token = (await world.tokenize([("bank_account", BANK)])).json()["items"][0]["token"]
    bait = fresh()
    piece = b'"x","receipt":"r"},{"token":"' + token.encode() + b'","type":"bank_account","value":' + THIEF
    await write(world, await sealed(world, bait, piece))
    answer = (await world.detokenize([bait, token], mode="each")).json()["items"]
    assert [item["token"] for item in answer] == [bait, token]
    assert answer[0]["problem"]["code"] == "record_tampered"
    assert answer[1]["value"] == BANK
    await world.recheck()


def fresh() -> str:
    return mint("bank_account", secrets.token_bytes(RANDOM_BYTES))
