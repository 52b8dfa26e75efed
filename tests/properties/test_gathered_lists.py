"""Gathering changes nothing: whatever runs together answers, and is recorded, as if each had run alone.

Real databases in files, a fake ring. Items are poisoned, modes mixed, two tenants served at once.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from keys.keystore import dek as dek_table
from tests.fakes.inside import FIELDS, Inside, caller, inside
from vault.errors import BadRequest, InvalidValue, ServiceError
from vault.model.ask import Caller
from vault.model.secret import Secret
from vault.model.token import mint
from vault.service.detokenize import DetokenizeRequest, detokenize
from vault.service.gather import Gather
from vault.service.idempotency import key_for
from vault.service.opening import Revealed
from vault.service.tokenize import NewValue, Tokenized, TokenizeRequest, tokenize
from vault.store.schema import event, record
from vault.store.wall import open_record

TENANTS = ("acme", "bcme")
GRANTS = {
    "signup": ["tokenize"],
    "kyc": ["tokenize@identity,tax"],
    "pay": ["detokenize:payment"],
    "payee": ["detokenize:payment@payment"],
    "marketing": ["detokenize:marketing_display"],
    "nobody": [],
}
VALUES = {
    "pan": "ABCPE1234F",
    "email": "asha@example.in",
    "bank_account": {"number": "123456789012", "ifsc": "HDFC0000123", "holder": "Asha Rao"},
    "person_name": "आशा राव",
}
VOLATILE = {"event_id", "time", "batch", "request_id", "token", "dek_id", "sealed_sha256", "first_event"}
_numbers = count()
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Bench:
    """The parts, the loop they live on, and tokens in every state there is."""

    runner: asyncio.Runner
    parts: Inside
    tokens: dict[str, dict[str, str]]
    """{tenant: {what is the matter with it: token}}"""

    def run(self, work: Awaitable[object]) -> object:
        return self.runner.run(work)


def value_of(kind: str, subject: str = "cust-1") -> NewValue:
    field = FIELDS.get(kind)
    plain = field.normalise(VALUES[kind])
    return NewValue(kind, field.field_class, subject, Secret(json.dumps(plain).encode()), field.mask(plain))


def who(tenant: str, name: str) -> Caller:
    """A caller whose request can be told from every other."""
    return replace(caller(tenant, name, *GRANTS[name]), request_id=f"req_{next(_numbers)}")


async def sealed(parts: Inside, tenant: str, kind: str) -> str:
    request = TokenizeRequest(who(tenant, "signup"), "all", [value_of(kind)])
    answer = (await tokenize(tenant, [request], parts.ingest))[0]
    return answer[0].token


async def tokens_of(parts: Inside, tenant: str) -> dict[str, str]:
    """One token for everything that can be the matter with a token."""
    names = [*VALUES, "swapped", "moved type", "no key", "wrong key", "erased"]
    made = {name: await sealed(parts, tenant, name if name in VALUES else "pan") for name in names}
    of = {name: record.c.token == token for name, token in made.items()}
    async with parts.store.engine.begin() as data:
        rows = {
            r.token: r for r in await data.execute(select(record.c.token, record.c.dek_id, record.c.sealed))
        }
        swapped, pan = rows[made["swapped"]], rows[made["pan"]]
        await data.execute(update(record).where(of["swapped"]).values(sealed=pan.sealed, dek_id=pan.dek_id))
        await data.execute(update(record).where(of["moved type"]).values(field_type="tan"))
        assert swapped.sealed != pan.sealed
    async with parts.store.begin() as unit:
        await unit.bury(tenant, [made["erased"]], reason="case-1")
        await unit.commit()
    await parts.reveal.keystore.destroy(tenant, [rows[made["no key"]].dek_id, rows[made["erased"]].dek_id])
    parts.ring.tampered.add(rows[made["wrong key"]].dek_id)
    made["unknown"] = mint("pan", bytes(16) + b"\xff")
    made["malformed"] = "4111111111111111"
    return made


async def prepare(folder: Path) -> tuple[object, Inside, dict[str, dict[str, str]]]:
    context = inside(folder, TENANTS)
    parts = await context.__aenter__()
    return context, parts, {tenant: await tokens_of(parts, tenant) for tenant in TENANTS}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Built once: examples only add records."""
    with asyncio.Runner() as runner:
        context, parts, tokens = runner.run(prepare(tmp_path_factory.mktemp("lists")))
        yield Bench(runner, parts, tokens)
        runner.run(context.__aexit__(None, None, None))


# What is drawn: descriptions, from which requests are made anew for each run.

bad_item = st.sampled_from([("bad", "invalid_value"), ("bad", "unknown_type"), ("bad", "missing_subject")])
good_item = st.tuples(st.sampled_from(sorted(VALUES)), st.sampled_from(["cust-1", "cust-2"]))
writing = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["signup", "kyc", "nobody", "pay"]),
        "mode": st.sampled_from(["all", "each"]),
        "items": st.lists(good_item | bad_item, min_size=1, max_size=4),
        "key": st.sampled_from([None, None, "k1", "k2"]),
    }
)
TOUCHED = ["swapped", "moved type", "no key", "wrong key", "erased", "unknown", "malformed", "foreign"]
reading = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["pay", "pay", "payee", "marketing", "nobody", "signup"]),
        "purpose": st.sampled_from(["payment", "payment", "marketing_display", "no_such_purpose", ""]),
        "reference": st.sampled_from(["payout-1", "payout-1", None]),
        "form": st.sampled_from(["plain", "masked"]),
        "mode": st.sampled_from(["all", "each"]),
        "tokens": st.lists(st.sampled_from(["bank_account", *VALUES, *TOUCHED]), min_size=1, max_size=4),
    }
)  # fmt: skip


def write_request(drawn: dict, tenant: str, run: str) -> TokenizeRequest:
    items = [_item(*item) for item in drawn["items"]]
    by = who(tenant, drawn["name"])
    body = json.dumps([drawn["items"], drawn["mode"]]).encode()
    key = key_for(by.credential, "tokenize", run + drawn["key"], body) if drawn["key"] else None
    return TokenizeRequest(by, drawn["mode"], items, key)


def _item(kind: str, more: str) -> NewValue | ServiceError:
    if kind != "bad":
        return value_of(kind, more)
    return BadRequest(more) if more == "missing_subject" else InvalidValue(more, "a rule")


def read_request(drawn: dict, tenant: str, bench: Bench) -> DetokenizeRequest:
    other = TENANTS[1 - TENANTS.index(tenant)]
    known = bench.tokens[tenant] | {"foreign": bench.tokens[other]["bank_account"]}
    return DetokenizeRequest(
        who(tenant, drawn["name"]), drawn["purpose"], drawn["reference"], drawn["form"], drawn["mode"],
        [known[name] for name in drawn["tokens"]],
    )  # fmt: skip


# What is compared.

Request = TokenizeRequest | DetokenizeRequest
Run = Callable[[Sequence[Request]], Awaitable[list[object]]]


async def shown(answers: Sequence[object], parts: Inside, tenants: Sequence[str]) -> list[object]:
    """Answers with everything that is random replaced by what it stands for."""
    seen: dict[str, int] = {}
    return [
        problem_of(answer)
        if isinstance(answer, ServiceError)
        else [await _shown(one, parts, tenant, seen) for one in answer]
        for answer, tenant in zip(answers, tenants, strict=True)
    ]


async def _shown(one: object, parts: Inside, tenant: str, seen: dict[str, int]) -> object:
    if isinstance(one, ServiceError):
        return problem_of(one)
    assert one.receipt.startswith("rcp_")
    if isinstance(one, Revealed):
        return one.token, one.field_type, one.value.reveal()
    assert isinstance(one, Tokenized)
    value = await opened(parts, tenant, one.token)
    return (
        seen.setdefault(one.token, len(seen)),
        one.item.field_type,
        one.item.subject,
        one.item.masked,
        value,
    )


async def opened(parts: Inside, tenant: str, token: str) -> bytes:
    """The value behind a token, past every verb and policy."""
    stored = (await parts.store.load(tenant, [token]))[token]
    wrapped = (await parts.reveal.keystore.fetch(tenant, [stored.dek_id]))[stored.dek_id]
    key = (await parts.ring.unwrap(tenant, [wrapped], batch="test"))[0]
    return open_record(tenant, stored, dek=key).reveal()


def problem_of(error: ServiceError) -> tuple[object, ...]:
    beneath = tuple((index, problem_of(one)) for index, one in error.items)
    return type(error).__name__, error.code, error.detail, tuple(error.extra.items()), beneath


async def journal(parts: Inside, requests: Sequence[Request]) -> list[list[dict]]:
    """For each request the events that name it, sorted, without what is random."""
    async with parts.store.engine.begin() as connection:
        rows = await connection.execute(select(event.c.body))
        bodies = sorted((json.loads(row[0]) for row in rows), key=lambda body: json.dumps(_lasting(body)))
        await connection.execute(delete(event))
    return [
        [_lasting(body) for body in bodies if body["request_id"] == by]
        for by in (request.caller.request_id for request in requests)
    ]


def _lasting(body: dict) -> dict:
    return {name: value for name, value in body.items() if name not in VOLATILE}


async def outcome(requests: Sequence[Request], run: Run, parts: Inside) -> tuple[object, object]:
    """What the callers saw, and what went on record."""
    answers = await run(requests)
    tenants = [request.caller.tenant for request in requests]
    return await shown(answers, parts, tenants), await journal(parts, requests)


def alone(verb: Callable[..., Awaitable[list]]) -> Run:
    async def run(requests: Sequence[Request]) -> list[object]:
        return [(await verb(one.caller.tenant, [one]))[0] for one in requests]

    return run


def in_one_list(verb: Callable[..., Awaitable[list]], tenant: str) -> Run:
    return lambda requests: verb(tenant, requests)


def gathered(verb: Callable[..., Awaitable[list]]) -> Run:
    async def run(requests: Sequence[Request]) -> list[object]:
        gather: Gather = Gather("test", verb)
        waiting = [
            gather.submit(one.caller.tenant, one.caller.credential, one, items=_size(one)) for one in requests
        ]
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        await gather.drain()
        assert not [
            one for one in answers if isinstance(one, BaseException) and not isinstance(one, ServiceError)
        ]
        return answers

    return run


def _size(request: Request) -> int:
    return len(request.items if isinstance(request, TokenizeRequest) else request.tokens)


@few
@given(st.lists(writing, min_size=2, max_size=7))
def test_tokenizing_in_one_list_equals_one_at_a_time(bench, drawn):
    """Values, refusals, events and remembered answers are the same, used and reused keys included."""
    run = partial(tokenize, parts=bench.parts.ingest)
    space = f"{next(_numbers)}-"
    together = [write_request(one, "acme", "t" + space) for one in drawn]
    single = [write_request(one, "acme", "s" + space) for one in drawn]
    assert bench.run(outcome(together, in_one_list(run, "acme"), bench.parts)) == bench.run(
        outcome(single, alone(run), bench.parts)
    )


@few
@given(st.lists(st.tuples(st.sampled_from(TENANTS), writing), min_size=2, max_size=10))
def test_tokenizing_through_the_gate_equals_one_at_a_time(bench, drawn):
    """Two tenants at once, in whatever lists the gate makes of them."""
    run = partial(tokenize, parts=bench.parts.ingest)
    plain = [(tenant, {**one, "key": None}) for tenant, one in drawn]
    together, single = ([write_request(one, tenant, "") for tenant, one in plain] for _ in range(2))
    seen, noted = bench.run(outcome(together, gathered(run), bench.parts))
    assert (seen, noted) == bench.run(outcome(single, alone(run), bench.parts))


@few
@given(st.lists(reading, min_size=2, max_size=7))
def test_opening_in_one_list_equals_one_at_a_time(bench, drawn):
    """Values, refusals and events are the same, whatever is the matter with the neighbours' tokens."""
    run = partial(detokenize, parts=bench.parts.reveal)
    together, single = ([read_request(one, "acme", bench) for one in drawn] for _ in range(2))
    assert bench.run(outcome(together, in_one_list(run, "acme"), bench.parts)) == bench.run(
        outcome(single, alone(run), bench.parts)
    )


@few
@given(st.lists(st.tuples(st.sampled_from(TENANTS), reading), min_size=2, max_size=10))
def test_opening_through_the_gate_equals_one_at_a_time(bench, drawn):
    """Two tenants at once: nobody sees another's value, and each refusal is his who earned it."""
    run = partial(detokenize, parts=bench.parts.reveal)
    together, single = ([read_request(one, tenant, bench) for tenant, one in drawn] for _ in range(2))
    seen, noted = bench.run(outcome(together, gathered(run), bench.parts))
    assert (seen, noted) == bench.run(outcome(single, alone(run), bench.parts))


def test_the_bench_opens_something(bench):
    """The properties above compare more than refusals: a payment opens the account it asks for."""
    asked = {"name": "pay", "purpose": "payment", "reference": "p-1", "form": "plain", "mode": "all"}
    request = read_request({**asked, "tokens": ["bank_account"]}, "acme", bench)
    answers = bench.run(detokenize("acme", [request], parts=bench.parts.reveal))
    assert json.loads(answers[0][0].value.reveal()) == VALUES["bank_account"]


@pytest.mark.parametrize(
    ("state", "code"),
    [("swapped", "record_tampered"), ("moved type", "record_tampered"), ("no key", "record_tampered"),
     ("wrong key", "record_tampered"), ("erased", "erased"), ("unknown", "token_not_found"),
     ("foreign", "token_not_found"), ("malformed", "malformed_token")],
)  # fmt: skip
def test_each_poison_does_what_it_should(bench, state, code):
    """Every way a token can be spoilt has its own refusal."""
    kinds = {"swapped": "bank_account", "moved type": "bank_account"}
    asked = {"name": "pay", "purpose": "payment", "reference": "p-1", "form": "plain", "mode": "each"}
    request = read_request({**asked, "tokens": [state, kinds.get(state, "bank_account")]}, "acme", bench)
    answers = bench.run(detokenize("acme", [request], parts=bench.parts.reveal))
    assert answers[0][0].code == code
    assert isinstance(answers[0][1], Revealed)


def test_rows_of_another_tenant_do_not_help(bench):
    """A record copied from one tenant's rows into another's, keystore row and all, does not open there."""

    async def copy(token: str) -> None:
        async with bench.parts.store.engine.begin() as data:
            row = (await data.execute(select(record).where(record.c.token == token))).one()._asdict()
            await data.execute(insert(record), {**row, "tenant": "bcme"})
        async with bench.parts.reveal.keystore._engine.begin() as keys:
            found = select(dek_table).where(dek_table.c.dek_id == row["dek_id"])
            key = (await keys.execute(found)).one()._asdict()
            await keys.execute(insert(dek_table), {**key, "tenant": "bcme"})

    token = bench.run(sealed(bench.parts, "acme", "bank_account"))
    bench.run(copy(token))
    request = DetokenizeRequest(who("bcme", "pay"), "payment", "p-1", "plain", "each", [token])
    answers = bench.run(detokenize("bcme", [request], parts=bench.parts.reveal))
    assert answers[0][0].code == "record_tampered"
