"""Resealing and re-indexing, broken off at every step: begun again, every value is there once."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest
import pytest_asyncio
from msgspec import structs
from sqlalchemy import select

from keys.errors import Sealed
from keys.keystore import dek
from tests.fakes.inside import SHIPPED, Inside, caller, inside, opening
from vault.errors import Unavailable
from vault.model.secret import Secret
from vault.service import reindex, reseal
from vault.service.detokenize import DetokenizeRequest, detokenize
from vault.service.erase import EraseRequest, erase, resume
from vault.service.reopening import Job
from vault.service.replace import NewVersion
from vault.service.replace import replace as correct
from vault.service.search import SearchRequest, search
from vault.service.tokenize import NewValue, TokenizeRequest, tokenize
from vault.store.lives import NewState
from vault.store.schema import blind_index, event, record, resealed, tombstone
from vault.store.unit import Unit

KEY = "bidx-acme-pan"
FAR = reseal.Due(2**62)


class Killed(BaseException):
    """The process is gone."""


@pytest_asyncio.fixture
async def parts(tmp_path):
    async with inside(tmp_path) as made:
        policy = opening("tax")
        made.registers.policy = replace(policy, searchable=frozenset({"pan"}))
        yield made


def pan(n: int) -> Secret[bytes]:
    return Secret(f'"ABCPE{n:04}F"'.encode())


async def sealed(parts: Inside, count: int, *, field_type: str = "pan") -> dict[str, bytes]:
    """{token: value} of new records."""
    values = [NewValue(field_type, "tax", f"cust-{n}", pan(n), "****") for n in range(count)]
    request = TokenizeRequest(caller("acme", "signup", "tokenize"), "all", values)
    [made] = await tokenize("acme", [request], parts.ingest)
    return {one.token: one.item.value.reveal() for one in made}


async def opens(parts: Inside, tokens: Any) -> dict[str, bytes]:
    """{token: value} of what comes out, for payment."""
    who = caller("acme", "pay", "detokenize:payment")
    request = DetokenizeRequest(who, "payment", "run-1", "plain", "each", list(tokens))
    [answers] = await detokenize("acme", [request], parts.reveal)
    return {one.token: one.value.reveal() for one in answers if hasattr(one, "value")}


async def found(parts: Inside, value: bytes) -> set[str]:
    asked = SearchRequest(caller("acme", "pay", "search:payment"), "pan", "payment", Secret(value))
    [answer] = await search("acme", [asked], parts.reveal)
    return set(answer.tokens)


def job(verb: str) -> Job:
    return Job(caller("acme", "operator-ops"), verb, SHIPPED.hash)


async def resealing(parts: Inside, due: reseal.Due = FAR) -> reseal.Tally:
    return [tally async for tally in reseal.run(job("reseal"), due, parts.resealer)][-1]


async def reindexing(parts: Inside) -> reindex.Tally:
    return [tally async for tally in reindex.run(job("reindex"), "pan", parts.resealer)][-1]


async def column(parts: Inside, wanted: Any) -> list[Any]:
    async with parts.store.engine.connect() as connection:
        return list((await connection.execute(wanted)).scalars())


async def deks(parts: Inside) -> set[bytes]:
    """Of records, in the keystore."""
    async with parts.office.keystore._engine.connect() as connection:
        return set((await connection.execute(select(dek.c.dek_id))).scalars())


@contextmanager
def mortal(parts: Inside, monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[list[str]]:
    """The process dies at its `at`-th step: before or after a call of a database or the key server."""
    steps: list[str] = []

    def dying(name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        def die(when: str) -> None:
            steps.append(f"{when} {name}")
            if len(steps) == at:
                raise Killed

        async def step(*args: Any, **more: Any) -> Any:
            die("before")
            answer = await call(*args, **more)
            die("after")
            return answer

        return step

    mine = parts.resealer
    calls = (
        (mine.keystore, "fetch"), (mine.keystore, "insert"), (parts.ring, "unwrap"), (parts.ring, "index"),
        (mine.store, "load"), (mine.resealing, "held"), (mine.resealing, "swap"), (mine.resealing, "reindex"),
        (Unit, "commit"),
    )  # fmt: skip
    with monkeypatch.context() as patch:
        for owner, name in calls:
            patch.setattr(owner, name, dying(name, getattr(owner, name)))
        yield steps


@contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, deed: Callable[[], Awaitable[Any]]):
    """Once, right before a call: somebody else's deed."""
    call, due = getattr(owner, name), [deed]

    async def step(*args: Any, **more: Any) -> Any:
        if due:
            await due.pop()()
        return await call(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, step)
        yield
    assert not due


async def whole(parts: Inside, values: dict[str, bytes]) -> None:
    """Every token opens to its value, is there once, has its own DEK; those of before are destroyed."""
    assert await opens(parts, values) == values
    used = await column(parts, select(record.c.dek_id))
    assert sorted(await column(parts, select(record.c.token))) == sorted(values)
    assert len(set(used)) == len(used)
    await resume("acme", parts.office)
    there = await deks(parts)
    assert set(used) <= there
    assert there.isdisjoint(await column(parts, select(resealed.c.dek_id)))
    assert there.isdisjoint(await column(parts, select(tombstone.c.dek_id)))


async def test_a_reseal_killed_at_every_step_is_finished_by_the_next(parts, monkeypatch):
    """Whatever it was doing, every token opens in between and afterwards, under a DEK that is new."""
    values, at, steps = await sealed(parts, 2), 0, [""]
    while len(steps) >= at:
        at += 1
        before = set(await column(parts, select(record.c.dek_id)))
        due = reseal.Due(await parts.store.clock())
        with mortal(parts, monkeypatch, at) as steps:
            try:
                await resealing(parts, due)
            except Killed:
                assert len(steps) == at
        await whole(parts, values)
        await resealing(parts, due)
        await whole(parts, values)
        assert before.isdisjoint(await column(parts, select(record.c.dek_id)))
    assert {"before unwrap", "after unwrap", "after swap", "before commit", "after commit"} <= set(steps)


async def test_a_reindex_killed_at_every_step_loses_no_search(parts, monkeypatch):
    """In between and afterwards the search finds every token, and in the end by the newest version alone."""
    values, at, steps = await sealed(parts, 2), 0, [""]
    while len(steps) >= at:
        at += 1
        parts.ring.rotate_index(KEY)
        with mortal(parts, monkeypatch, at) as steps:
            try:
                await reindexing(parts)
            except Killed:
                assert len(steps) == at
        for token, value in values.items():
            assert await found(parts, value) == {token}
        await reindexing(parts)
        versions = await column(parts, select(blind_index.c.key_version))
        assert versions == [at + 1] * len(values)
        parts.ring.retire_index(KEY, below=at + 1)
        for token, value in values.items():
            assert await found(parts, value) == {token}
    assert {"before unwrap", "after reindex", "before commit", "after commit"} <= set(steps)


async def test_a_resealed_record_keeps_its_dates_and_its_state(parts):
    """Token, version, birth, subject and notice stay, so no clock begins anew; archived is archived."""
    [token] = await sealed(parts, 1)
    async with parts.store.begin() as unit:
        archived = NewState(token, 1, "archived", "case-1", bytes(16), "2034-03-31", "a law")
        await parts.office.ledger.lives.put(unit, "acme", [archived])
        await unit.commit()
    kept = select(record.c.token, record.c.version, record.c.subject, record.c.created_at, record.c.notice)
    async with parts.store.engine.connect() as connection:
        before = (await connection.execute(kept)).all()
    assert (await resealing(parts)).done == 1
    async with parts.store.engine.connect() as connection:
        assert (await connection.execute(kept)).all() == before
    assert (await parts.store.load("acme", [token]))[token].state == "archived"


async def test_what_is_erased_or_replaced_meanwhile_neither_returns_nor_is_lost(parts, monkeypatch):
    """Between the opening and the swap: the erased stay erased, the corrected keep the new value."""
    values = await sealed(parts, 3)
    gone, corrected, other = sorted(values)
    office = caller("acme", "office", "erase", "replace")
    new = Secret(b'"XYZPE1234K"')

    async def acts() -> None:
        await erase("acme", [EraseRequest(office, "case-1", "all", [gone])], parts.office)
        await correct(office, "case-2", [NewVersion(corrected, new)], parts.office)

    with meanwhile(monkeypatch, parts.resealer.resealing, "held", acts):
        tally = await resealing(parts)
    assert other not in tally.failed
    await whole(parts, {corrected: new.reveal(), other: values[other]})
    parts.ring.rotate_index(KEY)
    with meanwhile(monkeypatch, parts.ring, "unwrap", lambda: erase(
        "acme", [EraseRequest(office, "case-3", "all", [other])], parts.office
    )):  # fmt: skip
        await reindexing(parts)
    assert await found(parts, new.reveal()) == {corrected}
    assert await column(parts, select(blind_index.c.token)) == [corrected]
    await whole(parts, {corrected: new.reveal()})


@pytest.mark.parametrize("before", ["fetch", "unwrap"])
async def test_a_detokenize_in_flight_answers_right(parts, monkeypatch, before):
    """Its record is sealed anew and the old DEK destroyed: it opens, and its event names the DEK it took."""
    values = await sealed(parts, 2)
    old = set(await column(parts, select(record.c.dek_id)))

    async def anew() -> None:
        await resealing(parts)
        await resume("acme", parts.office)

    owner = parts.reveal.keystore if before == "fetch" else parts.ring
    with meanwhile(monkeypatch, owner, before, anew):
        assert await opens(parts, values) == values
    new = set(await column(parts, select(record.c.dek_id)))
    bodies = await column(parts, select(event.c.body).where(event.c.verb == "detokenize"))
    opened_by = {bytes.fromhex(orjson.loads(body)["dek_id"]) for body in bodies}
    assert opened_by == (new if before == "fetch" else old)


async def test_a_record_that_does_not_open_is_left_and_named(parts):
    """The others are sealed anew; of the one there is a second event that says how it failed."""
    values = await sealed(parts, 3)
    bad = min(values)
    [dek_id] = await column(parts, select(record.c.dek_id).where(record.c.token == bad))
    parts.ring.tampered.add(dek_id)
    tally = await resealing(parts)
    assert (tally.done, tally.failed) == (2, {bad})
    assert await column(parts, select(record.c.dek_id).where(record.c.token == bad)) == [dek_id]
    mine = select(event.c.body).where(event.c.verb == "reseal", event.c.token == bad)
    # The clock of these tests stands, so the ids do not say which was first: the second names the first.
    told = sorted(
        (orjson.loads(body) for body in await column(parts, mine)), key=lambda one: "failure" in one
    )
    assert [(one.get("action"), one.get("failure")) for one in told] == [
        ("open", None),
        (None, "record_tampered"),
    ]
    assert told[1]["first_event"] == told[0]["event_id"]


async def test_every_opening_is_on_record_before_it_happens(parts, monkeypatch):
    """The unwrap carries the id of a list that is committed by then, whose events name the DEKs."""
    await sealed(parts, 2)
    seen: list[dict[str, Any]] = []
    call = parts.ring.unwrap

    async def unwrap(tenant: str, wrapped: Any, *, batch: str) -> Any:
        bodies = await column(parts, select(event.c.body).where(event.c.verb == "reseal"))
        seen.extend(one for one in map(orjson.loads, bodies) if one["batch"] == batch)
        assert {one["dek_id"] for one in seen} == {one.dek_id.hex() for one in wrapped}
        return await call(tenant, wrapped, batch=batch)

    monkeypatch.setattr(parts.ring, "unwrap", unwrap)
    await resealing(parts)
    assert len(seen) == 2


async def test_while_the_key_server_is_away_nothing_changes(parts):
    """The run says so, and the next one does it."""
    values = await sealed(parts, 2)
    parts.ring.down = Sealed("sealed")
    with pytest.raises(Unavailable):
        await resealing(parts)
    parts.ring.down = None
    assert (await resealing(parts)).done == 2
    await whole(parts, values)


async def test_a_dek_whose_lease_is_over_seals_nothing(parts, monkeypatch):
    """The database looks at its own clock: the sweeper may have taken such a DEK already."""
    values = await sealed(parts, 1)
    take = parts.resealer.pool.take

    async def late(tenant: str, count: int) -> Any:
        return [structs.replace(one, lease_until=1) for one in await take(tenant, count)]

    monkeypatch.setattr(parts.resealer.pool, "take", late)
    assert (await resealing(parts)).done == 0
    monkeypatch.undo()
    await whole(parts, values)
