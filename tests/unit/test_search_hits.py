"""Search: the index is a hint that ingest may write; what it names must be there."""

from dataclasses import replace

import pytest_asyncio
from sqlalchemy import insert, select

from tests.fakes.inside import SHIPPED, Inside, caller, inside
from vault.model.secret import Secret
from vault.service.erase import EraseRequest, erase
from vault.service.search import SearchRequest, search
from vault.service.tokenize import NewValue, TokenizeRequest, tokenize
from vault.store.schema import blind_index

PAN = Secret(b'"ABCPE1234F"')


@pytest_asyncio.fixture
async def parts(tmp_path):
    async with inside(tmp_path) as made:
        made.registers.policy = replace(SHIPPED, searchable=frozenset({"pan"}))
        yield made


async def made(parts: Inside, field_type: str, field_class: str) -> str:
    value = NewValue(field_type, field_class, "cust-1", PAN, "****")
    request = TokenizeRequest(caller("acme", "signup", "tokenize"), "all", [value])
    [[one]] = await tokenize("acme", [request], parts.ingest)
    return one.token


async def found(parts: Inside) -> set[str]:
    asked = SearchRequest(caller("acme", "pay", "search:payment"), "pan", "payment", PAN)
    [answer] = await search("acme", [asked], parts.reveal)
    return set(answer.tokens)


async def test_index_rows_written_by_hand_name_nothing(parts):
    """Rows that name an erased token, a token of another type, or no token at all are not hits."""
    mine, erased, other = (
        await made(parts, "pan", "tax"),
        await made(parts, "pan", "tax"),
        await made(parts, "tan", "tax"),
    )
    assert await found(parts) == {mine, erased}
    office = EraseRequest(caller("acme", "office", "erase"), "case-1", "all", [erased])
    await erase("acme", [office], parts.office)
    async with parts.store.engine.begin() as connection:
        digest = await connection.scalar(select(blind_index.c.digest))
        row = {"tenant": "acme", "field_type": "pan", "digest": digest}
        await connection.execute(
            insert(blind_index), [row | {"token": text} for text in (erased, other, "<b>x</b>")]
        )
    assert await found(parts) == {mine}


KEY = "bidx-acme-pan"


async def test_a_rotation_of_the_index_key_loses_no_search(parts):
    """What was written under any version that is not retired is found, by a plane that knew none of them."""
    tokens = set()
    for _ in range(3):
        tokens.add(await made(parts, "pan", "tax"))
        assert await found(parts) == tokens
        parts.ring.rotate_index(KEY)
    assert await found(parts) == tokens
    async with parts.store.engine.connect() as connection:
        versions = (await connection.execute(select(blind_index.c.key_version))).scalars().all()
    assert sorted(versions) == [1, 2, 3]


async def test_a_retired_version_ends_no_search(parts):
    """The plane remembers an older minimum; what stands under the versions left is found all the same."""
    await made(parts, "pan", "tax")
    parts.ring.rotate_index(KEY)
    mine = await made(parts, "pan", "tax")
    assert len(await found(parts)) == 2
    parts.ring.retire_index(KEY, below=2)
    assert await found(parts) == {mine}
