"""Export: the trace comes first; what changed or failed meanwhile stays in, and the log says so."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import pytest_asyncio
from sqlalchemy import select

from keys.errors import Sealed, Unreachable
from tests.fakes.inside import FIELDS, Inside, caller, inside
from tests.unit.test_trace_first import BrokenStore, Watcher, unwraps
from vault.errors import Conflict, OutcomeUnknown, Throttled, Unavailable
from vault.model.secret import Secret
from vault.service.export import Copying, ExportRequest, export
from vault.service.passphrase import AgeFile
from vault.service.tokenize import NewValue, TokenizeRequest, tokenize
from vault.store.schema import event

COPIER = caller("acme", "copier", "export")
VALUE = b'"Asha Rao"'


class NoAge(AgeFile):
    """Fails to encrypt, or does something else first."""

    def __init__(self, meanwhile=None) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    async def encrypt(self, plain, passphrase) -> bytes:
        if self.meanwhile is None:
            raise Unavailable("encryption_failed", retry_after=10)
        await self.meanwhile()
        return b"age-encryption.org/v1"


@pytest_asyncio.fixture
async def parts(tmp_path):
    async with inside(tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def tokens(parts):
    kind = FIELDS.get("person_name")
    value = NewValue("person_name", kind.field_class, "cust-1", Secret(VALUE), "A.")
    request = TokenizeRequest(caller("acme", "signup", "tokenize"), "all", [value] * 3)
    [answer] = await tokenize("acme", [request], parts.ingest)
    parts.ring.calls.clear()
    return [one.token for one in answer]


def copying(parts: Inside, *, age: AgeFile | None = None, **changed) -> Copying:
    reveal = replace(parts.reveal, **changed)
    return Copying(reveal=reveal, happened=reveal.provenance, age=age or AgeFile(), alone=50)


def ask(*, passphrase: str | None = None, charge: Callable[[int], None] | None = None) -> ExportRequest:
    secret = Secret(passphrase) if passphrase is not None else None
    return ExportRequest(COPIER, "cust-1", "request-1", None, "json", secret, charge or (lambda _: None))


def read(done) -> dict[str, dict]:
    return {one["token"]: one for one in json.loads(done.content.reveal())["records"]}


async def bury(parts: Inside, tokens: list[str]) -> None:
    async with parts.store.begin() as unit:
        await unit.bury("acme", tokens, reason="case-1")
        await unit.commit()


async def second_events(parts: Inside) -> dict[str, str]:
    """{token: how it failed}"""
    async with parts.store.engine.connect() as connection:
        bodies = [json.loads(row[0]) for row in await connection.execute(select(event.c.body))]
    return {body["token"]: body["failure"] for body in bodies if "first_event" in body}


async def test_every_value_is_on_record_before_a_key_is_unwrapped(parts, tokens):
    """When the key server is asked, the copy's event and one for each record are committed, in one list."""
    watcher = Watcher(parts)
    done = await export(ask(), copying(parts, unwrapper=watcher))
    [before] = watcher.seen
    assert [(body["verb"], body["decision"]) for body in before] == [("export", "allow")] * 4
    assert {body.get("token") for body in before} == {None, *tokens}
    assert {one["value"] for one in read(done).values()} == {"Asha Rao"}


async def test_a_copy_counts_for_all_that_it_would_hold(parts, tokens):
    """Its values are charged for before anything is on record or opened; past the rate there is no copy."""
    charged = []

    def refuse(values: int) -> None:
        charged.append(values)
        raise Throttled("rate_limited", retry_after=1)

    with pytest.raises(Throttled):
        await export(ask(charge=refuse), copying(parts))
    assert (charged, unwraps(parts)) == ([len(tokens)], 0)
    async with parts.store.engine.connect() as connection:
        assert [one for one in await connection.scalars(select(event.c.body)) if b'"export"' in one] == []


@pytest.mark.parametrize("happens", [True, False], ids=["committed", "lost"])
async def test_uncertain_commit_opens_nothing(parts, tokens, happens):
    """After a commit whose outcome is unknown nothing is unwrapped."""
    broken = copying(parts, store=BrokenStore(parts.store, happens=happens))
    with pytest.raises(OutcomeUnknown):
        await export(ask(), broken)
    assert unwraps(parts) == 0


@pytest.mark.parametrize("failure", [Sealed(), Unreachable("deadline")], ids=lambda one: one.code)
async def test_without_the_key_server_there_is_no_copy(parts, tokens, failure):
    """A copy that lacks every value is none: 503, and a second event for each that was allowed."""
    parts.ring.down = failure
    with pytest.raises(Unavailable):
        await export(ask(), copying(parts))
    assert await second_events(parts) == dict.fromkeys(tokens, failure.code)


async def test_what_is_erased_while_keys_are_unwrapped_stays_in(parts, tokens):
    """The other values come out, that one is told as erased."""
    watcher = Watcher(parts)
    watcher.meanwhile = partial(bury, parts, tokens[:1])
    found = read(await export(ask(), copying(parts, unwrapper=watcher)))
    assert [found[token]["without_value"] for token in tokens] == ["erased", None, None]
    assert found[tokens[0]]["value"] is None
    assert await second_events(parts) == {tokens[0]: "erased"}


async def test_what_is_erased_while_it_is_encrypted_keeps_the_copy_back(parts, tokens):
    """Encrypting takes seconds: nothing of that copy leaves, and each value has a second event."""
    age = NoAge(partial(bury, parts, tokens[:1]))
    with pytest.raises(Conflict, match="record_changed"):
        await export(ask(passphrase="correct horse battery"), copying(parts, age=age))
    assert await second_events(parts) == {tokens[0]: "erased", tokens[1]: "withheld", tokens[2]: "withheld"}


async def test_a_copy_that_cannot_be_encrypted_does_not_leave(parts, tokens):
    """It is never answered in the clear instead."""
    with pytest.raises(Unavailable, match="encryption_failed"):
        await export(ask(passphrase="correct horse battery"), copying(parts, age=NoAge()))
    assert await second_events(parts) == dict.fromkeys(tokens, "withheld")


async def test_an_encrypter_that_dies_or_hangs_is_a_failure(monkeypatch):
    """Its process ends badly, says nothing, or does not end: nothing comes out, and none is left running."""
    plain, phrase = Secret(b"plain"), Secret("correct horse battery")
    for program in ("raise SystemExit(1)", "", "import time; time.sleep(60)"):
        monkeypatch.setattr("vault.service.passphrase._PROGRAM", (sys.executable, "-I", "-c", program))
        with pytest.raises(Unavailable, match="encryption_failed"):
            await AgeFile(seconds=1.0).encrypt(plain, phrase)
