"""Every parser: any input is read or refused with our own error, and what is read has one spelling."""

import json
import re
from base64 import urlsafe_b64encode

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keys.answers import decoded, encoded, is_versioned, versioned
from keys.errors import KeysError
from vault.api import bodies, edge
from vault.errors import BadRequest, ServiceError
from vault.log.event import timestamp
from vault.model import canonical, crockford
from vault.model.names import acceptable_reference, read_id, show_id
from vault.model.secret import Secret
from vault.model.token import MalformedToken, mint, parse
from vault.service import access_token, assertions
from vault.service.oauth import OAuthError, read_request
from vault.settings import SettingsError, read_settings

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
EXPECTED = access_token.Expected("strongroom", "reveal")
NOW = 1_800_000_000
CLAIMS = {
    "iss": "strongroom", "sub": "acme.pay", "tenant": "acme", "aud": "reveal", "iat": NOW, "exp": NOW + 300,
    "jti": "0" * 32, "reg": 1, "epoch": "0" * 16, "auth_method": "private_key_jwt",
}  # fmt: skip

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
tokenish = st.from_regex(r"\Atok_[a-z0-9_]{1,33}_[0-9a-z]{26,30}\n?\Z") | st.text(max_size=80)


def to_json(value: object) -> bytes:
    return json.dumps(value).encode()


def mutated(original: str) -> st.SearchStrategy[str]:
    """The original with one stretch replaced."""
    return st.builds(
        lambda start, length, new: original[:start] + new + original[start + length :],
        st.integers(0, len(original)), st.integers(0, 4), st.text(max_size=4),
    )  # fmt: skip


@given(tokenish | mutated(mint("upi_vpa", bytes(range(17)))))
def test_token(text):
    """A text is a token exactly if minting its own parts gives that text."""
    try:
        token = parse(text)
    except MalformedToken:
        return
    body = crockford.decode(text[-28:-2])
    assert mint(token.field_type, (body << 6).to_bytes(17)) == text


@given(st.text(max_size=40) | mutated(show_id("evt", bytes(range(16)))))
def test_identifier(text):
    """What reads as an identifier is shown as the same text."""
    try:
        raw = read_id("evt", text)
    except ValueError:
        return
    assert show_id("evt", raw) == text


@given(st.text(max_size=70))
def test_reference(text):
    """Any text is judged; what is accepted is in the strict alphabet."""
    if acceptable_reference(text):
        assert re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", text, re.ASCII)


@given(st.binary(max_size=60) | anything.map(to_json))
@example(b'{"a":1,"a":1}')
@example(b"[" * 100_000)
@example(b"-0")
@example(b"1.0")
@example(b"1e2")
@example(b"NaN")
@example(b'"\\ud800"')
@example(b'"\\/"')
@example(b"9" * 5_000)
@example(b" 1")
@example(b"\xef\xbb\xbf1")
def test_canonical_json(data):
    """Whatever is read as canonical JSON is written back to the same bytes."""
    try:
        value = canonical.load(data)
    except canonical.NotCanonical:
        return
    assert canonical.dump(value) == data


@given(st.text(max_size=60) | mutated("vault:v1:AAAA"))
def test_wrapped_dek(text):
    """A wrapped DEK is read or refused with our error, and has one spelling."""
    try:
        version, raw = versioned(text)
    except KeysError:
        return
    assert is_versioned(text)
    assert f"vault:v{version}:{encoded(raw)}" == text


@given(st.text(max_size=30))
def test_base64_of_the_key_server(text):
    """Base64 is read in its one spelling."""
    try:
        raw = decoded(text)
    except KeysError:
        return
    assert encoded(raw) == text


KINDS = [
    bodies.TokenizeBody, bodies.DetokenizeBody, bodies.SearchBody, bodies.InspectBody, bodies.EraseBody,
    bodies.EventsBody, bodies.NewCredentialBody, bodies.GrantsBody, bodies.RotateBody, bodies.EmptyBody,
    bodies.PolicyBody,
]  # fmt: skip
members = st.sampled_from(sorted({name for kind in KINDS for name in kind.__struct_fields__} | {"CANARY"}))


@given(
    st.sampled_from(KINDS),
    st.binary(max_size=60) | (anything | st.dictionaries(members, anything)).map(to_json),
)
@example(bodies.SearchBody, b'{"type":"pan","value":' + b"[" * 50_000)
def test_request_body(kind, data):
    """Any body is read or refused with a problem that quotes nothing of it."""
    try:
        bodies.decode(data, kind)
    except ServiceError as problem:
        assert problem.status in (400, 422)
        assert "CANARY" not in f"{problem.detail}{problem.extra}"


@given(st.text(max_size=40) | mutated("2026-11-07T09:30:00Z"))
def test_time(text):
    """Any text is a time with an offset, or a problem; what is read fits an event's identifier."""
    try:
        at = edge.read_time(text, "since")
    except BadRequest as problem:
        assert problem.code == "bad_time"
        return
    assert 0 <= at < 2**56


@given(st.integers(0, 2**56 - 1))
def test_time_we_write_is_read_back(at):
    """Every time in an answer is accepted in a question, to the microsecond."""
    assert edge.read_time(timestamp(at), "since") == at


@given(st.binary(max_size=200), st.none() | st.text(max_size=60))
@example(b"grant_type=client_credentials", "Basic " + "=" * 10)
@example(b"grant_type=client_credentials", "Basic \u0130")
@example(b"&".join(b"a=%d" % n for n in range(100)), None)
@example(b"grant_type=client_credentials&client_id=a%00&client_secret=%ff", None)
def test_token_request(body, authorization):
    """Any form and header are read or refused as RFC 6749 says."""
    try:
        read_request(body, authorization)
    except OAuthError as refusal:
        assert refusal.error in ("invalid_request", "invalid_client", "unsupported_grant_type")


def part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def signed(header: object, body: object) -> str:
    text = f"{part(header)}.{part(body)}"
    return f"{text}.{urlsafe_b64encode(KEY.sign(text.encode())).decode().rstrip('=')}"


HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": "authority-v1"}
GOOD = access_token.signing_input(access_token.Claims(**CLAIMS), key_version=1)
TOKEN = access_token.attach(GOOD, KEY.sign(GOOD))


def read_token(text: str) -> access_token.Claims | None:
    try:
        access_token.key_version(text)
        return access_token.verify(text, KEY.public_key(), EXPECTED)
    except access_token.InvalidToken:
        return None


@given(st.text(max_size=100) | mutated(TOKEN))
def test_access_token(text):
    """Only the one spelling of a signed token is accepted; everything else is an InvalidToken."""
    assert (read_token(text) is not None) == (text == TOKEN)


def test_last_character_of_a_signature_counts():
    """The unused bits of base64url are not a way to spell one token twice."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert [char for char in alphabet if read_token(TOKEN[:-1] + char) is not None] == [TOKEN[-1]]


@given(st.sampled_from([*CLAIMS, "more"]), anything)
def test_signed_claims_of_another_shape(name, value):
    """Even rightly signed, claims that are unknown or of another kind are refused."""
    claims = read_token(signed(HEADER, {**CLAIMS, name: value}))
    assert claims is None or (name in CLAIMS and isinstance(value, type(CLAIMS[name])))


@given(st.sampled_from(["alg", "typ", "kid", "jku", "crit", "b64"]), anything)
@example("alg", "none")
@example("alg", "HS256")
@example("crit", ["exp"])
@example("b64", False)
def test_signed_header_of_another_shape(name, value):
    """A header with anything beside or instead of its three members is refused."""
    assume(HEADER.get(name) != value)
    assert read_token(signed({**HEADER, name: value}, CLAIMS)) is None


@given(anything, anything)
def test_assertion(header, body):
    """A client's assertion of any shape is read or refused with our error."""
    for head in (header, {"alg": "EdDSA"}):
        same = {"sub": body, "iss": body, "jti": body}
        for claims in (body, same, {**_assertion(), "exp": body, "iat": body}):
            try:
                text = signed(head, claims)
            except ValueError:
                continue
            _try(Secret(text))


def _assertion() -> dict[str, object]:
    return {"iss": "acme.pay", "sub": "acme.pay", "aud": "https://v", "exp": NOW + 60, "jti": "j"}


def _try(assertion: Secret[str]) -> None:
    try:
        client = assertions.claimed_client(assertion)
        assertions.verify(
            assertion, KEY.public_key(), client=client, audiences=["https://v"], now=NOW * 1_000_000
        )  # fmt: skip
    except assertions.InvalidAssertion:
        return


def test_a_good_assertion_is_read():
    """The property above reads more than garbage."""
    text = Secret(jwt.encode(_assertion(), KEY, algorithm="EdDSA"))
    assert assertions.claimed_client(text) == "acme.pay"
    found = assertions.verify(
        text, KEY.public_key(), client="acme.pay", audiences=["https://v"], now=NOW * 1_000_000
    )  # fmt: skip
    assert found.expires_at > NOW * 1_000_000


names = st.sampled_from(["DATA_URL", "VAULT_ADDR", "IDENTITIES", "POOL_SIZE", "ISSUER", "OTHER"])


@given(st.dictionaries(names, st.text(max_size=12) | st.sampled_from(["64", "x", "٦٤", "-1", "9" * 5_000])))
def test_settings(given_names):
    """Any environment is read into settings or refused without its values."""
    environment = {f"STRONGROOM_{name}": f"{value}" for name, value in given_names.items()}
    if "OTHER" in given_names:
        environment["STRONGROOM_OTHER"] = "CANARY"
    try:
        settings = read_settings(environment)
    except SettingsError as error:
        assert "CANARY" not in str(error)
        return
    assert 16 <= settings.pool_size <= 16_384
