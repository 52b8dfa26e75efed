"""Detokenize: the trace comes first, and what cannot be traced is not opened."""

import asyncio
import json
from base64 import urlsafe_b64decode
from dataclasses import replace
from functools import partial

import pytest
import pytest_asyncio
from sqlalchemy import select, update

from keys.errors import Sealed, Unreachable
from keys.ring import WrappedDek
from tests.fakes.inside import FIELDS, SHIPPED, Inside, caller, inside, opening
from vault.errors import OutcomeUnknown, ServiceError, Unavailable
from vault.model.secret import Secret
from vault.service.consent import NewAct, consent
from vault.service.detokenize import DetokenizeRequest, detokenize
from vault.service.gather import Gather
from vault.service.opening import Revealed
from vault.service.subjects import NewFact, keep
from vault.service.tokenize import NewValue, TokenizeRequest, tokenize
from vault.store.records import Store
from vault.store.schema import event, signed_list
from vault.store.schema import record as stored_record
from vault.store.unit import Unit

PAY = caller("acme", "pay", "detokenize:payment")
CLERK = caller("acme", "clerk", "consent", "subjects")
ACCOUNT = b'{"number":"123456789012","ifsc":"HDFC0000123","holder":"Asha Rao"}'


class BrokenStore(Store):
    """A store whose commits fail, having happened or not."""

    def __init__(self, store: Store, *, happens: bool) -> None:
        super().__init__(store.engine)
        self.happens = happens

    def begin(self) -> Unit:
        return BrokenUnit(self.engine, happens=self.happens)


class BrokenUnit(Unit):
    """A transaction whose commit is answered by silence."""

    def __init__(self, engine, *, happens: bool) -> None:
        super().__init__(engine)
        self._happens = happens

    async def commit(self) -> None:
        if self._happens:
            await super().commit()
        raise OutcomeUnknown


class Watcher:
    """An unwrapper that looks, before it unwraps, at what the database already knows."""

    def __init__(self, parts: Inside) -> None:
        self.parts = parts
        self.seen: list[list[dict]] = []
        self.meanwhile = None

    async def unwrap(self, tenant: str, wrapped: list[WrappedDek], *, batch: str) -> list:
        async with self.parts.store.engine.connect() as connection:
            bodies = [json.loads(row[0]) for row in await connection.execute(select(event.c.body))]
        self.seen.append([body for body in bodies if body["batch"] == batch])
        if self.meanwhile is not None:
            await self.meanwhile()
        return await self.parts.ring.unwrap(tenant, wrapped, batch=batch)


@pytest_asyncio.fixture
async def parts(tmp_path):
    async with inside(tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def tokens(parts):
    kind = FIELDS.get("bank_account")
    value = NewValue("bank_account", "payment", "cust-1", Secret(ACCOUNT), kind.mask(json.loads(ACCOUNT)))
    request = TokenizeRequest(caller("acme", "signup", "tokenize"), "all", [value] * 3)
    answers = await tokenize("acme", [request], parts.ingest)
    parts.ring.calls.clear()
    return [one.token for one in answers[0]]


def ask(tokens, *, mode="each", form="plain") -> DetokenizeRequest:
    return DetokenizeRequest(PAY, "payment", "payout-1", form, mode, tokens)


def unwraps(parts: Inside) -> int:
    return len([verb for verb, _, _ in parts.ring.calls if verb == "unwrap"])


async def chains(parts: Inside) -> list[tuple[bytes, int]]:
    async with parts.store.engine.connect() as connection:
        return [
            tuple(row) for row in await connection.execute(select(signed_list.c.chain, signed_list.c.seq))
        ]


async def test_every_access_is_on_record_before_a_key_is_unwrapped(parts, tokens):
    """When the key server is asked, one committed event for each DEK carries the list's id."""
    watcher = Watcher(parts)
    answers = await detokenize(
        "acme", [ask(tokens), ask(tokens[:1])], replace(parts.reveal, unwrapper=watcher)
    )
    assert [len(one) for one in answers] == [3, 1]
    [before] = watcher.seen
    assert len(before) == 4
    assert {body["dek_id"] for body in before} == {
        stored.dek_id.hex() for stored in (await parts.store.load("acme", tokens)).values()
    }
    assert {(body["decision"], body["verb"], body["purpose"]) for body in before} == {
        ("allow", "detokenize", "payment")
    }


@pytest.mark.parametrize("happens", [True, False], ids=["committed", "lost"])
async def test_uncertain_commit_opens_nothing(parts, tokens, happens):
    """After a commit whose outcome is unknown no key is unwrapped, and its chain ends."""
    broken = replace(parts.reveal, store=BrokenStore(parts.store, happens=happens))
    gather: Gather = Gather("test", lambda tenant, asks: detokenize(tenant, asks, broken))
    with pytest.raises(OutcomeUnknown):
        await gather.submit("acme", "acme.pay", ask(tokens), items=3)
    await gather.drain()
    assert unwraps(parts) == 0
    before = await chains(parts)
    await detokenize("acme", [ask(tokens)], parts.reveal)
    after = [one for one in await chains(parts) if one not in before]
    assert len({(chain, seq) for chain, seq in [*before, *after]}) == len(before) + len(after)
    assert all(seq == 0 or (chain, seq - 1) in [*before, *after] for chain, seq in [*before, *after])


@pytest.mark.parametrize("failure", [Sealed(), Unreachable("deadline")], ids=lambda one: one.code)
@pytest.mark.parametrize("mode", ["all", "each"])
async def test_key_server_that_fails_is_told_and_recorded(parts, tokens, failure, mode):
    """Without the key server each item says why, and a second event says that it failed."""
    parts.ring.down = failure
    [answer] = await detokenize("acme", [ask(tokens, mode=mode)], parts.reveal)
    problems = [answer] if mode == "all" else answer
    assert {(type(one), one.code) for one in problems} == {(Unavailable, failure.code)}
    async with parts.store.engine.connect() as connection:
        bodies = [json.loads(row[0]) for row in await connection.execute(select(event.c.body))]
    opened = {body["event_id"] for body in bodies if body["verb"] == "detokenize" and "result" not in body}
    failed = [body for body in bodies if body.get("result") == "failed"]
    assert {body["first_event"] for body in failed} == opened
    assert {body["failure"] for body in failed} == {failure.code}
    assert len(failed) == 3


async def test_record_erased_meanwhile_does_not_come_out(parts, tokens):
    """A record that is buried while its key is being unwrapped is answered as erased."""

    async def bury() -> None:
        async with parts.store.begin() as unit:
            await unit.bury("acme", tokens[:1], reason="case-1")
            await unit.commit()

    watcher = Watcher(parts)
    watcher.meanwhile = bury
    [answer] = await detokenize("acme", [ask(tokens)], replace(parts.reveal, unwrapper=watcher))
    assert [getattr(one, "code", "opened") for one in answer] == ["erased", "opened", "opened"]


async def test_value_of_an_account_closed_meanwhile_does_not_come_out(parts, tokens):
    """An account that is closed while keys are being unwrapped keeps every value in, and the log says so."""
    watcher = Watcher(parts)
    watcher.meanwhile = partial(keep, CLERK, [NewFact("cust-1", "closed")], parts.office)
    [answer] = await detokenize("acme", [ask(tokens)], replace(parts.reveal, unwrapper=watcher))
    assert [getattr(one, "code", "opened") for one in answer] == ["account_closed"] * 3
    assert await failures(parts) == dict.fromkeys(tokens, "account_closed")


async def test_value_of_an_account_reopened_meanwhile_stays_in(parts, tokens):
    """What was refused before any key was unwrapped is not opened, whatever happens afterwards."""
    await keep(CLERK, [NewFact("cust-1", "closed")], parts.office)
    watcher = Watcher(parts)
    watcher.meanwhile = partial(keep, CLERK, [NewFact("cust-1", "reopened")], parts.office)
    [answer] = await detokenize("acme", [ask(tokens)], replace(parts.reveal, unwrapper=watcher))
    assert [getattr(one, "code", "opened") for one in answer] == ["account_closed"] * 3
    assert watcher.seen == []


async def test_value_whose_consent_is_withdrawn_meanwhile_does_not_come_out(parts, tokens):
    """A consent that is withdrawn while keys are being unwrapped keeps every value in."""
    payment = SHIPPED.purposes["payment"]
    purposes = {**SHIPPED.purposes, "payment": replace(payment, basis="consent")}
    parts.registers.policy = replace(SHIPPED, purposes=purposes)
    await consent(CLERK, [NewAct("cust-1", "payment", "grant", "form-1")], parts.office)
    watcher = Watcher(parts)
    withdrawal = NewAct("cust-1", "payment", "withdraw", "form-2")
    watcher.meanwhile = partial(consent, CLERK, [withdrawal], parts.office)
    [answer] = await detokenize("acme", [ask(tokens)], replace(parts.reveal, unwrapper=watcher))
    assert [getattr(one, "code", "opened") for one in answer] == ["consent_withdrawn"] * 3
    assert await failures(parts) == dict.fromkeys(tokens, "consent_withdrawn")


async def failures(parts: Inside) -> dict[str, str]:
    """{token: why} of the values that were allowed and did not come out after all."""
    async with parts.store.engine.connect() as connection:
        bodies = [json.loads(row[0]) for row in await connection.execute(select(event.c.body))]
    return {body["token"]: body["failure"] for body in bodies if body.get("result") == "failed"}


async def test_one_refusal_keeps_every_value_of_its_request_back(parts, tokens):
    """In mode `all` nothing is unwrapped beside a refused item; the other request of the list is served."""
    spoilt = ask([*tokens, "tok_pan_" + "0" * 28], mode="all")
    bad, good = await detokenize("acme", [spoilt, ask(tokens[:1])], parts.reveal)
    assert isinstance(bad, ServiceError)
    assert [index for index, _ in bad.items] == [3]
    assert isinstance(good[0], Revealed)
    assert [items for verb, _, items in parts.ring.calls if verb == "unwrap"] == [1]


async def test_value_that_does_not_open_keeps_its_request_back_on_record(parts, tokens):
    """In mode `all` one tampered record ends the request, and each value unwrapped in vain has an event."""
    async with parts.store.engine.begin() as connection:
        swapped = update(stored_record).where(stored_record.c.token == tokens[1])
        await connection.execute(swapped.values(sealed=bytes(100)))
    answers = await detokenize("acme", [ask(tokens, mode="all"), ask(tokens[:1])], parts.reveal)
    assert [one.code for one in answers[0].items[0][1:]] == ["record_tampered"]
    assert isinstance(answers[1][0], Revealed)
    async with parts.store.engine.connect() as connection:
        bodies = [json.loads(row[0]) for row in await connection.execute(select(event.c.body))]
    told = {body["token"]: body["failure"] for body in bodies if "first_event" in body}
    assert told == {tokens[0]: "withheld", tokens[1]: "record_tampered", tokens[2]: "withheld"}


async def test_one_call_to_the_key_server_for_everyone(parts, tokens):
    """Many requests at once that wait for one list cost one call, and each DEK stands in it once."""
    answers = await detokenize("acme", [ask(tokens) for _ in range(20)], parts.reveal)
    assert {one.value.reveal() for answer in answers for one in answer} == {ACCOUNT}
    assert [items for verb, _, items in parts.ring.calls if verb == "unwrap"] == [3]


async def test_receipt_comes_from_a_committed_list(parts, tokens):
    """Each receipt holds the signature of a list that is in the database."""
    [answer] = await detokenize("acme", [ask(tokens)], parts.reveal)
    async with parts.store.engine.connect() as connection:
        signatures = [row[0] for row in await connection.execute(select(signed_list.c.signature))]
    raw = [urlsafe_b64decode(one.receipt.removeprefix("rcp_")) for one in answer]
    assert all(any(one.endswith(signature) for signature in signatures) for one in raw)


async def test_masked_answer_shows_the_mask_alone(parts, tokens):
    """Asked for masked values, no full value is in the answer."""
    answers = await asyncio.gather(detokenize("acme", [ask(tokens, form="masked")], parts.reveal))
    shown = b"".join(one.value.reveal() for one in answers[0][0])
    assert b"123456789012" not in shown
    assert b"9012" in shown


@pytest.mark.parametrize(
    ("field_type", "value"), [("bank_account", b"5"), ("phone", b'"x"'), ("pan", b"[[]]")]
)
async def test_value_of_a_wrong_shape_harms_itself_alone(parts, tokens, field_type, value):
    """A record that a hijacked ingest sealed in no shape of its type spoils no neighbour's masked answer."""
    parts.registers.policy = opening("contact", "tax")
    bad = NewValue(field_type, "payment", "cust-1", Secret(value), None)
    request = TokenizeRequest(caller("acme", "signup", "tokenize"), "all", [bad])
    [[made]] = await tokenize("acme", [request], parts.ingest)
    both = ask([made.token, tokens[0]], form="masked")
    [answer] = await detokenize("acme", [both], parts.reveal)
    assert isinstance(answer[1], Revealed)
    # The mask of a PAN makes stars of whatever it is given.
    assert isinstance(answer[0], Revealed) == (field_type == "pan")
    assert isinstance(answer[0], Revealed) or answer[0].code == "record_tampered"
