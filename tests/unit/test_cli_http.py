"""Claims about commands as clients of the service: whose credential, over what line, which words."""

import json

import httpx
import pytest

from vault.cli import access
from vault.cli.access import Access
from vault.cli.events import told
from vault.cli.failures import CommandError, UsageFault
from vault.cli.http import Api, Problem
from vault.model.secret import Secret

ACCESS = Access("http://127.0.0.1:8080", "acme.admin", Secret("srs_x"))


class Service:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self, *answers, scope="control", unnamed=None):
        self.answers = list(answers)
        self.scope, self.unnamed = scope, unnamed
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        if request.url.path == "/oauth2/token":
            if self.unnamed and b"scope" not in request.content:
                return httpx.Response(400, json=self.unnamed)
            return httpx.Response(200, json={"access_token": "t", "expires_in": 300, "scope": self.scope})
        return self.answers.pop(0)


def api(service):
    """A connection to it."""
    return Api(ACCESS, transport=httpx.MockTransport(service))


def busy():
    """Come again at once."""
    return httpx.Response(
        503, json={"code": "unavailable", "request_id": "req_1"}, headers={"retry-after": "0"}
    )


def test_one_access_token_for_many_calls():
    """The secret travels once; the access token it bought is used until shortly before it ends."""
    service = Service(httpx.Response(200, json={"a": 1}), httpx.Response(200, json={"a": 2}))
    with api(service) as one:
        assert [one.get("/v1/policy"), one.get("/v1/policy")] == [{"a": 1}, {"a": 2}]
    assert [request.url.path for request in service.asked] == ["/oauth2/token", "/v1/policy", "/v1/policy"]
    assert "srs_x" not in str([request.url for request in service.asked])


def test_planes_that_run_apart(tmp_path):
    """Each call goes to its own plane's address, and access tokens come from control's."""
    home = {"STRONGROOM_HOME": str(tmp_path), "STRONGROOM_URL": "https://vault"}
    mine = {"STRONGROOM_CLIENT_ID": "acme.a", "STRONGROOM_CLIENT_SECRET": "x"}
    apart = {"STRONGROOM_AUDIT_URL": "https://audit:8444", "STRONGROOM_CONTROL_URL": "https://control/"}
    found = access.find({**home, **mine, **apart})
    service = Service(httpx.Response(200, json={"events": []}), scope="audit")
    with Api(found, transport=httpx.MockTransport(service)) as one:
        one.post("/v1/events/query", {}, plane="audit")
    asked = [str(request.url) for request in service.asked]
    assert asked == ["https://control/oauth2/token", "https://audit:8444/v1/events/query"]


def test_a_credential_of_several_planes_reads_at_one_of_them():
    """What every plane answers is asked at the first that the credential reaches."""
    refusal = {"error": "invalid_scope", "error_description": "this credential reaches: audit, control."}
    service = Service(httpx.Response(200, json={"fields": []}), scope="audit", unnamed=refusal)
    with api(service) as one:
        assert one.get("/v1/fields") == {"fields": []}
    assert [b"scope=audit" in request.content for request in service.asked] == [False, True, False]


def test_a_problem_is_one_line_with_code_and_request():
    """A refusal says in one line what, by which code, and under which request id it can be found."""
    document = {"code": "no_grant", "title": "t", "detail": "no such right", "request_id": "req_9"}
    with api(Service(httpx.Response(403, json=document))) as one, pytest.raises(Problem) as caught:
        one.get("/v1/credentials")
    assert caught.value.line == "no such right [no_grant, HTTP 403, req_9]"
    assert caught.value.status == 1


def test_only_what_may_be_repeated_is_repeated():
    """A busy service is asked again under an idempotency key, and only then."""
    service = Service(busy(), busy(), httpx.Response(200, json={"items": []}))
    with api(service) as one:
        assert one.post("/v1/tokenize", {}, key="k1") == {"items": []}
    assert {r.headers["idempotency-key"] for r in service.asked if "tokenize" in r.url.path} == {"k1"}
    with api(Service(busy())) as one, pytest.raises(Problem) as caught:
        one.post("/v1/credentials", {})
    assert caught.value.status == 3


@pytest.mark.parametrize("answer", [httpx.Response(502, text="<html>"), httpx.Response(404, json=[1])])
def test_an_answer_that_is_not_the_services_own(answer):
    """A proxy's error page is a failure that says so, not a crash."""
    with api(Service(answer)) as one, pytest.raises(Problem, match="not one of this service's"):
        one.get("/v1/policy")


def test_nobody_there():
    """A vault that is not there is unavailable, status 3."""
    with Api(Access("http://127.0.0.1:1", "a.b", Secret("x"))) as one, pytest.raises(CommandError) as caught:
        one.get("/v1/policy")
    assert caught.value.status == 3


@pytest.mark.parametrize("url", ["http://vault.example.com", "ftp://127.0.0.1", "127.0.0.1:8080", ""])
def test_a_secret_never_travels_in_the_clear(url):
    """Plain HTTP to another machine is refused before anything is sent."""
    with pytest.raises(CommandError, match="https"):
        Api(Access(url, "a.b", Secret("x")))


def test_credential_from_the_environment(tmp_path):
    """URL, id and secret come from the environment; the secret, better, from a file."""
    file = tmp_path / "secret"
    file.write_text("srs_file\n")
    file.chmod(0o600)
    told = {"STRONGROOM_URL": "https://vault", "STRONGROOM_CLIENT_ID": "acme.pay"}
    assert access.find({**told, "STRONGROOM_CLIENT_SECRET": "srs_1"}).secret.reveal() == "srs_1"
    assert access.find({**told, "STRONGROOM_CLIENT_SECRET_FILE": str(file)}).secret.reveal() == "srs_file"
    file.write_text("acme.pay:srs_both\n")
    both = access.find({"STRONGROOM_URL": "https://vault", "STRONGROOM_CLIENT_SECRET_FILE": str(file)})
    assert (both.client_id, both.secret.reveal(), both.tenant) == ("acme.pay", "srs_both", "acme")


def test_a_secret_file_that_others_can_read_is_refused(tmp_path):
    """A secret anybody on the machine can read is not used."""
    file = tmp_path / "secret"
    file.write_text("acme.pay:srs_x")
    file.chmod(0o640)
    with pytest.raises(UsageFault, match="chmod 600"):
        access.find({"STRONGROOM_URL": "https://v", "STRONGROOM_CLIENT_SECRET_FILE": str(file)})


def test_credential_of_a_development_vault(tmp_path):
    """Beside `strongroom dev` no settings are needed: administrator's or, for the log, the auditor's."""
    home = {"STRONGROOM_HOME": str(tmp_path)}
    kept = {"url": "http://127.0.0.1:8080", "client_id": "demo.admin", "client_secret": "srs_a"}
    (tmp_path / "admin.json").write_text(json.dumps(kept))
    assert access.find(home).client_id == "demo.admin"
    assert access.find(home, role="auditor").client_id == "demo.admin"
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "auditor").write_text("demo.auditor:srs_b")
    (tmp_path / "credentials" / "auditor").chmod(0o600)
    assert access.find(home, role="auditor").client_id == "demo.auditor"
    assert access.find(home).client_id == "demo.admin"


def test_half_a_credential(tmp_path):
    """An id without a secret is a mistake, not a reason to use another credential."""
    with pytest.raises(UsageFault, match="belong together"):
        access.find(
            {"STRONGROOM_HOME": str(tmp_path), "STRONGROOM_URL": "https://v", "STRONGROOM_CLIENT_ID": "a.b"}
        )


def test_an_event_on_the_screen():
    """An event reads as who did what for which purpose, and whether it was allowed."""
    event = {
        "time": "2026-11-07T09:30:00.000001Z", "actor": "acme.pay", "verb": "detokenize", "form": "masked",
        "purpose": "payment", "decision": "deny", "reason": "no_grant", "token": "tok_x", "reference": "p-1",
    }  # fmt: skip
    first, second = told(event).plain.split("\n")
    assert first == "2026-11-07 09:30:00 deny  pay detokenize masked for payment (no_grant)"
    assert second.split() == ["tok_x", "p-1"]
