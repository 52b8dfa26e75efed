"""The control plane over HTTP: access tokens, credentials, policy."""

import base64
import binascii

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import (
    EmptyBody,
    GrantsBody,
    NewCredentialBody,
    PolicyBody,
    RotateBody,
    decode,
)
from vault.api.proposals import waiting
from vault.api.shown import change, credential, issued
from vault.errors import BadRequest, ServiceError
from vault.policy.rules import Policy, to_dict
from vault.service import credentials, tenants, tokens
from vault.service.amend import Control
from vault.service.authenticate import Authenticator
from vault.service.issuing import Issued
from vault.service.oauth import LARGEST_FORM, OAuthError
from vault.service.proposals import Waiting


class ControlApi:
    """`POST /oauth2/token`, `/v1/credentials…`, `POST /v1/policy/apply`"""

    def __init__(self, authenticator: Authenticator, desk: tokens.Desk, control: Control) -> None:
        self._authenticator = authenticator
        self._desk = desk
        self._control = control

    async def token(self, request: Request) -> Response:
        """RFC 6749 §4.4: client credentials in, an access token for one plane out."""
        try:
            body = await edge.read_body(request, media="application/x-www-form-urlencoded", most=LARGEST_FORM)
            token = await tokens.issue(
                body, request.headers.get("authorization"), address=edge.address(request), desk=self._desk
            )
        except OAuthError as refusal:
            return _refused(refusal)
        except ServiceError as problem:
            return _refused(OAuthError("invalid_request", problem.detail or problem.title))
        answer = edge.answer(token.body())
        answer.headers["pragma"] = "no-cache"  # RFC 6749 §5.1, beside the no-store of every answer
        return answer

    async def create(self, request: Request) -> Response:
        """A new credential, its secret in this answer and nowhere else; 202 when it takes two persons."""
        caller, raw = await edge.received(request, self._authenticator)
        body: NewCredentialBody = decode(raw, NewCredentialBody)
        new = credentials.NewCredential(
            body.name,
            body.person,
            body.grants,
            edge.read_time(body.expires, "expires"),
            _public_key(body.public_key),
        )
        return _done(await credentials.create(new, caller, self._control), 201)

    async def listing(self, request: Request) -> Response:
        """Every credential of the tenant, revoked ones too."""
        caller = await edge.caller(request, self._authenticator)
        entries = await credentials.listing(caller, self._control)
        return edge.answer({"credentials": [credential(entry) for entry in entries]})

    async def grant(self, request: Request) -> Response:
        """Add grants; 202 when that takes two persons."""
        caller, raw = await edge.received(request, self._authenticator)
        body: GrantsBody = decode(raw, GrantsBody)
        name = request.path_params["credential"]
        return _done(await credentials.grant(name, body.grants, caller, self._control))

    async def ungrant(self, request: Request) -> Response:
        """Take grants away."""
        caller, raw = await edge.received(request, self._authenticator)
        body: GrantsBody = decode(raw, GrantsBody)
        name = request.path_params["credential"]
        return edge.answer(credential(await credentials.ungrant(name, body.grants, caller, self._control)))

    async def revoke(self, request: Request) -> Response:
        """End a credential for ever."""
        caller, raw = await edge.received(request, self._authenticator)
        decode(raw, EmptyBody)
        name = request.path_params["credential"]
        return edge.answer(credential(await credentials.revoke(name, caller, self._control)))

    async def rotate(self, request: Request) -> Response:
        """A new secret, or a new public key; the old one stops at once."""
        caller, raw = await edge.received(request, self._authenticator)
        body: RotateBody = decode(raw, RotateBody)
        name = request.path_params["credential"]
        key = _public_key(body.public_key)
        return _done(await credentials.rotate(name, caller, self._control, public_key=key))

    async def apply(self, request: Request) -> Response:
        """Put another policy in force."""
        caller, raw = await edge.received(request, self._authenticator)
        body: PolicyBody = decode(raw, PolicyBody)
        applied = await tenants.apply_policy(body.toml, caller, self._control, base=body.base)
        if isinstance(applied, Waiting):
            return edge.answer(waiting(applied), 202)
        changes = [change(one) for one in applied.changes]
        return edge.answer({"hash": applied.policy.hash, "changes": changes})


def policy_document(policy: Policy) -> dict[str, object]:
    """The policy in force as JSON, with the matrix class × purpose spelled out."""
    matrix = [
        {"class": field_class, "purpose": purpose, "verb": "detokenize", "form": form}
        for (field_class, purpose), form in sorted(policy.matrix.items())
    ]
    return {"hash": policy.hash, "matrix": matrix, "policy": to_dict(policy)}


def _refused(refusal: OAuthError) -> Response:
    body = {"error": refusal.error, "error_description": refusal.description}
    response = edge.answer(body, refusal.status)
    response.headers.update(refusal.headers)
    return response


def _done(done: Issued | Waiting, status: int = 200) -> Response:
    """What was done, or 202: what waits for a second person."""
    if isinstance(done, Waiting):
        return edge.answer(waiting(done), 202)
    return edge.answer(issued(done), status)


def _public_key(text: str | None) -> bytes | None:
    """An Ed25519 public key as base64url of its 32 bytes (the JWK's `x`). Raises: BadRequest."""
    if text is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != 32:
        raise BadRequest("bad_credential", "public_key is the x of an Ed25519 JWK: base64url of 32 bytes.")
    return raw
