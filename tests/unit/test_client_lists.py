"""Long lists: cut into requests the vault takes, resumable, in order."""

import json

import pytest
from strongroom import InvalidValue, Misused, NotFound, Unavailable
from strongroom.lists import MOST_BYTES, Unit, batches
from strongroom.verbs import Why

from tests.fakes.by_hand import ByHand
from tests.fakes.server import LIMIT_BYTES, FakeVault, busy, dropped


@pytest.fixture
def fake():
    return FakeVault()


@pytest.fixture
def hand(fake):
    return ByHand(fake.handle, attempts=1)


def rows(count):
    return [(f"cust-{n}", {"pan": f"P{n}", "email": f"{n}@b.in"}) for n in range(count)]


def test_long_list_is_cut_and_comes_back_in_order(hand, fake):
    """2,200 fields go out in requests of at most 1,000 and come back each to its own entry."""
    done = []
    tokens = hand.run(hand.verbs.tokenize_many(rows(1_100), progress=lambda *n: done.append(n)))
    sizes = [len(json.loads(request.content)["items"]) for request in fake.asked("/v1/tokenize")]
    assert sizes == [1_000, 1_000, 200]
    assert done == [(500, 1_100), (1_000, 1_100), (1_100, 1_100)]
    assert [fake.sealed[row["email"].token]["value"] for row in tokens] == [f"{n}@b.in" for n in range(1_100)]


def test_large_values_are_cut_by_size(hand, fake):
    """Bodies stay under the vault's limit however large the values, in any script."""
    entries = [(f"cust-{n}", {"postal_address": {"line": "गली" * 5_000}}) for n in range(60)]
    hand.run(hand.verbs.tokenize_many(entries))
    assert len(fake.sealed) == 60
    assert len(fake.asked("/v1/tokenize")) == 3
    assert all(len(request.content) <= LIMIT_BYTES for request in fake.asked("/v1/tokenize"))


def test_entry_is_never_split():
    """All fields of one entry travel in one request."""
    units = [Unit((b"x",) * 3, ("a", "b", "c"))] * 700
    assert [len(batch.units) for batch in batches(units)] == [333, 333, 34]
    assert [len(b.units) for b in batches([Unit((b"x" * MOST_BYTES,))] * 2)] == [1, 1]


def test_each_request_has_its_own_key(hand, fake):
    """Requests of one list never share an idempotency key."""
    hand.run(hand.verbs.tokenize_many(rows(600), key="import-7"))
    keys = [request.headers["idempotency-key"] for request in fake.asked("/v1/tokenize")]
    assert keys == ["import-7", "import-7.1"]


def test_interrupted_list_resumes_under_its_key(hand, fake):
    """A list that broke off is sent again under its key: nothing is sealed twice, and all tokens come."""
    calls = []
    fake.fail("/v1/tokenize", lambda request, serve: serve(), dropped)
    with pytest.raises(Unavailable) as caught:
        hand.run(hand.verbs.tokenize_many(rows(1_100), key="import-7"))
    assert len(caught.value.completed) == 500
    assert caught.value.idempotency_key == "import-7.1"
    tokens = hand.run(
        hand.verbs.tokenize_many(rows(1_100), key="import-7", progress=lambda *n: calls.append(n))
    )
    assert tokens[:500] == list(caught.value.completed)
    assert len(fake.sealed) == 2_200


def test_error_deep_in_a_list_names_its_place(hand):
    """The index of a problem is the place in the caller's list, not in the request it fell into."""
    entries = rows(1_100)
    entries[1_050] = ("cust-x", {"email": "a@b.in", "pan": "bad"})
    with pytest.raises(InvalidValue) as caught:
        hand.run(hand.verbs.tokenize_many(entries))
    assert [(p.index, p.type) for p in caught.value.errors] == [(1_050, "pan")]
    done = hand.run(hand.verbs.tokenize_many(entries, mode="each", key="other"))
    assert done[1_050]["pan"].problem.index == 1_050


def test_many_tokens_open_in_order(hand, fake):
    """2,500 tokens open in three requests, each value with its own token."""
    tokens = [row["pan"].token for row in hand.run(hand.verbs.tokenize_many(rows(2_500)))]
    opened = hand.run(hand.verbs.open(tokens, Why("payment", "payout-1")))
    assert [item.value.reveal() for item in opened] == [f"P{n}" for n in range(2_500)]
    assert len(fake.asked("/v1/detokenize")) == 3
    with pytest.raises(NotFound) as caught:
        hand.run(hand.verbs.open([*tokens[:1_200], "tok_gone"], Why("payment", "payout-1")))
    assert caught.value.errors[0].index == 1_200
    assert len(caught.value.completed) == 1_000


def test_outage_half_way_keeps_what_was_opened(hand, fake):
    """When the vault goes away half-way, what it had released is in the error, wrapped."""
    tokens = [row["pan"].token for row in hand.run(hand.verbs.tokenize_many(rows(1_500)))]
    fake.fail("/v1/detokenize", lambda request, serve: serve(), busy())
    with pytest.raises(Unavailable) as caught:
        hand.run(hand.verbs.open(tokens, Why("payment", "payout-1")))
    assert caught.value.completed[999].value.reveal() == "P999"
    assert "P999" not in repr(caught.value.completed)


def test_nothing_asked_nothing_sent(hand, fake):
    """An empty list answers an empty list without a request; an entry without fields is refused."""
    assert hand.run(hand.verbs.open([], Why("payment", "payout-1"))) == []
    assert hand.run(hand.verbs.tokenize_many([])) == []
    with pytest.raises(Misused, match="empty_entry"):
        hand.run(hand.verbs.tokenize("cust-1", {}))
    assert fake.requests == []


def test_bad_value_at_the_end_of_a_list_is_found_before_the_first_request(hand, fake):
    """A value JSON cannot hold is refused before anything is sent."""
    entries = [*rows(1_100), ("cust-x", {"pan": object()})]
    with pytest.raises(Misused, match="not_json"):
        hand.run(hand.verbs.tokenize_many(entries))
    assert fake.requests == []


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 57])
def test_malformed_key_is_refused(hand, key):
    """A key the vault would refuse is refused here."""
    with pytest.raises(Misused, match="bad_key"):
        hand.run(hand.verbs.tokenize("cust-1", {"pan": "P1"}, key))
