"""Claims about POST /oauth2/token: who gets a token, for what, and what the others learn."""

import asyncio
import base64
import hmac
import time
from dataclasses import replace
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys.errors import Sealed
from tests.fakes.authority import ENDPOINT, ISSUER, START, World
from vault.errors import Unavailable
from vault.service import client_secrets
from vault.service.credentials import revoke, rotate
from vault.service.limiter import Rate
from vault.service.oauth import ASSERTION_TYPE, OAuthError
from vault.service.tokens import issue

HOUR = 3_600_000_000


@pytest.fixture
async def world():
    world = World()
    await world.found()
    yield world
    world.hasher.close()


@pytest.fixture
async def pay(world):
    return await world.credential("pay", "detokenize:payment@payment")


async def ask(world, form, authorization=None, *, address="192.0.2.1", desk=None):
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    return await issue(body, authorization, address=address, desk=desk or world.desk)


def by_post(issued, **other):
    secret = issued.secret.reveal()
    return {
        "grant_type": "client_credentials", "client_id": issued.entry.id, "client_secret": secret, **other,
    }  # fmt: skip


def basic(client, secret):
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


async def refused(world, form, authorization=None, **other) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        await ask(world, form, authorization, **other)
    return caught.value


GRANT = {"grant_type": "client_credentials"}


async def test_a_secret_buys_five_minutes_on_one_plane(world, pay):
    """The token names its plane and lasts five minutes; it says who, not what he may do."""
    token = await ask(world, by_post(pay))
    body = token.body()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 300, "reveal")
    claims = jwt.decode(token.text, options={"verify_signature": False})
    assert (claims["aud"], claims["sub"], claims["iss"]) == ("reveal", "acme.pay", ISSUER)
    assert claims["exp"] - claims["iat"] == 300
    assert "payment" not in str(claims)
    assert jwt.get_unverified_header(token.text) == {
        "alg": "EdDSA", "typ": "at+jwt", "kid": "authority-v1",
    }  # fmt: skip
    assert not token.text.startswith("strongroom/")


async def test_a_token_outlives_no_credential(world):
    """A credential that ends in a minute gets a token for a minute."""
    issued = await world.credential("short", "inspect", expires_at=START + 60_000_000)
    assert (await ask(world, by_post(issued))).expires_in == 60


async def test_basic_authentication_works_encoded_and_plain(world, pay):
    """Both readings of RFC 6749 §2.3.1 that libraries have arrive at the same client."""
    secret = pay.secret.reveal()
    for client in ("acme.pay", "acme%2Epay"):
        assert (await ask(world, GRANT, basic(client, secret))).plane == "reveal"
    assert (await ask(world, GRANT | {"client_id": "acme.pay"}, basic("acme.pay", secret))).plane


@pytest.mark.parametrize(
    "form",
    [
        b"grant_type=client_credentials&grant_type=client_credentials&client_id=a.b&client_secret=x",
        b"client_id=acme.pay&client_secret=x",
        b"\xff\xfe",
        b"grant_type=%ff",
        b"&".join(b"a%d=1" % n for n in range(64)),
        b"x" * 20_000,
        b"grant_type=client_credentials&client_assertion=x&client_id=acme.pay",
        b"grant_type=client_credentials&client_assertion=x&client_secret=x&client_id=acme.pay",
    ],
)
async def test_a_malformed_request_says_so(world, form):
    """Repeated, missing, too many or broken parameters are invalid_request."""
    error = await refused(world, form)
    assert (error.error, error.status) == ("invalid_request", 400)


async def test_two_ways_of_authenticating_are_one_too_many(world, pay):
    """A client that sends a header and a secret in the body is refused (§2.3)."""
    error = await refused(world, by_post(pay), basic("acme.pay", pay.secret.reveal()))
    assert error.error == "invalid_request"


async def test_another_grant_type_is_unsupported(world, pay):
    """Only client credentials are served."""
    error = await refused(world, by_post(pay, grant_type="password"))
    assert error.error == "unsupported_grant_type"


async def test_scope_picks_the_plane(world):
    """A credential that reaches two planes must say which; one it does not reach is refused."""
    issued = await world.credential("both", "inspect", "erase")
    assert (await ask(world, by_post(issued, scope="office"))).plane == "office"
    for scope in (None, "ingest", "reveal office", "nonsense"):
        form = by_post(issued) | ({"scope": scope} if scope else {})
        assert (await refused(world, form)).error == "invalid_scope"


async def strangers(world, pay):
    """Every way of not being who one says, as (form, authorization)."""
    secret, other = pay.secret.reveal(), client_secrets.mint(bytes(32)).reveal()
    gone = await world.credential("gone", "inspect")
    await revoke("acme.gone", world.admin(), world.control)
    late = await world.credential("late", "inspect", expires_at=START + 1)
    world.clock.tick(1)
    keyed = await world.credential("keyed", "inspect", public_key=bytes(32))
    return [
        (by_post(pay, client_secret=other), None),
        (by_post(pay, client_secret="guess"), None),
        (by_post(pay, client_id="acme.nobody"), None),
        (by_post(pay, client_id="nobody.pay"), None),
        (by_post(pay, client_id="no id at all"), None),
        (by_post(gone), None),
        (by_post(late), None),
        (by_post(pay, client_id=keyed.entry.id), None),
        (GRANT, None),
        (GRANT, basic("acme.pay", other)),
        (GRANT, "Basic !!!"),
        (GRANT, "Basic " + base64.b64encode(b"nocolon").decode()),
        (GRANT, f"Bearer {secret}"),
        (GRANT | {"client_id": "acme.pay"}, None),
        (GRANT | {"client_assertion": "x.y.z", "client_assertion_type": ASSERTION_TYPE}, None),
    ]


async def test_every_failure_to_authenticate_looks_the_same(world, pay):
    """Unknown, revoked, expired, wrong: one error, one status, and nobody learns which ids exist."""
    answers = set()
    for form, header in await strangers(world, pay):
        error = await refused(world, form, header)
        assert error.headers["WWW-Authenticate"].startswith("Basic")
        if form != GRANT or header is not None:
            answers.add((error.error, error.status))
    assert answers == {("invalid_client", 401)}


async def test_an_unknown_client_costs_as_much_as_a_known_one(world, pay):
    """A wrong secret is hashed for a client that does not exist, too: time does not tell them apart."""
    wrong = client_secrets.mint(bytes(32)).reveal()

    async def seconds(client):
        start = time.perf_counter()
        await refused(world, by_post(pay, client_id=client, client_secret=wrong))
        return time.perf_counter() - start

    clients = ("acme.pay", "acme.nobody", "nobody.pay")
    rounds = [[await seconds(client) for client in clients] for _ in range(5)]
    spent = [min(tries) for tries in zip(*rounds, strict=True)]
    assert min(spent) > 0.2 * max(spent)


async def test_a_rotated_secret_stops_at_once(world, pay):
    """The old secret buys nothing more, the new one does."""
    new = await world.agreed(await rotate("acme.pay", world.admin(), world.control))
    assert (await refused(world, by_post(pay))).error == "invalid_client"
    assert (await ask(world, by_post(new))).plane == "reveal"


async def test_a_secret_written_by_hand_is_refused(world, pay):
    """Who puts his own hash into the database gets no token, and wakes someone."""
    own = client_secrets.mint(b"x" * 32)
    hashed = await world.hasher.hash(own)
    place = ("acme", "acme.pay", pay.entry.secret_sha256)
    world.store.secrets[place] = hashed
    world.store.secrets["acme", "acme.pay", client_secrets.fingerprint(hashed)] = hashed
    error = await refused(world, by_post(pay, client_secret=own.reveal()))
    assert (error.error, error.status) == ("temporarily_unavailable", 503)
    assert world.alarms == [("authority_tampered", "acme")]


async def test_guessing_is_slowed_down_before_it_costs_anything(world, pay):
    """After the burst the answer is 429 with a wait; honest use from elsewhere is not touched."""
    desk = world.new_desk(per_client=Rate(3, 6.0))
    wrong = by_post(pay, client_secret=client_secrets.mint(bytes(32)).reveal())
    for _ in range(3):
        assert (await refused(world, wrong, desk=desk)).status == 401
    error = await refused(world, wrong, desk=desk)
    assert (error.status, error.headers["Retry-After"]) == (429, "6")
    assert (await refused(world, by_post(pay), desk=desk)).status == 429
    assert (await ask(world, by_post(pay), address="192.0.2.2", desk=desk)).plane == "reveal"
    world.clock.tick(6)
    assert (await ask(world, by_post(pay), desk=desk)).plane == "reveal"


async def test_an_honest_client_is_never_slowed_down(world, pay):
    """Success gives back what the attempt took."""
    desk = world.new_desk(per_client=Rate(1, 600.0), per_address=Rate(1, 600.0))
    for _ in range(3):
        await ask(world, by_post(pay), desk=desk)


async def test_addresses_of_one_ipv6_network_count_as_one(world, pay):
    """A host that commands a whole /64 has one budget."""
    desk = world.new_desk(per_address=Rate(2, 600.0))
    wrong = by_post(pay, client_secret="guess")
    for n in range(2):
        await refused(world, wrong, address=f"2001:db8::{n}", desk=desk)
    assert (await refused(world, wrong, address="2001:db8::ffff", desk=desk)).status == 429
    assert (await refused(world, wrong, address="2001:db8:0:1::1", desk=desk)).status == 401


async def test_a_full_queue_answers_at_once(world, pay):
    """When verifications pile up, the next one is told to come back."""
    verifier = client_secrets.SecretVerifier(random=world.random, queue=2)
    desk = world.new_desk(verifier=verifier)
    tasks = [asyncio.create_task(ask(world, by_post(pay), desk=desk)) for _ in range(6)]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    verifier.close()
    busy = [a for a in answers if isinstance(a, OAuthError)]
    assert 0 < len(busy) < 6
    assert {(a.error, a.status) for a in busy} == {("temporarily_unavailable", 503)}


async def test_failures_are_counted_not_written_one_by_one(world, pay):
    """A flood becomes one line per client, address and minute; what is no id is not kept."""
    for _ in range(5):
        await refused(world, by_post(pay, client_secret="guess"))
    await refused(world, by_post(pay, client_id="ABCDE1234F"))
    assert world.failed.drain(now=world.clock.now()) == []
    world.clock.tick(60)
    drained = world.failed.drain(now=world.clock.now())
    assert [(f.credential, f.address, f.count) for f in drained] == [
        ("", "192.0.2.1", 1),
        ("acme.pay", "192.0.2.1", 5),
    ]
    draft = drained[1].draft()
    assert (draft.caller.tenant, draft.caller.credential, draft.decision) == ("acme", "acme.pay", "deny")
    assert draft.detail == {"count": 5, "minute": "2027-01-15T08:00:00.000000Z"}
    assert world.failed.drain(now=world.clock.now()) == []


async def test_a_flood_of_names_does_not_fill_memory(world):
    """Beyond the limit failures are still counted, but together."""
    for n in range(10_050):
        world.failed.count(f"acme.n{n}", "192.0.2.1", now=START)
    drained = world.failed.drain(now=START, everything=True)
    assert len(drained) <= 10_001
    assert sum(f.count for f in drained) == 10_050


@pytest.mark.parametrize("broken", ["store", "ring"])
async def test_outages_are_told_as_outages(world, pay, broken):
    """When the database or the key server is away nobody is called a stranger."""
    await ask(world, by_post(pay))
    world.clock.tick(1)
    if broken == "store":
        world.store.down = Unavailable("store_unavailable")
    else:
        world.ring.down = Sealed()
    error = await refused(world, by_post(pay))
    assert (error.error, error.status) == ("temporarily_unavailable", 503)
    assert world.failed.drain(now=START, everything=True) == []


async def test_the_key_may_rotate_between_naming_and_signing(world, pay):
    """The token names the version that did sign it."""
    await ask(world, by_post(pay))
    world.ring.rotate_signing("authority")
    token = await ask(world, by_post(pay))
    assert jwt.get_unverified_header(token.text)["kid"] == "authority-v2"


class TestAssertions:
    """private_key_jwt."""

    key = Ed25519PrivateKey.generate()

    @pytest.fixture
    async def keyed(self, world):
        public = self.key.public_key().public_bytes_raw()
        return await world.credential("keyed", "inspect", public_key=public)

    def form(self, world, *, key=None, algorithm="EdDSA", **changes):
        now = world.clock.now() // 1_000_000
        claims = {
            "iss": "acme.keyed", "sub": "acme.keyed", "aud": ENDPOINT, "iat": now, "exp": now + 60,
            "jti": "one", **changes,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        text = jwt.encode(claims, self.key if key is None else key, algorithm=algorithm)
        return GRANT | {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}

    async def test_an_assertion_counts_once(self, world, keyed):
        """The same jti buys one token, on whichever worker; another jti buys another."""
        assert (await ask(world, self.form(world))).plane == "reveal"
        other_worker = replace(world.new_desk(), registers=world.another_worker())
        for desk in (world.desk, other_worker):
            assert (await refused(world, self.form(world), desk=desk)).error == "invalid_client"
        assert (await ask(world, self.form(world, jti="two", aud=[ISSUER]))).plane == "reveal"

    async def test_a_used_jti_is_kept_as_long_as_its_assertion_lives(self, world, keyed):
        """There is no moment at which the row may be gone and the assertion still be good."""
        await ask(world, self.form(world))
        (expires,) = world.store.jtis.values()
        world.clock.us = expires
        world.store.jtis.clear()
        form = self.form(world, iat=START // 1_000_000, exp=START // 1_000_000 + 60)
        assert (await refused(world, form)).error == "invalid_client"

    @pytest.mark.parametrize(
        "changes",
        [
            {"aud": "https://elsewhere.example"},
            {"aud": None},
            {"exp": None},
            {"exp": START // 1_000_000 - 31},
            {"exp": START // 1_000_000 + 4000},
            {"exp": "soon"},
            {"exp": True},
            {"nbf": START // 1_000_000 + 100},
            {"iat": START // 1_000_000 + 100},
            {"jti": None},
            {"jti": ""},
            {"jti": 7},
            {"jti": "x" * 300},
            {"iss": "acme.pay"},
            {"sub": "acme.admin", "iss": "acme.admin"},
            {"sub": "acme.nobody", "iss": "acme.nobody"},
            {"key": Ed25519PrivateKey.generate()},
            {"key": "a-shared-secret-of-32-characters-", "algorithm": "HS256"},
            {"key": "", "algorithm": "none"},
        ],
    )
    async def test_a_doctored_assertion_is_refused(self, world, keyed, changes):
        """Wrong audience, times, issuer, key or algorithm: no token, and the jti stays unused."""
        assert (await refused(world, self.form(world, **changes))).error == "invalid_client"
        assert world.store.jtis == {}

    async def test_the_public_key_is_no_hmac_secret(self, world, keyed):
        """An assertion HMAC-ed with the client's public key is refused."""
        _, body, _ = self.form(world)["client_assertion"].split(".")
        forged = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode() + "." + body
        tag = hmac.digest(self.key.public_key().public_bytes_raw(), forged.encode(), "sha256")
        text = f"{forged}.{base64.urlsafe_b64encode(tag).rstrip(b'=').decode()}"
        assert (await refused(world, self.form(world) | {"client_assertion": text})).error == "invalid_client"

    async def test_client_id_must_agree(self, world, keyed):
        """A client_id beside the assertion names the same client."""
        assert (await refused(world, self.form(world) | {"client_id": "acme.admin"})).status == 401
        assert (await ask(world, self.form(world) | {"client_id": "acme.keyed"})).plane == "reveal"
