"""Erase: what an outage of the keystore left is finished without anybody asking."""

import asyncio
from dataclasses import replace

import pytest_asyncio

from keys.errors import KeystoreUnavailable
from keys.keystore import Keystore
from tests.fakes.inside import FixedRegisters, Inside, caller, inside
from vault.model.secret import Secret
from vault.service.erase import ErasedRecord, EraseRequest, erase, keep_resuming
from vault.service.parts import Office
from vault.service.tokenize import NewValue, TokenizeRequest, tokenize


class Registers(FixedRegisters):
    """Those who know which tenants there are."""

    async def tenants(self) -> list[str]:
        return ["acme", "bcme"]


class Outage:
    """A keystore that destroys nothing for a while."""

    def __init__(self, keystore: Keystore, *, lasts: int) -> None:
        self.keystore, self.left = keystore, lasts

    async def destroy(self, tenant: str, dek_ids: list[bytes]) -> None:
        self.left -= 1
        if self.left >= 0:
            raise KeystoreUnavailable
        await self.keystore.destroy(tenant, dek_ids)


@pytest_asyncio.fixture
async def parts(tmp_path):
    async with inside(tmp_path) as made:
        yield made


def office(parts: Inside, *, lasts: int) -> Office:
    outage = Outage(parts.office.keystore, lasts=lasts)
    return replace(parts.office, registers=Registers(), keystore=outage)


async def test_a_key_is_destroyed_once_the_keystore_is_back(parts):
    """Nothing opens meanwhile, and no other call is needed for the key to go."""
    value = NewValue("pan", "tax", "cust-1", Secret(b'"ABCPE1234F"'), "****")
    request = TokenizeRequest(caller("acme", "signup", "tokenize"), "all", [value])
    [[made]] = await tokenize("acme", [request], parts.ingest)
    dek_id = (await parts.store.load("acme", [made.token]))[made.token].dek_id
    hindered = office(parts, lasts=3)
    asked = EraseRequest(caller("acme", "office", "erase"), "case-1", "all", [made.token])
    [[erased]] = await erase("acme", [asked], hindered)
    assert isinstance(erased, ErasedRecord)
    assert dek_id in await parts.office.keystore.fetch("acme", [dek_id])
    task = asyncio.create_task(keep_resuming(hindered, pause=0.01))
    async with asyncio.timeout(5):
        while await parts.store.unfinished_erasures("acme", most=1):
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await parts.office.keystore.fetch("acme", [dek_id]) == {}
