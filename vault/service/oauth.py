"""The token endpoint's language: RFC 6749 §2.3, §4.4 and §5.2, RFC 7523 §2.2. Reads requests; pure."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote_plus

from vault.model.secret import Secret

LARGEST_FORM = 16_384
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Method = Literal["client_secret_basic", "client_secret_post", "private_key_jwt"]


class OAuthError(Exception):
    """An error as §5.2 wants it. Its body is `{"error", "error_description"}`, never cached."""

    def __init__(
        self, error: str, description: str, *, status: int = 400, retry_after: int | None = None
    ) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """What goes with it, besides `Cache-Control: no-store`."""
        headers = {}
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="strongroom", charset="UTF-8"'
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return headers


@dataclass(frozen=True, slots=True)
class Proof:
    """How a client says who it is. `client` is its claim: unchecked text."""

    method: Method
    client: str
    proof: Secret[str]
    """The client secret, or the signed assertion."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A well-formed request for a token by client credentials."""

    proof: Proof
    scope: str | None


def invalid_client() -> OAuthError:
    """One answer for every way authentication fails: unknown, revoked, expired, wrong."""
    return OAuthError("invalid_client", "The client is not known or did not prove itself.", status=401)


def read_request(body: bytes, authorization: str | None) -> TokenRequest:
    """Read the body (application/x-www-form-urlencoded) and header of a request. Raises: OAuthError."""
    form = _form(body)
    proof = _proof(form, authorization)
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise _malformed("grant_type is missing.")
    if grant_type != "client_credentials":
        raise OAuthError("unsupported_grant_type", "Only client_credentials is supported.")
    return TokenRequest(proof, form.get("scope"))


def _form(body: bytes) -> dict[str, str]:
    """The parameters; empty ones count as absent and none may stand twice (§3.2)."""
    if len(body) > LARGEST_FORM:
        raise _malformed("The request is too large.")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=32, errors="strict")
    except ValueError:
        raise _malformed("The body is not form-urlencoded.") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise _malformed("A parameter stands twice.")
    return {name: value for name, value in pairs if value}


def _proof(form: Mapping[str, str], authorization: str | None) -> Proof:
    """The one way in which the client authenticates (§2.3: never more than one)."""
    ways = [authorization is not None, "client_secret" in form, "client_assertion" in form]
    if sum(ways) > 1:
        raise _malformed("A client authenticates in one way only.")
    if authorization is not None:
        return _basic(form, authorization)
    if "client_assertion" in form:
        return _assertion(form)
    if "client_secret" in form and "client_id" in form:
        return Proof("client_secret_post", form["client_id"], Secret(form["client_secret"]))
    raise OAuthError("invalid_client", "The client did not authenticate.", status=401)


def _basic(form: Mapping[str, str], authorization: str) -> Proof:
    scheme, _, encoded = authorization.partition(" ")
    try:
        client, colon, secret = b64decode(encoded, validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        raise invalid_client() from None
    if scheme.lower() != "basic" or not colon:
        raise invalid_client()
    # Both halves are form-encoded first (§2.3.1); ours hold nothing that encoding changes, except that
    # some libraries leave that step out: for our alphabets it makes no difference.
    client, secret = unquote_plus(client), unquote_plus(secret)
    if form.get("client_id", client) != client:
        raise _malformed("client_id differs from the authenticated client.")
    return Proof("client_secret_basic", client, Secret(secret))


def _assertion(form: Mapping[str, str]) -> Proof:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise _malformed("client_assertion_type is not jwt-bearer.")
    return Proof("private_key_jwt", form.get("client_id", ""), Secret(form["client_assertion"]))


def _malformed(description: str) -> OAuthError:
    return OAuthError("invalid_request", description)
