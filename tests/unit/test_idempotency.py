"""Idempotency keys: the same key and body bring the same tokens, another body is refused, at midnight too."""

import asyncio
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio
from sqlalchemy import distinct, func, select, update

from keys.errors import Sealed
from tests.fakes.inside import FIELDS, Inside, caller, inside
from vault.errors import InvalidValue, KeyReused, ServiceError
from vault.model.secret import Secret
from vault.service.gather import Gather
from vault.service.idempotency import DAY, Fingerprints, Key, first_of_each, key_for
from vault.service.tokenize import NewValue, TokenizeRequest, tokenize
from vault.store.schema import event, idempotency

SIGNUP = caller("acme", "signup", "tokenize")
PLAIN = FIELDS.get("pan").normalise("ABCPE1234F")
VALUE = NewValue("pan", "tax", "cust-1", Secret(b'"ABCPE1234F"'), FIELDS.get("pan").mask(PLAIN))


def key(text: str = "k1", body: bytes = b"{}", *, by: str = "acme.signup", verb: str = "tokenize") -> Key:
    return key_for(by, verb, text, body)


def ask(one: Key | None, *items: NewValue | ServiceError, mode: str = "all", by=SIGNUP) -> TokenizeRequest:
    return TokenizeRequest(by, mode, items or (VALUE,), one)


@dataclass(frozen=True)
class Keyed:
    """A request of which only the key matters."""

    key: Key | None


@pytest_asyncio.fixture
async def parts(tmp_path):
    async with inside(tmp_path) as made:
        yield made


async def call(parts: Inside, *requests: TokenizeRequest) -> list[object]:
    """Tokens, or codes, of each request."""
    answers = await tokenize("acme", requests, parts.ingest)
    return [
        one.code
        if isinstance(one, ServiceError)
        else [item.code if isinstance(item, ServiceError) else item.token for item in one]
        for one in answers
    ]


@pytest.mark.parametrize(
    "other", [{"by": "acme.other"}, {"by": "bcme.signup"}, {"verb": "erase"}, {"text": "k2"}], ids=str
)
def test_slot_belongs_to_one_credential_verb_and_key(other):
    """The same text from another credential, for another verb, is another key."""
    assert key(**other).slot != key().slot
    assert key_for("a", "bc", "d", b"").slot != key_for("ab", "c", "d", b"").slot


def test_slot_does_not_depend_on_the_body():
    """Another body under the same key finds the same slot, where the difference shows."""
    assert key(body=b"1").slot == key(body=b"2").slot
    assert key(body=b"1").body.reveal() != key(body=b"2").body.reveal()


async def test_same_key_and_body_bring_the_same_tokens(parts):
    """A repeated call is answered from memory: same tokens and receipts, no new record."""
    first = await tokenize("acme", [ask(key())], parts.ingest)
    again = await tokenize("acme", [ask(key())], parts.ingest)
    assert [(one.token, one.receipt, one.item.masked) for one in again[0]] == [
        (one.token, one.receipt, one.item.masked) for one in first[0]
    ]
    assert len(await parts.store.load("acme", [first[0][0].token])) == 1


async def test_same_key_with_another_body_is_refused(parts):
    """Another body under a used key gets 422, in the same list as in a later one."""
    assert (await call(parts, ask(key()), ask(key(body=b"other"))))[1] == "idempotency_key_reused"
    assert await call(parts, ask(key(body=b"other"))) == ["idempotency_key_reused"]


async def test_repeats_inside_one_list_are_one(parts):
    """The same key three times in one list makes one record, and all three get its token."""
    one, two, three = await call(parts, ask(key()), ask(key()), ask(key()))
    assert one == two == three


async def test_crossing_keys_in_two_lists_do_not_block(parts):
    """Two lists at once with the same keys in crossing order both end, with the same tokens."""
    gather: Gather = Gather("test", lambda tenant, asks: tokenize(tenant, asks, parts.ingest))
    names = ["k1", "k2", "k3", "k3", "k2", "k1"]
    tasks = [gather.submit("acme", f"c{i}", ask(key(name)), items=1) for i, name in enumerate(names)]
    answers = await asyncio.gather(*tasks)
    await gather.drain()
    tokens = {name: answer[0].token for name, answer in zip(names, answers, strict=True)}
    assert [answer[0].token for answer in answers] == [tokens[name] for name in names]


async def test_failed_request_leaves_its_key_free(parts):
    """A request that failed as a whole is not remembered: with its fault mended the key works."""
    bad = InvalidValue("invalid_value", "format")
    assert await call(parts, ask(key(), VALUE, bad)) == ["invalid_value"]
    assert isinstance((await call(parts, ask(key(body=b"mended"))))[0], list)


async def test_kept_answer_repeats_its_refusals(parts):
    """In mode `each` a refused item is refused again with the same code; so is one whose rule has changed."""
    bad = InvalidValue("invalid_value", "format")
    [first] = await call(parts, ask(key(), VALUE, bad, mode="each"))
    assert await call(parts, ask(key(), VALUE, bad, mode="each")) == [first]
    assert await call(parts, ask(key(), VALUE, VALUE, mode="each")) == [first]
    assert first[1] == "invalid_value"


async def test_key_does_not_outlive_the_right(parts):
    """A credential that lost its grant gets 403 for a used key, not the tokens of last time."""
    await call(parts, ask(key()))
    fallen = replace(SIGNUP, grants=())
    assert await call(parts, ask(key(), by=fallen)) == ["no_grant"]
    assert await call(parts, ask(key(), by=fallen, mode="each")) == [["no_grant"]]


@pytest.mark.parametrize("mode", ["all", "each"])
async def test_many_refused_requests_with_one_key_are_one_list(parts, mode):
    """A thousand requests under one key, all outside their grant, are one commit, and each is on record."""
    narrow = caller("acme", "signup", "tokenize@contact")
    answers = await call(parts, *[ask(key(), by=narrow, mode=mode)] * 1000)
    assert answers == (["no_grant"] if mode == "all" else [["no_grant"]]) * 1000
    async with parts.store.engine.connect() as connection:
        events = select(func.count(), func.count(distinct(event.c.list_id))).select_from(event)
        assert tuple((await connection.execute(events)).one()) == (1000, 1)


@pytest.mark.parametrize("deed", ["other tokens", "another key's answer", "no code", "empty"])
async def test_answer_changed_by_hand_is_refused(parts, deed):
    """Tokens put into a kept answer by a writer of the database are not handed out: 409, and an alarm."""
    [[mine]] = await call(parts, ask(key()))
    [[other]] = await call(parts, ask(key("k2")))
    async with parts.store.engine.begin() as connection:
        rows = {row.slot: row.answer for row in await connection.execute(select(idempotency))}
        kept = rows[key().slot]
        forged = {
            "other tokens": kept.replace(mine.encode(), other.encode()),
            "another key's answer": rows[key("k2").slot],
            "no code": kept[32:],
            "empty": b"",
        }[deed]
        this = idempotency.c.slot == key().slot
        await connection.execute(update(idempotency).where(this).values(answer=forged))
    assert await call(parts, ask(key())) == ["record_tampered"]
    assert await call(parts, ask(key("k2"))) == [[other]]


async def test_key_works_across_midnight(parts):
    """A call repeated days later still finds its answer, and another body is still refused."""
    first = await call(parts, ask(key()))
    for _ in range(3):
        parts.clock.us += DAY
        assert await call(parts, ask(key())) == first
        assert await call(parts, ask(key(body=b"other"))) == ["idempotency_key_reused"]


async def test_fingerprints_of_two_days_differ(parts):
    """The same body has another fingerprint each day, and no database shows the day key."""
    prints = Fingerprints(parts.ring, parts.clock)
    today = await prints.make("acme", key())
    parts.clock.us += DAY
    tomorrow = await prints.make("acme", key())
    assert today[4:] != tomorrow[4:]
    assert int.from_bytes(tomorrow[:4]) == int.from_bytes(today[:4]) + 1
    assert await prints.match("acme", key(), today)
    assert not await prints.match("bcme", key(), today)


async def test_warm_fingerprints_need_no_key_server_past_midnight(parts):
    """Warmed today, the first call of tomorrow is answered while the key server is away."""
    prints = Fingerprints(parts.ring, parts.clock)
    await prints.warm("acme")
    parts.ring.down = Sealed()
    parts.clock.us += DAY
    assert len(await prints.make("acme", key())) == 36
    with pytest.raises(Sealed):
        await prints.make("bcme", key())


async def test_day_keys_are_few(parts):
    """However many days' answers are asked for, memory stays bounded."""
    prints = Fingerprints(parts.ring, parts.clock)
    for day in range(200):
        assert not await prints.match("acme", key(), day.to_bytes(4) + bytes(32))
    assert len(prints._days) <= 64


def test_first_of_each_key():
    """Requests without a key are all first; of those with one key the first is; what is done is neither."""
    keys = [None, key("a"), key("b"), key("a"), None, key("b"), key("c")]
    first, repeats = first_of_each([Keyed(one) for one in keys], {6: b""})
    assert (first, repeats) == ([0, 1, 2, 4], [3, 5])


def test_key_does_not_print_what_it_came_with():
    """Neither the body nor its digest shows in a log of the key."""
    one = key(body=b"CANARY")
    assert "CANARY" not in repr(one)
    assert one.body.reveal().hex() not in repr(one)
    assert KeyReused().status == 422
