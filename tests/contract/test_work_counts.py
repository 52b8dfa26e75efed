"""What the hot verbs ask of PostgreSQL, counted in the server's own log. A statement more fails here."""

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url

from tests.fakes.inside import Inside, caller, inside
from tests.plugins.postgres import Postgres
from tests.plugins.service import Databank
from tests.plugins.shards import logged, statements
from vault.model.secret import Secret
from vault.policy.load import DEFAULT, parse_toml
from vault.service.detokenize import DetokenizeRequest, detokenize
from vault.service.idempotency import key_for
from vault.service.opening import Revealed
from vault.service.tokenize import NewValue, Tokenized, TokenizeRequest, tokenize

SIGNUP, PAY = caller("acme", "signup", "tokenize"), caller("acme", "pay", "detokenize:payment")
ACCOUNT = Secret(b'{"number":"123456789012","ifsc":"HDFC0000123","holder":"Asha Rao"}')
LENGTHS = (1, 2, 1000)
WITHIN_A_BUDGET = [
    ["? record"], ["BEGIN"], ["spent"], ["? spent_subject"], ["UPDATE"], ["spent_subject"], ["event"],
    ["signed_list"], ["COMMIT"], ["? record"],
]  # fmt: skip
BUDGET = parse_toml(f"{DEFAULT.read_text()}\n[budgets.payment]\nvalues_per_minute = 1_000_000\n")


@dataclass(slots=True)
class Counter:
    """What the server was sent since the last look, as the first words of each statement."""

    postgres: Postgres
    data: str
    keystore: str
    _seen: int

    def look(self) -> tuple[list[str], list[str]]:
        """Every statement to the data and to the keystore database, those around transactions as well."""
        said = logged(self.postgres.log, self._seen)
        self._seen += len(said)
        data, keystore = ([one.text for one in statements(said, mine)] for mine in (self.data, self.keystore))
        return data, keystore


@dataclass(slots=True)
class Bench:
    """The parts of two planes on PostgreSQL, and what they ask of it."""

    parts: Inside
    counter: Counter

    async def tokenized(self, count: int, key: str | None = None) -> list[str]:
        """Tokens of so many values, made by one list."""
        values = [NewValue("bank_account", "payment", f"cust-{i}", ACCOUNT, "****") for i in range(count)]
        named = key_for(SIGNUP.credential, "tokenize", key, b"body") if key else None
        request = TokenizeRequest(SIGNUP, "all", values, named)
        [answer] = await tokenize("acme", [request], self.parts.ingest)
        assert isinstance(answer, list)
        return [one.token for one in answer if isinstance(one, Tokenized)]

    async def opened(self, tokens: list[str]) -> int:
        """How many values one list opened."""
        request = DetokenizeRequest(PAY, "payment", "payout-1", "plain", "all", tokens)
        [answer] = await detokenize("acme", [request], self.parts.reveal)
        assert isinstance(answer, list)
        return sum(isinstance(one, Revealed) for one in answer)


@pytest_asyncio.fixture
async def bench(tmp_path, databank: Databank, postgres: Postgres) -> AsyncIterator[Bench]:
    """Warm: each statement was prepared once. What is looked at now and then was, and its clock stands."""
    found = await databank("postgresql")
    urls = found.data_url, found.keystore_url
    data, keystore = (str(make_url(url).database) for url in urls)
    async with inside(tmp_path, urls=urls, monotonic=lambda: 0.0) as parts:
        made = Bench(parts, Counter(postgres, data, keystore, postgres.log.stat().st_size))
        assert await made.opened(await made.tokenized(1, "warm")) == 1
        assert await made.opened(await made.tokenized(1)) == 1
        made.counter.look()
        yield made


@pytest.mark.parametrize("count", LENGTHS)
async def test_a_list_is_tokenized_by_one_statement(bench: Bench, count: int):
    """Records, events and the signed list go in one round trip, which is the commit as well."""
    assert len(await bench.tokenized(count)) == count
    assert _tables(bench.counter.look()[0]) == [["record", "event", "signed_list"]]


@pytest.mark.parametrize("count", LENGTHS)
async def test_an_idempotency_key_costs_one_look(bench: Bench, count: int):
    """Whether the key was used is read before the write; where it was, that is all."""
    await bench.tokenized(count, "key")
    written = ["idempotency", "record", "event", "signed_list"]
    assert _tables(bench.counter.look()[0]) == [["? idempotency"], written]
    await bench.tokenized(count, "key")
    assert _tables(bench.counter.look()[0]) == [["? idempotency"]]


@pytest.mark.parametrize("count", LENGTHS)
async def test_a_list_is_opened_by_four_statements(bench: Bench, count: int):
    """Records, their keys, the trace before the deed, and the second look: no transaction around any."""
    tokens = await bench.tokenized(count)
    bench.counter.look()
    assert await bench.opened(tokens) == count
    data, keystore = bench.counter.look()
    assert _tables(data) == [["? record"], ["event", "signed_list"], ["? record"]]
    assert _tables(keystore) == [["? dek"]]


@pytest.mark.parametrize("count", LENGTHS)
async def test_deks_are_stored_by_one_statement(bench: Bench, count: int):
    """Looking at the fence, holding it, reading the clock and adding the rows are one round trip."""
    deks = {os.urandom(16): os.urandom(32) for _ in range(count)}
    wrapped = await bench.parts.ring.wrap("acme", deks)
    await bench.parts.reveal.keystore.insert("acme", wrapped, lease=10**9)
    assert _tables(bench.counter.look()[1]) == [["dek"]]


@pytest.mark.parametrize("count", LENGTHS)
async def test_a_budget_costs_one_transaction(bench: Bench, count: int):
    """Where a budget is counted, the trace is a part of a transaction, of the same length for any list."""
    *tokens, other = await bench.tokenized(count + 1)
    bench.parts.registers.policy = BUDGET
    assert await bench.opened([other]) == 1  # its connection is made, and knows the types it is sent
    bench.counter.look()
    assert await bench.opened(tokens) == count
    assert _tables(bench.counter.look()[0]) == WITHIN_A_BUDGET


def _tables(statements: list[str]) -> list[list[str]]:
    """For each statement the tables it adds to, or the first that it asks; else its first word."""
    return [
        re.findall(r"INSERT INTO (\w+)", one)
        or [f"? {found}" for found in re.findall(r"^SELECT (\w+)\.", one)]
        or [one.split()[0].rstrip(";")]
        for one in statements
    ]
