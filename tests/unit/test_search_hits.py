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
