"""Claims about access tokens at the door of a plane; most tests play a forger."""

import base64
import hmac
import json
from dataclasses import replace
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys.errors import Sealed
from tests.fakes.authority import ISSUER, World
from vault.errors import Unauthenticated, Unavailable
from vault.service.credentials import grant, revoke, rotate, ungrant
from vault.service.tokens import issue


@pytest.fixture
async def world():
    world = World()
    await world.found()
    yield world
    world.hasher.close()


@pytest.fixture
async def pay(world):
    return await world.credential("pay", "detokenize:payment@payment", "inspect", "erase")


async def buy(world, issued, plane="reveal"):
    form = {
        "grant_type": "client_credentials", "client_id": issued.entry.id,
        "client_secret": issued.secret.reveal(), "scope": plane,
    }  # fmt: skip
    return (await issue(urlencode(form).encode(), None, address="192.0.2.1", desk=world.desk)).text


async def enter(world, token, plane="reveal", door=None):
    door = door or world.authenticator(plane)
    return await door.authenticate(f"Bearer {token}", address="192.0.2.7", request_id="req_9")


async def turned_away(world, token, code="invalid_token", plane="reveal", door=None):
    with pytest.raises(Unauthenticated) as caught:
        await enter(world, token, plane, door)
    assert caught.value.code == code
    assert token not in str(caught.value.detail)


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def parts(token):
    head, body, signature = token.split(".")
    pad = "=="
    return json.loads(base64.urlsafe_b64decode(head + pad)), json.loads(
        base64.urlsafe_b64decode(body + pad)
    ), signature  # fmt: skip


async def signed(world, *, header=None, raw_header=None, **changes):
    """A token with a true signature over whatever the test wants to claim."""
    seconds = world.clock.now() // 1_000_000
    register = (await world.registers.of("acme")).register
    entry = register.find("acme.pay") or register.find("acme.admin")
    claims = {
        "iss": ISSUER, "sub": entry.id, "tenant": "acme", "aud": "reveal", "iat": seconds,
        "exp": seconds + 300, "jti": "00", "reg": register.version, "epoch": entry.epoch,
        "auth_method": "client_secret_post", **changes,
    }  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    head = {"alg": "EdDSA", "typ": "at+jwt", "kid": "authority-v1"} | (header or {})
    head = {name: value for name, value in head.items() if value is not None}
    text = f"{b64(raw_header or json.dumps(head).encode())}.{b64(json.dumps(claims).encode())}"
    _, signature = await world.ring.sign("authority", text.encode())
    return f"{text}.{b64(signature)}"


async def test_the_caller_has_what_the_register_says(world, pay):
    """Who it is, who answers for it, and the rights it has on this plane."""
    caller = await enter(world, await buy(world, pay))
    assert (caller.tenant, caller.credential, caller.person) == ("acme", "acme.pay", "Ravi")
    assert [str(g) for g in caller.grants] == ["detokenize:payment@payment", "inspect"]
    assert (caller.address, caller.request_id) == ("192.0.2.7", "req_9")
    assert caller.auth_method == "client_secret_post"


async def test_a_token_of_another_plane_opens_no_door(world, pay):
    """A token for the office names its bearer on the reveal plane and gives no right there."""
    token = await buy(world, pay, "office")
    assert (await enter(world, token)).grants == ()
    assert (await enter(world, token, "office")).grants != ()


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic eA==", "Bearer ", "Bearer \xe9", "Bearer a.b"])
async def test_no_token_no_entry(world, header):
    """A missing or unreadable header is refused without further work."""
    with pytest.raises(Unauthenticated):
        await world.authenticator("reveal").authenticate(header, address="::1", request_id="r")
    assert all(verb != "public_keys" or n == 1 for verb, _, n in world.ring.calls)


async def test_a_token_ends_after_five_minutes(world, pay):
    """Also when it was verified before and is remembered."""
    token, door = await buy(world, pay), world.authenticator("reveal")
    world.clock.tick(299)
    await enter(world, token, door=door)
    world.clock.tick(1)
    await turned_away(world, token, "token_expired", door=door)
    await turned_away(world, token, "token_expired")


async def test_unsigned_tokens_are_refused(world, pay):
    """alg none, in any spelling, with and without the old signature."""
    _, body, signature = (await buy(world, pay)).split(".")
    for alg in ("none", "None", "NONE", ""):
        head = b64(json.dumps({"alg": alg, "typ": "at+jwt", "kid": "authority-v1"}).encode())
        for tail in ("", signature):
            await turned_away(world, f"{head}.{body}.{tail}")


async def test_the_public_key_is_no_hmac_secret(world, pay):
    """A token HMAC-ed with the public key, raw or as PEM, is refused."""
    token = await buy(world, pay)
    public = (await world.ring.public_keys("authority"))[1]
    _, body, _ = token.split(".")
    head = b64(b'{"alg":"HS256","typ":"at+jwt","kid":"authority-v1"}')
    for key in (public, b64(public).encode()):
        tag = hmac.digest(key, f"{head}.{body}".encode(), "sha256")
        await turned_away(world, f"{head}.{body}.{b64(tag)}")


async def test_a_stranger_signature_is_refused(world, pay):
    """Signed by another Ed25519 key, or with one bit of it turned."""
    claims = jwt.decode(await buy(world, pay), options={"verify_signature": False})
    head = {"kid": "authority-v1", "typ": "at+jwt"}
    await turned_away(world, jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", headers=head))
    head, body, signature = (await buy(world, pay)).split(".")
    await turned_away(world, f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}")
    await turned_away(world, f"{head}.{body}.{b64(bytes(64))}")


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "authority-v2"},
        {"kid": "authority-v01"},
        {"kid": "authority-v0"},
        {"kid": "authority-v-1"},
        {"kid": "authority-v99999999999"},
        {"kid": "worker-v1"},
        {"kid": "../../etc/passwd"},
        {"kid": "authority-v1\n"},
        {"kid": 1},
        {"kid": None},
        {"typ": "JWT"},
        {"typ": None},
        {"alg": "Ed25519"},
        {"alg": "ES256"},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
    ],
)
async def test_a_header_says_exactly_what_ours_say(world, pay, header):
    """No other kid, type or algorithm and no further member, even under a true signature."""
    await turned_away(world, await signed(world, header=header))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "elsewhere"},
        {"aud": ["reveal", "office"]},
        {"aud": ["reveal"]},
        {"aud": None},
        {"iss": "https://other.example"},
        {"iss": None},
        {"sub": None},
        {"sub": "acme.pay\n"},
        {"sub": "other.pay"},
        {"tenant": "other"},
        {"exp": None},
        {"iat": None},
        {"jti": None},
        {"epoch": None},
        {"reg": "1"},
        {"exp": 9_999_999_999},
        {"exp": "9999999999"},
        {"exp": True},
        {"grants": ["detokenize:payment"]},
        {"nbf": 1},
    ],
)
async def test_claims_are_exactly_ours(world, pay, changes):
    """Wrong audience, issuer or subject, a life over five minutes, a missing or extra claim: refused."""
    await turned_away(world, await signed(world, **changes))


async def test_a_token_from_the_future_is_refused(world, pay):
    """A few seconds of skew are tolerated, a minute is not."""
    seconds = world.clock.now() // 1_000_000
    await enter(world, await signed(world, iat=seconds + 4))
    await turned_away(world, await signed(world, iat=seconds + 60, exp=seconds + 90))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 900, b'{"alg":"EdDSA","alg":"x"}']
)
async def test_a_broken_header_is_refused(world, pay, raw):
    """Whatever is not a header of ours is invalid, never an error of ours."""
    await turned_away(world, await signed(world, raw_header=raw or b" "))


async def test_a_long_token_is_refused_unread(world):
    """Size is checked first."""
    await turned_away(world, "a" * 5000 + ".b.c")


async def test_a_register_is_no_token(world, pay):
    """A signature over the authority document cannot be turned into a token, nor the other way round."""
    row = world.store.registers["acme", 1]
    await turned_away(world, f"{b64(row.document[:40])}.{b64(row.document)}.{b64(row.signature)}")


async def test_revoking_takes_effect_on_tokens_already_out(world, pay):
    """Half a second after the commit a valid token is worth nothing, on another worker too."""
    token = await buy(world, pay)
    there = world.authenticator("reveal", world.another_worker())
    await enter(world, token, door=there)
    await revoke("acme.pay", world.admin(), world.control)
    world.clock.tick(0.5)
    await turned_away(world, token, "credential_inactive", door=there)


async def test_rotating_takes_effect_on_tokens_already_out(world, pay):
    """A token bought with the old secret ends with it; one bought with the new works."""
    token = await buy(world, pay)
    new = await world.agreed(await rotate("acme.pay", world.admin(), world.control))
    await turned_away(world, token, "credential_inactive")
    await enter(world, await buy(world, new))


async def test_grants_are_read_anew_with_each_request(world, pay):
    """Taking a grant away, or adding one, counts for tokens already out."""
    token, door = await buy(world, pay), world.authenticator("reveal")
    await ungrant("acme.pay", ["detokenize:payment@payment"], world.admin(), world.control)
    assert [str(g) for g in (await enter(world, token, door=door)).grants] == ["inspect"]
    await world.agreed(await grant("acme.pay", ["search:payment"], world.admin(), world.control))
    assert [str(g) for g in (await enter(world, token, door=door)).grants] == ["inspect", "search:payment"]


async def test_an_expired_credential_is_inactive(world):
    """Its token ends with it, to the microsecond."""
    brief = await world.credential("brief", "inspect", expires_at=world.clock.now() + 500_000)
    token = await buy(world, brief)
    await enter(world, token)
    world.clock.us = brief.entry.expires_at - 1
    await enter(world, token)
    world.clock.us += 1
    await turned_away(world, token, "credential_inactive")


async def test_a_token_newer_than_the_database_is_an_alarm(world, pay):
    """When a fresh worker sees an older register than the token was issued under, the data was set back."""
    token = await buy(world, pay)
    del world.store.registers["acme", 2]
    with pytest.raises(Unavailable) as caught:
        await enter(world, token, door=world.authenticator("reveal", world.another_worker()))
    assert caught.value.code == "authority_tampered"
    assert world.alarms == [("authority_tampered", "acme")]


async def test_a_tampered_register_lets_nobody_in(world, pay):
    """A valid token does not get past a register that does not verify; it is 503, not 401."""
    token = await buy(world, pay)
    register = (await world.registers.of("acme")).register
    await world.forge(replace(register, version=3), signed=False)
    world.clock.tick(1)
    with pytest.raises(Unavailable):
        await enter(world, token)


async def test_tokens_verify_while_the_key_server_is_away(world, pay):
    """The public keys are in memory; only a worker that never saw them must wait."""
    door = world.authenticator("reveal")
    await enter(world, await buy(world, pay), door=door)
    later = await buy(world, pay)
    world.ring.down = Sealed()
    await enter(world, later, door=door)
    with pytest.raises(Unavailable):
        await enter(world, later)


async def test_strangers_cannot_order_key_fetches(world, pay):
    """A thousand tokens with unknown key versions cost the key server one call a second at most."""
    door = world.authenticator("reveal")
    await enter(world, await buy(world, pay), door=door)
    before = len(world.ring.calls)
    forged = [await signed(world, header={"kid": f"authority-v{n}"}) for n in range(2, 50)]
    calls = len(world.ring.calls)
    world.clock.tick(1.5)
    for token in forged:
        await turned_away(world, token, door=door)
    assert calls - before == 48
    assert len(world.ring.calls) - calls == 1


async def test_turned_away_is_counted(world, pay):
    """Bad tokens are counted per address; the credential is named only once its token verified."""
    token = await buy(world, pay)
    await turned_away(world, token + "x")
    await revoke("acme.pay", world.admin(), world.control)
    await turned_away(world, token, "credential_inactive")
    drained = world.failed.drain(now=world.clock.now(), everything=True)
    assert [(f.credential, f.count) for f in drained] == [("", 1), ("acme.pay", 1)]
