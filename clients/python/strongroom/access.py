"""Access tokens: one per plane, fetched once however many ask, renewed ahead of expiry (RFC 6749 §4.4).

While the control plane is out, a token that still lives goes on being used.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import httpx

from strongroom.answers import document, maybe, number, problem_error, retry_after, text
from strongroom.errors import (
    ClientError,
    NotAllowed,
    NotAuthenticated,
    Problem,
    ProtocolError,
    Throttled,
    Unavailable,
    Unreachable,
    refusal,
)
from strongroom.flow import Flow, Lost, alone
from strongroom.settings import Connection, Plane
from strongroom.tries import Tries, attempt, silence

_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{1,8192}=*", re.ASCII)
_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_OUT = (Unreachable, Unavailable, Throttled)
_PATIENCE = 5.0  # seconds between attempts to renew a token that still lives


@dataclass(frozen=True, slots=True)
class Held:
    """A token, when to renew it and when it dies, on the client's own clock."""

    token: str = field(repr=False)
    renew_at: float
    dies_at: float


class Access:
    """The tokens of one credential."""

    def __init__(
        self, connection: Connection, clock: Callable[[], float], tries: Callable[[], Tries]
    ) -> None:
        self._connection, self._clock, self._tries = connection, clock, tries
        self._held: dict[Plane, Held] = {}
        self._failed: dict[Plane, tuple[ClientError, float]] = {}

    def token(self, plane: Plane, *, instead_of: str | None = None) -> Flow[str]:
        """A token for `plane`; never `instead_of`, which the vault has just refused."""
        if not self._good(plane, instead_of):
            yield from alone(plane, self._renew(plane, instead_of, self._clock()))
        return self._held[plane].token

    def _good(self, plane: Plane, refused: str | None) -> bool:
        held = self._held.get(plane)
        return held is not None and held.token != refused and self._clock() < held.renew_at

    def _renew(self, plane: Plane, refused: str | None, asked: float) -> Flow[None]:
        if self._good(plane, refused):  # whoever was here before us has done it
            return
        failed = self._failed.get(plane)
        if failed is not None and failed[1] >= asked:
            # Failed while we waited our turn: asking again, one after the other, would take minutes.
            raise copy(failed[0])
        try:
            self._held[plane] = yield from self._fetch(plane)
        except ClientError as error:
            if not self._spared(plane, refused, error):
                self._failed[plane] = (copy(error), self._clock())
                raise

    def _spared(self, plane: Plane, refused: str | None, error: ClientError) -> bool:
        """Whether the control plane is merely out and the token we hold still lives."""
        held, now = self._held.get(plane), self._clock()
        if not isinstance(error, _OUT) or held is None or held.token == refused or now >= held.dies_at:
            return False
        self._held[plane] = Held(held.token, min(now + _PATIENCE, held.dies_at), held.dies_at)
        return True

    def _fetch(self, plane: Plane) -> Flow[Held]:
        answer = yield from attempt(lambda timeout: self._request(plane, timeout), self._tries())
        if isinstance(answer, Lost):
            raise silence(answer)
        if answer.status_code != 200:
            raise _refused(answer)
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> Held:
        body = document(answer)
        token, seconds = text(body, "access_token"), number(body, "expires_in")
        if not _BEARER.fullmatch(token) or text(body, "token_type").lower() != "bearer":
            raise ProtocolError
        now = self._clock()
        return Held(token, now + seconds - min(30.0, seconds / 5), now + seconds)

    def _request(self, plane: Plane, timeout: httpx.Timeout) -> httpx.Request:
        form = {"grant_type": "client_credentials", "scope": plane}
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        connection = self._connection
        if connection.assertion is not None:
            form["client_id"] = connection.client_id
            form["client_assertion_type"] = _JWT_BEARER
            form["client_assertion"] = connection.assertion(connection.token_url)
        else:
            headers["Authorization"] = _basic(connection.client_id, connection.client_secret or "")
        extensions = {"timeout": timeout.as_dict()}
        return httpx.Request("POST", connection.token_url, data=form, headers=headers, extensions=extensions)


def _basic(client_id: str, secret: str) -> str:
    """RFC 6749 §2.3.1: both halves are form-encoded before they are joined."""
    return f"Basic {b64encode(f'{quote_plus(client_id)}:{quote_plus(secret)}'.encode()).decode()}"


def _refused(answer: httpx.Response) -> ClientError:
    """The errors of RFC 6749 §5.2; anything else is a problem document or no answer of a vault."""
    code = _oauth_code(answer)
    if code is None:
        return problem_error(answer)
    error: ClientError = NotAuthenticated(code)
    if answer.status_code == 403:
        error = NotAllowed("credential_frozen", "This credential is frozen until a person lifts that.")
    elif code in {"invalid_scope", "unauthorized_client"}:
        error = NotAllowed(code, "This credential does not reach this plane.")
    elif answer.status_code == 429 or answer.status_code >= 500:
        error = refusal(Problem(code, status=answer.status_code))
    error.status, error.retry_after = answer.status_code, retry_after(answer)
    return error


def _oauth_code(answer: httpx.Response) -> str | None:
    if answer.headers.get("content-type", "").partition(";")[0] != "application/json":
        return None
    return maybe(document(answer), "error")
