"""Settings of the client: what is unsafe is refused before anything is sent."""

import ssl

import pytest
from strongroom import Misused, Strongroom
from strongroom.settings import connection, from_environment

SECRET = "srs_secret"


def connect(url="https://vault.test", **options):
    return connection(url, "acme.test", SECRET, options)


@pytest.mark.parametrize(
    "url",
    [
        "http://vault.test",
        "http://10.0.0.1:8000",
        "http://localhost.evil.test",
        "http://127.0.0.1.evil.test",
        "ftp://vault.test",
        "vault.test",
        "",
        "https://",
        "https://user:pass@vault.test",
        "https://vault.test?x=1",
        "https://vault.test#x",
        "https://vault.test:99999999",
        "https://vault..test",
    ],
)
def test_unsafe_or_malformed_address_is_refused(url):
    """Plain http off this machine, credentials in the address and nonsense do not make a client."""
    with pytest.raises(Misused, match="bad_url"):
        connect(url)


@pytest.mark.parametrize(
    "url", ["https://vault.test", "http://localhost:8000/", "http://127.0.0.1:8000", "http://[::1]:80"]
)
def test_https_and_this_machine_are_accepted(url):
    """https anywhere, plain http on loopback."""
    assert connect(url).urls["ingest"].startswith("http")


def test_the_rule_holds_for_every_plane_and_the_token_endpoint():
    """One plane over plain http is one too many."""
    with pytest.raises(Misused):
        connect(planes={"reveal": "http://reveal.test"})
    with pytest.raises(Misused):
        connect(token_url="http://control.test/oauth2/token")
    with pytest.raises(Misused, match="planes are"):
        connect(planes={"revael": "https://reveal.test"})


def test_planes_may_live_apart():
    """A plane without an address of its own is at the vault's; tokens come from control."""
    made = connect("https://vault.test/base/", planes={"control": "https://control.test"})
    assert made.urls["ingest"] == "https://vault.test/base"
    assert made.token_url == "https://control.test/oauth2/token"


def test_a_client_has_one_way_to_authenticate():
    """Neither or both of secret and assertion is a mistake."""
    with pytest.raises(Misused, match="assertion"):
        connection("https://vault.test", "acme.test", None, {})
    with pytest.raises(Misused, match="assertion"):
        connection("https://vault.test", "acme.test", SECRET, {"assertion": str})


def test_secret_with_a_line_break_is_refused_without_quoting_it():
    """A secret read with its newline would be refused by the vault for no visible reason."""
    with pytest.raises(Misused) as caught:
        connection("https://vault.test", "acme.test", f"{SECRET}\n", {})
    assert SECRET not in str(caught.value)


def test_tls_cannot_be_weakened():
    """The context verifies, wants TLS 1.2 at least, and unreadable files are named as such."""
    context = connect().tls
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    for options in ({"verify": "/nowhere/ca.pem"}, {"cert": ("/nowhere/c.pem", "/nowhere/k.pem")}):
        with pytest.raises(Misused, match="cannot be read"):
            connect(**options)


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"deadline": -1.0}, {"attempts": 0}])
def test_limits_are_above_zero(wrong):
    """A timeout of nothing is not a way to wait for ever."""
    with pytest.raises(Misused, match="bad_setting"):
        connect(**wrong)


def test_environment_makes_a_client(tmp_path):
    """Address, credential, planes and TLS files come from STRONGROOM_… variables; the secret from a file."""
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    environ = {
        "STRONGROOM_URL": "https://vault.test",
        "STRONGROOM_CLIENT_ID": "acme.signup",
        "STRONGROOM_CLIENT_SECRET_FILE": str(secret),
        "STRONGROOM_INGEST_URL": "https://ingest.test",
    }
    assert from_environment(environ, {"timeout": 2.0}) == (
        "https://vault.test",
        "acme.signup",
        SECRET,
        {"planes": {"ingest": "https://ingest.test"}, "timeout": 2.0},
    )
    with Strongroom.from_env(environ) as vault:
        assert SECRET not in repr(vault)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"STRONGROOM_URL": ""}, "STRONGROOM_URL"),
        ({"STRONGROOM_CLIENT_SECRET": ""}, "STRONGROOM_CLIENT_SECRET"),
        ({"STRONGROOM_CLIENT_SECRET_FILE": "/nowhere"}, "not both"),
        ({"STRONGROOM_CLIENT_SECRET_FILE": "/nowhere", "STRONGROOM_CLIENT_SECRET": ""}, "cannot be read"),
        ({"STRONGROOM_CERT_FILE": "/c.pem"}, "come together"),
    ],
)
def test_incomplete_environment_names_the_variable(change, names):
    """What is missing or contradictory is named, and the secret is not shown."""
    environ = {
        "STRONGROOM_URL": "https://v.test",
        "STRONGROOM_CLIENT_ID": "a.b",
        "STRONGROOM_CLIENT_SECRET": SECRET,
    }
    with pytest.raises(Misused, match=names) as caught:
        Strongroom.from_env({**environ, **change})
    assert SECRET not in str(caught.value)
