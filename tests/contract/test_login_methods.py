"""The three ways to log in, and the wrapped secret id, on a real server over TLS."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from keys.admin import Admin
from keys.errors import KeysError, LoginFailed, Misconfigured, SecretIdStolen, Unreachable
from keys.methods import AppRole, Certificate, Jwt, WrappedAppRole
from keys.nodes import Server
from keys.policies import IDENTITIES
from keys.provision import provision
from keys.selfcheck import assert_least
from keys.transit import Transit
from keys.unwrapping import unwrap
from tests.contract.test_identities import OPERATIONS
from tests.fakes.issuers import CertificateAuthority, TokenIssuer
from tests.fakes.key_server import FakeKeyServer, answer, truncated
from tests.plugins.tls_bao import Logins

ROLE = "strongroom-office"
ME = {"ingest": Jwt, "reveal": Certificate, "office": AppRole}


@pytest.mark.parametrize("name", IDENTITIES)
async def test_start_up_proof_holds_whatever_the_method(logins: Logins, name: str):
    """Logged in by JWT, certificate or AppRole, an identity may do its own and nothing else."""
    identity = logins.identity(name)
    assert isinstance(identity, ME.get(name, Jwt | Certificate | AppRole))
    transit = Transit(logins.server, identity)
    await assert_least(transit, name, ["acme"])
    await transit.aclose()


@pytest.mark.parametrize("name", ["ingest", "reveal"])
def test_live_token_does_only_its_own(logins: Logins, name: str):
    """With the token that a JWT or certificate got, every operation that is another's is 403."""
    admin = Admin.with_identity(logins.server, logins.identity(name))
    found = {one.name: admin.status(one.method, one.path, one.body) for one in OPERATIONS}
    for one in OPERATIONS:
        allowed = found[one.name] in {200, 204, 400} if name in one.may else found[one.name] == 403
        assert allowed, (one.name, found[one.name])


@pytest.mark.parametrize("name", ["ingest", "reveal", "office"])
def test_tokens_are_alike_whatever_the_method(logins: Logins, name: str):
    """Policies, life, kind and networks of a token are the plan's; none has the default policy."""
    token = Admin.with_identity(logins.server, logins.identity(name)).get("auth/token/lookup-self")["data"]
    assert token["policies"] == sorted(["strongroom-guard", f"strongroom-{name}"])
    assert (token["creation_ttl"], token["type"], token["renewable"]) == (1200, "service", True)
    assert token["bound_cidrs"] == ["127.0.0.0/8"]


def test_setting_logins_up_again_changes_nothing(logins: Logins):
    """Provisioning twice finds everything present."""
    report = provision(logins.running.admin, logins.plan)
    assert report.created == report.changed == []


def test_a_role_somebody_widened_is_brought_back(logins: Logins):
    """A role that was given another subject is set right again, and the report says so."""
    admin = logins.running.admin
    path = "auth/jwt/role/strongroom-shredder"
    role = admin.get(path)["data"]
    admin.post(path, role | {"bound_subject": "system:serviceaccount:other:thief"})
    report = provision(admin, logins.plan)
    assert report.changed == ["identity strongroom-shredder (jwt)"]
    assert admin.get(path)["data"]["bound_subject"] == "system:serviceaccount:strongroom:shredder"


async def refusal(logins: Logins, identity: AppRole | Jwt | Certificate) -> type[KeysError]:
    """What a login with this meets; nothing in it tells a token."""
    transit = Transit(logins.server, identity, deadline=1.5)
    with pytest.raises(KeysError) as caught:
        await transit.key_settings("log")
    await transit.aclose()
    assert "eyJ" not in repr(caught.value) + str(caught.value.__context__)
    return type(caught.value)


SUBJECT = "system:serviceaccount:strongroom:ingest"
BAD_TOKENS: dict[str, Callable[[TokenIssuer], str]] = {
    "another subject": lambda issuer: issuer.issue("system:serviceaccount:strongroom:reveal"),
    "another audience": lambda issuer: issuer.issue(SUBJECT, aud=["https://kubernetes.default.svc"]),
    "no audience": lambda issuer: issuer.issue(SUBJECT, aud=[]),
    "another issuer": lambda issuer: issuer.issue(SUBJECT, iss="https://elsewhere.example"),
    "expired": lambda issuer: issuer.issue(SUBJECT, exp=int(time.time()) - 600, nbf=int(time.time()) - 900),
    "another key": lambda _: TokenIssuer().issue(SUBJECT),
    "no signature": lambda issuer: issuer.issue(SUBJECT).rsplit(".", 1)[0] + ".AAAA",
}


@pytest.mark.parametrize("flaw", BAD_TOKENS)
async def test_another_token_lets_nobody_in(logins: Logins, flaw: str, tmp_path: Path):
    """A token of another subject, audience, issuer, key or time is refused as an identity, not retried."""
    path = tmp_path / "token"
    path.write_text(BAD_TOKENS[flaw](logins.issuer))
    assert await refusal(logins, Jwt("strongroom-ingest", path)) is LoginFailed


async def test_a_token_is_no_good_for_another_role(logins: Logins):
    """Ingest's own token does not open reveal's or the shredder's role."""
    for role in ("strongroom-shredder", "strongroom-reveal", "strongroom-office"):
        assert await refusal(logins, Jwt(role, logins.folder / "ingest.jwt")) is LoginFailed


async def test_another_certificate_lets_nobody_in(logins: Logins, tmp_path: Path):
    """A certificate of another name, another authority or of yesterday is refused; so is none at all."""
    stranger, late, foreign = (tmp_path / one for one in ("stranger", "late", "foreign"))
    for folder in (stranger, late, foreign):
        folder.mkdir()
    name = "reveal.strongroom.example"
    tries = [
        Certificate(*logins.authority.issue(stranger, "thief.strongroom.example")),
        Certificate(*logins.authority.issue(stranger, "thief.strongroom.example"), "strongroom-reveal"),
        Certificate(*logins.authority.issue(late, name, valid=timedelta(hours=-1)), "strongroom-reveal"),
        Certificate(*CertificateAuthority().issue(foreign, name), "strongroom-reveal"),
        replace(logins.identity("reveal"), role="strongroom-sequencer"),
    ]
    assert [await refusal(logins, one) for one in tries] == [LoginFailed] * len(tries)


async def test_a_certificate_renewed_on_disk_is_the_one_shown(logins: Logins, tmp_path: Path):
    """After the files change, and the old token is gone, the next login shows the new certificate."""
    files = logins.authority.issue(tmp_path, "reveal.strongroom.example")
    transit = Transit(logins.server, Certificate(*files, "strongroom-reveal"))
    await transit.key_settings("log")
    wrong = logins.authority.issue(tmp_path, "thief.strongroom.example")
    for old, new in zip(files, wrong, strict=True):
        new.replace(old)
    logins.running.admin.post("sys/leases/revoke-prefix/auth/cert/login")
    with pytest.raises(LoginFailed):
        await transit.key_settings("log")
    logins.authority.issue(tmp_path, "reveal.strongroom.example")
    transit._login._closed_until = 0.0  # the pause after a refused login is not what is tested here
    await transit.key_settings("log")
    await transit.aclose()


def test_a_renewal_under_another_certificate_is_a_new_login(logins: Logins, tmp_path: Path):
    """The server does not renew for another certificate than logged in; then the new one logs in."""
    files = logins.authority.issue(tmp_path, "reveal.strongroom.example")
    clock = [1000.0]
    admin = Admin.with_identity(logins.server, Certificate(*files, "strongroom-reveal"))
    login = admin._sender
    login._clock = lambda: clock[0]
    first = admin.get("auth/token/lookup-self")["data"]["id"]
    logins.authority.issue(tmp_path, "reveal.strongroom.example")
    login._wire.close()
    clock[0] += 500
    second = admin.get("auth/token/lookup-self")["data"]["id"]
    assert second != first


def test_nothing_reaches_a_server_of_another_authority(logins: Logins, tmp_path: Path):
    """Whichever method: a server whose certificate is not trusted gets no credential."""
    (tmp_path / "other.pem").write_bytes(CertificateAuthority().pem)
    before = logins.running.audit_log.read_bytes().count(b"/login")
    for name in ME:
        admin = Admin.with_identity(
            replace(logins.server, ca=str(tmp_path / "other.pem")), logins.identity(name)
        )
        with pytest.raises(Misconfigured, match="not trusted"):
            admin.get("auth/token/lookup-self")
    assert logins.running.audit_log.read_bytes().count(b"/login") == before


@pytest.fixture
def wrapped(logins: Logins) -> WrappedAppRole:
    """Office's secret id in a wrapping."""
    found = logins.identity("office", wrap_ttl=60)
    assert isinstance(found, WrappedAppRole)
    return found


def test_a_wrapping_opens_once(logins: Logins, wrapped: WrappedAppRole):
    """What comes out logs in; a second opening is theft, whoever opened it first."""
    whole = unwrap(wrapped, logins.server, role=ROLE)
    assert Admin.with_identity(logins.server, whole).get("auth/token/lookup-self") is not None
    with pytest.raises(SecretIdStolen) as caught:
        unwrap(wrapped, logins.server, role=ROLE)
    assert wrapped.wrapped_secret_id not in repr(caught.value)
    log = logins.running.audit_log.read_bytes()
    assert whole.secret_id.encode() not in log
    assert wrapped.wrapped_secret_id.encode() not in log


def test_a_wrapping_made_for_something_else_is_not_opened(logins: Logins, wrapped: WrappedAppRole):
    """A wrapping of another role's secret id, or of anything else, is theft, and stays shut."""
    other = logins.running.admin.wrapped("sys/wrapping/wrap", seconds=60)
    for one, role in ((wrapped, "strongroom-reveal"), (replace(wrapped, wrapped_secret_id=other), ROLE)):
        with pytest.raises(SecretIdStolen, match="not made for"):
            unwrap(one, logins.server, role=role)
    unwrap(wrapped, logins.server, role=ROLE)


def test_a_wrapping_that_ran_out_is_treated_as_stolen(logins: Logins):
    """After its time nobody can say whether it was opened: the start is refused all the same."""
    late = logins.identity("office", wrap_ttl=1)
    time.sleep(1.2)
    with pytest.raises(SecretIdStolen, match="run out"):
        unwrap(late, logins.server, role=ROLE)


def test_a_lost_answer_is_not_asked_for_again():
    """When the opening's answer is lost, no other node is asked: that would look like theft."""
    made_at = {"creation_path": f"auth/approle/role/{ROLE}/secret-id"}
    nodes = [FakeKeyServer(), FakeKeyServer()]
    for one in nodes:
        one.wrapping = answer(200, {"data": made_at})
        one.behaviour = truncated(b'{"data":')
    with pytest.raises(Unreachable):
        unwrap(WrappedAppRole("r", "s.w"), Server(",".join(one.addr for one in nodes)), role=ROLE)
    assert [one.asked("sys/wrapping/unwrap") for one in nodes] == [1, 0]
    for one in nodes:
        one.close()


@pytest.mark.parametrize("name", ["ingest", "reveal", "office"])
async def test_nothing_ambient_is_used(
    logins: Logins, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Proxies, tokens, namespaces and netrc of the surroundings go nowhere, whichever the method."""
    trap = FakeKeyServer()
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "VAULT_ADDR", "BAO_ADDR"):
        monkeypatch.setenv(variable, trap.addr)
    for variable in ("VAULT_TOKEN", "BAO_TOKEN", "VAULT_NAMESPACE", "VAULT_CLIENT_CERT"):
        monkeypatch.setenv(variable, "ambient")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.devnull)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ambient password ambient\n")
    (tmp_path / ".vault-token").write_text("ambient")
    monkeypatch.setenv("HOME", str(tmp_path))
    transit = Transit(logins.server, logins.identity(name))
    await transit.key_settings("log")
    await transit.aclose()
    assert trap.requests == []
    trap.close()
    entries = logins.running.audit_log.read_bytes().splitlines()[-2:]
    assert not any("ambient" in json.dumps(json.loads(one)) for one in entries)
