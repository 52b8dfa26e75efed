"""When the client tries again, how long it waits, and what it says when it gives up."""

import pytest
from strongroom import (
    Faulty,
    InvalidValue,
    KeyReused,
    OutcomeUnknown,
    ProtocolError,
    Throttled,
    Unavailable,
    Unreachable,
)
from strongroom.verbs import Why

from tests.fakes.by_hand import ByHand
from tests.fakes.server import FakeVault, answer, busy, dropped, slow, unreachable

PAY = Why("payment", "payout-1")


@pytest.fixture
def fake():
    return FakeVault()


@pytest.fixture
def hand(fake):
    return ByHand(fake.handle)


def tokenize(hand):
    return hand.run(hand.verbs.tokenize("cust-1", {"pan": "ABCPE1234F"}))["pan"]


def open_one(hand, token):
    return hand.run(hand.verbs.open([token], PAY))[0].value.reveal()


@pytest.mark.parametrize(
    "fault", [unreachable, dropped, slow, busy(), busy("outcome_unknown"), answer(502, b"<html>")]
)
def test_tokenize_survives_a_fault_and_seals_once(hand, fake, fault):
    """Whatever went wrong, the repetition under the same key brings one token and one only."""
    fake.fail("/v1/tokenize", fault)
    assert tokenize(hand).token in fake.sealed
    assert len(fake.sealed) == 1
    assert {r.headers["idempotency-key"] for r in fake.asked("/v1/tokenize")} == {"key-1"}


@pytest.mark.parametrize("fault", [unreachable, dropped, busy(), busy("throttled", status=429)])
def test_detokenize_is_tried_again_where_nothing_was_released(hand, fake, fault):
    """A vault that was not reached, broke off or released nothing is asked again."""
    token = tokenize(hand).token
    fake.fail("/v1/detokenize", fault)
    assert open_one(hand, token) == "ABCPE1234F"


@pytest.mark.parametrize("fault", [slow, answer(504, b"late")])
def test_detokenize_is_not_repeated_after_a_time_out(hand, fake, fault):
    """A reveal that may still be under way is not asked for twice: each arrival is an access on record."""
    token = tokenize(hand).token
    fake.fail("/v1/detokenize", fault)
    with pytest.raises((Unreachable, Unavailable)):
        open_one(hand, token)
    assert len(fake.asked("/v1/detokenize")) == 1


@pytest.mark.parametrize(("status", "kind"), [(422, InvalidValue), (500, Faulty)])
def test_a_no_is_a_no(hand, fake, status, kind):
    """Refusals and faults of the vault are not tried again."""
    fake.fail("/v1/tokenize", busy("whatever", status=status))
    with pytest.raises(kind):
        tokenize(hand)
    assert len(fake.asked("/v1/tokenize")) == 1
    assert hand.pauses == []


def test_waits_grow_and_stay_jittered(hand, fake):
    """Backoff doubles, and the number of attempts is bounded."""
    fake.fail("/v1/fields", *[busy(retry_after=None)] * 9)
    with pytest.raises(Unavailable):
        hand.run(hand.verbs.fields("ingest"))
    assert hand.pauses == pytest.approx([0.2, 0.4, 0.8])


def test_retry_after_is_honoured(hand, fake):
    """The client leaves the vault alone for as long as it asks, and a little longer."""
    fake.fail("/v1/fields", busy(retry_after=7))
    hand.run(hand.verbs.fields("ingest"))
    assert hand.pauses[0] >= 7


def test_retry_after_beyond_the_deadline_is_handed_to_the_caller(hand, fake):
    """A wait that the deadline does not allow is not begun; the error says how long it would be."""
    fake.fail("/v1/fields", busy("throttled", status=429, retry_after=120))
    with pytest.raises(Throttled) as caught:
        hand.run(hand.verbs.fields("ingest"))
    assert caught.value.retry_after == 120
    assert hand.pauses == []


def test_deadline_ends_the_attempts(fake):
    """No attempt begins after the deadline, and the last one gets only what is left of it."""
    hand = ByHand(fake.handle, timeout=10.0, deadline=25.0, attempts=9)
    hand.lasts = 9.0
    fake.fail("/v1/fields", *[slow] * 9)
    with pytest.raises(Unreachable, match="timed_out"):
        hand.run(hand.verbs.fields("ingest"))
    assert hand.timeouts[:2] == [10.0, 10.0]
    assert hand.timeouts[-1] < 7.0
    assert len(fake.asked("/v1/fields")) == 2


def test_lost_write_says_the_outcome_is_unknown_and_under_which_key(hand, fake):
    """When every attempt broke off, the caller is told that it may have happened, and keeps the key."""
    fake.fail("/v1/tokenize", dropped, *[unreachable] * 9)
    with pytest.raises(OutcomeUnknown) as caught:
        tokenize(hand)
    assert caught.value.idempotency_key == "key-1"
    fake.faults.clear()
    again = hand.run(hand.verbs.tokenize("cust-1", {"pan": "ABCPE1234F"}, "key-1"))
    assert list(fake.sealed) == [again["pan"].token]


def test_write_that_never_arrived_is_not_called_unknown(hand, fake):
    """Where nobody was ever reached, the error says so."""
    fake.fail("/v1/tokenize", *[unreachable] * 9)
    with pytest.raises(Unreachable) as caught:
        tokenize(hand)
    assert caught.value.code == "unreachable"


def test_key_with_another_body_is_refused(hand):
    """A key that comes back with other values is KeyReused."""
    tokenize(hand)
    with pytest.raises(KeyReused):
        hand.run(hand.verbs.tokenize("cust-1", {"pan": "ABCPE1234G"}, "key-1"))


@pytest.mark.parametrize(
    "fault",
    [
        answer(200, b"<html>welcome to the hotel wifi</html>"),
        answer(200, b"[]"),
        answer(200, b'{"items": []}'),
        answer(200, b'{"items": [{"token": "tok_x", "type": "email", "subject": "cust-1"}]}'),
        answer(200, b'{"items": "' + b"[" * 100_000),
        answer(404, b"<html>no such page</html>"),
        answer(302, b"", location="https://elsewhere.test/v1/tokenize"),
        answer(200, b"\xff\xfe", content_encoding="gzip"),
        answer(403, b"{", content_type="application/problem+json"),
    ],
)
def test_garbage_is_a_protocol_error_with_the_key(hand, fake, fault):
    """An answer no vault gives is a ProtocolError that names the key; redirects are not followed."""
    fake.fail("/v1/tokenize", fault)
    with pytest.raises(ProtocolError) as caught:
        tokenize(hand)
    assert caught.value.idempotency_key == "key-1"
    assert all(request.url.host == "vault.test" for request in fake.requests)


def test_value_under_another_token_is_refused(hand, fake):
    """An answer about another token than the one asked for opens nothing."""
    token = tokenize(hand).token
    body = b'{"items": [{"token": "tok_other", "type": "pan", "value": "XXXPX0000X", "receipt": "rcp_1"}]}'
    fake.fail("/v1/detokenize", answer(200, body))
    with pytest.raises(ProtocolError):
        open_one(hand, token)


def test_page_that_leads_to_itself_is_refused(hand, fake):
    """A log page whose next page is itself does not make the client read for ever."""
    fake.fail("/v1/events/query", answer(200, b'{"events": [], "next": "5"}'))
    with pytest.raises(ProtocolError):
        hand.run(hand.verbs.events({}, "5"))
