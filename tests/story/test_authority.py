"""Rights that change while workers run, and clients that get their tokens by the book."""

import asyncio
import base64
import time
import warnings

import httpx
import jwt
import pytest
from authlib.deprecate import AuthlibDeprecationWarning
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.plugins.world import BANK, World

with warnings.catch_warnings():
    # authlib announces at import that its support of httpx will move; it sets a filter of its own first.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import AsyncOAuth2Client

pytestmark = pytest.mark.asyncio(loop_scope="module")
WITHIN = 1.0
"""Seconds until a change of authority is felt on every worker."""


async def ask(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> int:
    body = {"subject": "cust-1", "items": [{"type": "person_name", "value": "Asha Rao"}]}
    if path != "/v1/tokenize":
        body = {"tokens": ["tok_pan_00000000000000000000000000"]}
    return (await client.post(path, json=body, headers=headers)).status_code


async def settled(client: httpx.AsyncClient, path: str, headers: dict[str, str], status: int) -> float:
    """Seconds until the worker answers with this status; it must be within the promise."""
    started = time.monotonic()
    while await ask(client, path, headers) != status:
        assert time.monotonic() - started < WITHIN
        await asyncio.sleep(0.05)
    return time.monotonic() - started


async def change(service: World, who: str, verb: str, body: dict[str, object]) -> None:
    answer = await service.post(f"/v1/credentials/acme.{who}/{verb}", body, who="admin")
    assert answer.status_code == 200, answer.text


async def test_a_revoked_credential_is_out_on_every_worker_within_a_second(service: World):
    """Its access token still runs, but no worker accepts it any more, and it gets no new one."""
    await service.hire("leaver", ["tokenize"])
    headers = await service.bearer("leaver")
    workers = [service.client, await service.worker(["ingest"])]
    assert [await ask(worker, "/v1/tokenize", headers) for worker in workers] == [200, 200]
    await change(service, "leaver", "revoke", {})
    await asyncio.gather(*(settled(worker, "/v1/tokenize", headers, 401) for worker in workers))
    auth = ("acme.leaver", service.secrets["acme.leaver"])
    form = {"grant_type": "client_credentials"}
    refused = await service.client.post("/oauth2/token", data=form, auth=auth)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused.headers["cache-control"] == "no-store"


async def test_a_grant_taken_away_and_given_bites_within_a_second(service: World):
    """The same access token loses and regains its right on both workers."""
    await service.hire("mover", ["tokenize", "erase"])
    headers = await service.bearer("mover", scope="ingest")
    workers = [service.client, await service.worker(["ingest"])]
    assert [await ask(worker, "/v1/tokenize", headers) for worker in workers] == [200, 200]
    await change(service, "mover", "ungrant", {"grants": ["tokenize"]})
    await asyncio.gather(*(settled(worker, "/v1/tokenize", headers, 403) for worker in workers))
    await change(service, "mover", "grant", {"grants": ["tokenize"]})
    await asyncio.gather(*(settled(worker, "/v1/tokenize", headers, 200) for worker in workers))


async def test_a_rotated_secret_stops_at_once(service: World):
    """After a rotation the old secret gets nothing, the new one does."""
    await service.hire("turner", ["inspect"])
    old = service.secrets["acme.turner"]
    answer = await service.post("/v1/credentials/acme.turner/rotate", {}, who="admin")
    form = {"grant_type": "client_credentials"}
    statuses = [
        (await service.client.post("/oauth2/token", data=form, auth=("acme.turner", secret))).status_code
        for secret in (old, answer.json()["client_secret"])
    ]
    assert statuses == [401, 200]


async def test_no_credential_carries_tokenize_beside_a_verb_that_opens(service: World):
    """Neither when it is made nor by a later grant."""
    both = {"name": "both", "person": "P", "grants": ["tokenize", "detokenize:payment"]}
    refused = await service.post("/v1/credentials", both, who="admin")
    assert (refused.status_code, refused.json()["code"]) in ((400, "bad_grant"), (400, "bad_credential"))
    later = {"grants": ["detokenize:payment"]}
    refused = await service.post("/v1/credentials/acme.signup/grant", later, who="admin")
    assert refused.status_code == 400


async def test_an_administrator_of_one_tenant_is_nobody_in_another(service: World):
    """The administrator of globex neither sees nor changes acme's credentials."""
    refused = await service.post("/v1/credentials/acme.signup/revoke", {}, who="admin", tenant="globex")
    assert refused.status_code == 404
    headers = await service.bearer("admin", "globex")
    listed = (await service.client.get("/v1/credentials", headers=headers)).json()["credentials"]
    assert {entry["credential"].partition(".")[0] for entry in listed} == {"globex"}


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_standard_client_library_gets_its_token(service: World, method):
    """authlib's OAuth 2 client fetches a token by either method and calls the API with it."""
    async with AsyncOAuth2Client(
        "acme.signup",
        service.secrets["acme.signup"],
        token_endpoint_auth_method=method,
        transport=service.client._transport,
    ) as client:
        token = await client.fetch_token("http://vault.test/oauth2/token", grant_type="client_credentials")
        assert token["token_type"] == "Bearer"
        assert 0 < token["expires_in"] <= 300
        body = {"subject": "cust-1", "items": [{"type": "bank_account", "value": BANK}]}
        assert (await client.post("http://vault.test/v1/tokenize", json=body)).status_code == 200


def assertion(key: Ed25519PrivateKey, client: str, **changed: object) -> str:
    now = int(time.time())
    claims = {
        "iss": client,
        "sub": client,
        "aud": "http://127.0.0.1:8080/oauth2/token",
        "iat": now,
        "exp": now + 60,
        "jti": base64.b64encode(key.public_key().public_bytes_raw()).decode() + str(time.time_ns()),
    }
    return jwt.encode(claims | changed, key, algorithm="EdDSA")


async def test_a_client_proves_itself_with_its_own_key_once(service: World):
    """private_key_jwt works, and the same assertion works on no worker a second time."""
    key = Ed25519PrivateKey.generate()
    x = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()
    await service.hire("keyed", ["inspect"], public_key=x)
    workers = [service.client, await service.worker(["control"])]

    async def fetch(worker: httpx.AsyncClient, signed: str) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": signed,
        }
        return await worker.post("/oauth2/token", data=form)

    once = assertion(key, "acme.keyed")
    answers = await asyncio.gather(*(fetch(worker, once) for worker in workers * 2))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    for wrong in (
        assertion(Ed25519PrivateKey.generate(), "acme.keyed"),
        assertion(key, "acme.keyed", aud="http://elsewhere.test/oauth2/token"),
        assertion(key, "acme.keyed", exp=int(time.time()) - 120),
        assertion(key, "acme.payments"),
    ):
        refused = await fetch(service.client, wrong)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


async def test_guessing_a_secret_is_slowed_down(service: World):
    """Wrong secrets all get the same answer, and soon a 429 with the time to wait."""
    form = {"grant_type": "client_credentials"}
    wrong = ("acme.office", "srs_" + "0" * 52)
    answers = [await service.client.post("/oauth2/token", data=form, auth=wrong) for _ in range(12)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert "retry-after" in answers[-1].headers
    assert len({answer.text for answer in answers if answer.status_code == 401}) == 1
