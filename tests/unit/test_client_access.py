"""Access tokens of the client: fetched once, renewed in time, never in print."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from strongroom import AsyncStrongroom, NotAllowed, NotAuthenticated, ProtocolError, Strongroom, Unavailable

from tests.fakes.by_hand import ByHand
from tests.fakes.server import TOKEN_PATH, FakeVault, answer, busy, unreachable

URL = "https://vault.test"


def fields(hand):
    return hand.run(hand.verbs.fields("ingest"))


def test_twenty_threads_cause_one_token_fetch():
    """Threads that all find no token wait for the one that fetches it."""
    fake, gate, never = FakeVault(), threading.Barrier(20), threading.Event()

    def handle(request):
        if request.url.path == TOKEN_PATH:
            never.wait(0.05)
        return fake.handle(request)

    with Strongroom(URL, fake.client_id, fake.secret, transport=httpx.MockTransport(handle)) as vault:

        def work(_):
            gate.wait(timeout=10)
            return vault.fields()

        with ThreadPoolExecutor(20) as pool:
            assert len(list(pool.map(work, range(20)))) == 20
    assert len(fake.asked(TOKEN_PATH)) == 1


async def test_twenty_tasks_cause_one_token_fetch():
    """Tasks that all find no token wait for the one that fetches it."""
    fake = FakeVault()

    async def handle(request):
        await asyncio.sleep(0.01)
        return fake.handle(request)

    transport = httpx.MockTransport(handle)
    async with AsyncStrongroom(URL, fake.client_id, fake.secret, transport=transport) as vault:
        await asyncio.gather(*(vault.fields() for _ in range(20)))
    assert len(fake.asked(TOKEN_PATH)) == 1


def test_expired_tokens_of_twenty_threads_are_renewed_once():
    """When the vault refuses a token that many share, one of them renews it for all."""
    fake = FakeVault()
    with Strongroom(URL, fake.client_id, fake.secret, transport=httpx.MockTransport(fake.handle)) as vault:
        vault.fields()
        fake.expire_all()
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda _: vault.fields(), range(20)))
    assert len(fake.asked(TOKEN_PATH)) == 2


def test_a_failed_fetch_is_shared_by_those_who_waited():
    """Callers queueing behind a fetch that fails share its failure; they do not each start their own."""
    fake, gate, never = FakeVault(), threading.Barrier(10), threading.Event()
    asking = []

    def handle(request):
        while len(asking) < 10:  # however slowly the machine wakes its threads
            never.wait(0.01)
        never.wait(0.2)
        return fake.handle(request)

    with Strongroom(URL, "acme.test", "srs_wrong", transport=httpx.MockTransport(handle)) as vault:

        def work(_):
            gate.wait(timeout=10)
            asking.append(1)
            with pytest.raises(NotAuthenticated):
                vault.fields()

        with ThreadPoolExecutor(10) as pool:
            list(pool.map(work, range(10)))
    assert len(fake.asked(TOKEN_PATH)) == 1


def test_token_is_renewed_ahead_of_expiry():
    """A token is renewed before it dies, so that no request is spent on learning of it."""
    fake = FakeVault(expires_in=300)
    hand = ByHand(fake.handle)
    fields(hand)
    hand.now += 269
    fields(hand)
    assert len(fake.asked(TOKEN_PATH)) == 1
    hand.now += 2
    fields(hand)
    assert len(fake.asked(TOKEN_PATH)) == 2
    assert [r.headers["authorization"][-1] for r in fake.asked("/v1/fields")] == ["1", "1", "2"]


def test_living_token_survives_an_outage_of_the_control_plane():
    """While tokens cannot be had, one that still lives goes on being used; a dead one does not."""
    fake = FakeVault(expires_in=300)
    hand = ByHand(fake.handle, attempts=1)
    fields(hand)
    fake.fail(TOKEN_PATH, unreachable, busy())
    hand.now += 280
    fields(hand)
    fields(hand)
    assert len(fake.asked(TOKEN_PATH)) == 2, "it does not ask again at once"
    hand.now += 21
    with pytest.raises(Unavailable):
        fields(hand)


def test_refused_token_is_renewed_once_and_the_call_made_again():
    """A 401 costs one renewal and one repetition, and the caller sees nothing of it."""
    fake = FakeVault()
    hand = ByHand(fake.handle)
    fields(hand)
    fake.expire_all()
    assert fields(hand)
    assert len(fake.asked(TOKEN_PATH)) == 2


def test_revoked_credential_is_not_hammered():
    """A token refused twice raises; there is no loop."""
    fake = FakeVault()
    hand = ByHand(fake.handle)
    refusal = answer(401, b'{"code":"unauthenticated"}', content_type="application/problem+json")
    fake.fail("/v1/fields", refusal, refusal)
    with pytest.raises(NotAuthenticated):
        fields(hand)
    assert len(fake.asked("/v1/fields")) == 2


def test_each_plane_has_its_own_token():
    """A token fetched for one plane is never shown to another."""
    fake = FakeVault()
    hand = ByHand(fake.handle)
    fields(hand)
    hand.run(hand.verbs.policy("audit"))
    assert [r.headers["authorization"] for r in fake.requests if r.method == "GET"] == [
        "Bearer at-ingest-1", "Bearer at-audit-2",
    ]  # fmt: skip


def test_plane_out_of_reach_is_not_allowed():
    """A credential that does not reach a plane learns so as NotAllowed, with OAuth's code."""
    hand = ByHand(FakeVault(planes={"reveal"}).handle)
    with pytest.raises(NotAllowed, match="invalid_scope"):
        fields(hand)


def test_a_frozen_credential_is_told_so():
    """Where a person must look first, the client says so, and not that the grant is missing."""
    fake = FakeVault()
    body = b'{"error": "unauthorized_client", "error_description": "credential_frozen: x"}'
    fake.fail(TOKEN_PATH, answer(403, body, **{"content-type": "application/json"}))
    with pytest.raises(NotAllowed, match="credential_frozen"):
        fields(ByHand(fake.handle))


def test_token_that_would_break_a_header_is_refused():
    """An access token with characters no token has is a protocol error, never put in a header."""
    fake = FakeVault()
    body = b'{"access_token": "a\\r\\nX-Evil: 1", "token_type": "Bearer", "expires_in": 300}'
    fake.fail(TOKEN_PATH, answer(200, body))
    with pytest.raises(ProtocolError):
        fields(ByHand(fake.handle))


def test_assertion_takes_the_place_of_the_secret():
    """With `assertion=` the client proves itself by the JWT it signs for the token endpoint."""
    fake = FakeVault()
    transport = httpx.MockTransport(fake.handle)
    with Strongroom(
        URL, "acme.test", assertion=lambda audience: f"signed:{audience}", transport=transport
    ) as vault:
        assert vault.fields()
    assert b"srs_" not in fake.asked(TOKEN_PATH)[0].content


def test_secret_and_tokens_do_not_print():
    """Neither the client secret nor an access token is in the repr of anything the client holds."""
    fake = FakeVault()
    hand = ByHand(fake.handle)
    fields(hand)
    caller = hand.verbs._caller
    shown = repr([caller._connection, caller._access._held, vars(caller), vars(caller._access)])
    assert fake.secret not in shown
    assert "at-ingest" not in shown
