"""The client's verbs against a vault in memory, blocking and on asyncio."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import httpx
import pytest
from strongroom import (
    AsyncStrongroom,
    InvalidValue,
    Misused,
    NotAllowed,
    NotFound,
    ProtocolError,
    Strongroom,
    Value,
)
from strongroom.receipts import event_of

from tests.fakes.audit_log import shown
from tests.fakes.server import FakeVault

ACCOUNT = {"number": "50100012345678", "ifsc": "HDFC0000123", "holder": "Asha Rao"}


@pytest.fixture
def fake():
    return FakeVault()


@pytest.fixture
def vault(fake):
    with Strongroom(
        "https://vault.test", fake.client_id, fake.secret, transport=httpx.MockTransport(fake.handle)
    ) as client:
        yield client


@pytest.fixture
async def waiting(fake):
    transport = httpx.MockTransport(fake.handle)
    async with AsyncStrongroom("https://vault.test", fake.client_id, fake.secret, transport=transport) as it:
        yield it


def test_fields_of_one_subject_come_back_by_type(vault):
    """Tokenize answers one typed result per field, under the name of its type."""
    tokens = vault.tokenize("cust-1", {"pan": "ABCPE1234F", "bank_account": ACCOUNT})
    assert set(tokens) == {"pan", "bank_account"}
    assert tokens["pan"].subject == "cust-1"
    assert tokens["pan"].masked == "…4F"
    assert tokens["bank_account"].masked["number"] == "…78"
    assert tokens["pan"].receipt.startswith("rcp_")


def test_payment_opens_what_was_sealed(vault):
    """A value opened under a payment is the one that was sealed, wrapped."""
    tokens = vault.tokenize("cust-1", {"pan": Value("ABCPE1234F"), "bank_account": ACCOUNT})
    with vault.payment(reference="payout-1") as p:
        assert p.open(tokens["pan"].token).reveal_text() == "ABCPE1234F"
        assert p.open(tokens["bank_account"].token).reveal_parts() == ACCOUNT


def test_reference_is_on_record(vault, fake):
    """The reference of the payment stands in the event of each token it opened."""
    token = vault.tokenize("cust-1", {"pan": "ABCPE1234F"})["pan"].token
    with vault.payment("payout-7") as p:
        p.open(token)
    assert fake.events[-1]["reference"] == "payout-7"


def test_masked_forms_are_plain(vault):
    """A masked form is text or parts, not a wrapped value."""
    tokens = vault.tokenize("cust-1", {"pan": "ABCPE1234F", "bank_account": ACCOUNT})
    with vault.payment("payout-1") as p:
        assert p.mask(tokens["pan"].token) == "…4F"
    shown = vault.detokenize([tokens["pan"].token], purpose="payment", reference="p-1", reveal="masked")
    assert shown[0].masked == "…4F"


def test_payment_over_opens_nothing(vault):
    """After its block a payment refuses, and asks the vault nothing."""
    token = vault.tokenize("cust-1", {"pan": "ABCPE1234F"})["pan"].token
    with vault.payment("payout-1") as p:
        pass
    with pytest.raises(Misused, match="payment_over"):
        p.open(token)


def test_each_puts_the_problem_in_its_place(vault):
    """In mode `each` a token that is not there has its problem in its place, and the others their values."""
    token = vault.tokenize("cust-1", {"pan": "ABCPE1234F"})["pan"].token
    with vault.payment("payout-1") as p:
        first, second = p.open_many(["tok_pan_gone", token], mode="each")
    assert first.problem.code == "token_not_found"
    assert first.problem.index == 0
    assert second.problem is None
    assert second.value.reveal() == "ABCPE1234F"


def test_reading_a_missing_result_raises_its_reason(vault):
    """Whoever forgets to look at `problem` gets the matching error, not an attribute that is not there."""
    with vault.payment("payout-1") as p:
        missing = p.open_many(["tok_pan_gone"], mode="each")[0]
    with pytest.raises(NotFound):
        _ = missing.value
    failed = vault.tokenize_many([("cust-1", {"pan": "bad"})], mode="each")[0]["pan"]
    with pytest.raises(InvalidValue):
        _ = failed.token


def test_all_names_the_entry_and_type_at_fault(vault, fake):
    """An `all` request with a bad item fails whole; the error says which entry and which field."""
    entries = [
        ("cust-1", {"pan": "ABCPE1234F", "email": "a@b.in"}),
        ("cust-2", {"email": "c@d.in", "pan": "bad"}),
    ]
    with pytest.raises(InvalidValue) as caught:
        vault.tokenize_many(entries)
    (problem,) = caught.value.errors
    assert (problem.index, problem.type, problem.rule) == (1, "pan", "format")
    assert fake.sealed == {}


def test_another_purpose_is_refused_with_the_rule(vault):
    """A purpose the policy keeps closed raises the policy's rule."""
    with pytest.raises(NotAllowed) as caught:
        vault.detokenize(["tok_pan_x"], purpose="marketing")
    assert caught.value.code == "policy_denied"
    assert caught.value.rule == "marketing: class tax is closed"


def test_inspect_search_erase(vault):
    """The remaining verbs on tokens answer typed results."""
    token = vault.tokenize("cust-1", {"pan": "ABCPE1234F"})["pan"].token
    assert vault.inspect([token])[0].created == datetime(2026, 11, 7, 10, 0, 0, 1, tzinfo=UTC)
    assert vault.inspect(["tok_pan_gone"])[0].problem.code == "token_not_found"
    assert vault.search("pan", "ABCPE1234F").tokens == (token,)
    assert vault.erase([token], reason="case-1")[0].token == token
    with vault.payment("payout-1") as p:
        assert p.open_many([token], mode="each")[0].problem.code == "erased"


def test_events_follow_the_pages(vault):
    """`events` reads page after page to the end, in order."""
    for number in range(5):
        vault.tokenize(f"cust-{number}", {"pan": "ABCPE1234F"})
    assert [event.event_id for event in vault.events(limit=2)] == [f"evt_{n}" for n in range(5)]


def test_fields_and_policy(vault):
    """The catalogue and the policy are typed, with the whole document beside."""
    assert vault.fields()[0].field_class == "tax"
    assert vault.policy().hash == "ab12"
    assert vault.policy().matrix == {("tax", "payment"): "plain"}


def test_bare_text_is_not_a_list_of_tokens(vault, fake):
    """One token where a list belongs is refused before it is spelt out letter by letter."""
    with pytest.raises(Misused):
        vault.inspect("tok_pan_x")
    assert fake.requests == []


def test_closed_client_says_so(vault):
    """A closed client raises our error, not httpx's."""
    vault.close()
    with pytest.raises(Misused, match="closed"):
        vault.fields()


async def test_asyncio_client_does_the_same(waiting):
    """Tokenize, open, refuse and read the log through the asyncio client."""
    token = (await waiting.tokenize("cust-1", {"pan": "ABCPE1234F"}))["pan"].token
    async with waiting.payment("payout-1") as p:
        assert (await p.open(token)).reveal() == "ABCPE1234F"
        assert await p.mask(token) == "…4F"
        assert (await p.open_many(["tok_pan_gone"], mode="each"))[0].problem.code == "token_not_found"
    with pytest.raises(NotAllowed):
        await waiting.detokenize([token], purpose="marketing")
    assert [event.verb async for event in waiting.events(token=token)] == [
        "tokenize", "detokenize", "detokenize", "detokenize",
    ]  # fmt: skip


async def test_asyncio_client_has_every_method_of_the_blocking_one():
    """The two clients offer the same methods, but for closing."""
    blocking = {name for name in dir(Strongroom) if not name.startswith("_")} - {"close"}
    assert blocking == {name for name in dir(AsyncStrongroom) if not name.startswith("_")} - {"aclose"}


RECEIPT = "rcp_" + urlsafe_b64encode(b"\x01" + bytes(range(128))).decode()


@pytest.mark.parametrize("subject", [RECEIPT, event_of(RECEIPT)])
def test_receipt_becomes_a_proof(subject, fake):
    """A receipt, or its event's id, is answered with the log's text; no access token is asked for."""
    asked = []

    def handle(request):
        asked.append((request.url.path, request.headers.get("authorization")))
        return httpx.Response(200, text="c2sp.org/tlog-proof@v1\n")

    transport = httpx.MockTransport(handle)
    with Strongroom("https://vault.test", fake.client_id, fake.secret, transport=transport) as client:
        assert client.proof(subject) == "c2sp.org/tlog-proof@v1\n"
    tenant = fake.client_id.partition(".")[0]
    assert asked == [(f"/v1/log/{tenant}/proof/{shown('evt', bytes(range(16)))}", None)]


async def test_guarded_log_is_asked_with_a_token(fake):
    """Where the log wants an access token it is given one, and what is no text is no proof."""
    answers = [
        httpx.Response(401),
        httpx.Response(200, content=b"c2sp"),
        httpx.Response(200, content=b"\xff"),
    ]
    tokens = []

    def handle(request):
        if request.url.path == "/oauth2/token":
            return fake.handle(request)
        tokens.append("authorization" in request.headers)
        return answers.pop(0)

    transport = httpx.MockTransport(handle)
    async with AsyncStrongroom("https://vault.test", fake.client_id, fake.secret, transport=transport) as it:
        assert await it.proof(RECEIPT) == "c2sp"
        with pytest.raises(ProtocolError):
            await it.proof(RECEIPT)
    assert tokens == [False, True, False]


@pytest.mark.parametrize(
    "text", ["", "evt_", RECEIPT[:-1], RECEIPT + "A", "rcp_" + "A" * 172, "evt_" + "z" * 26, "../x"]
)
def test_what_is_no_receipt_is_not_asked_for(vault, text):
    """Anything but a receipt or an event's id is refused before a request is made of it."""
    with pytest.raises(Misused):
        vault.proof(text)
