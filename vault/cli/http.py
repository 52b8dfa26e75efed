"""The service as its commands see it over HTTP: an access token when one is needed, problems as one line."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx

from vault.cli.access import PLANES, Access
from vault.cli.failures import REFUSED, UNAVAILABLE, CommandError
from vault.cli.serve import is_loopback

_TRIES = 6
_LONGEST_PAUSE = 5.0


class Problem(CommandError):
    """The service said no: its status, stable code and the request's id."""

    def __init__(self, status: int, document: Mapping[str, Any], request_id: str) -> None:
        self.http_status = status
        self.code = str(document.get("code") or document.get("error") or "unexpected_answer")
        self.title = str(document.get("title") or "")
        self.detail = str(document.get("detail") or document.get("error_description") or "")
        self.request_id = request_id
        words = self.detail or self.title or "the answer is not one of this service's"
        line = f"{words} [{self.code}, HTTP {status}, {request_id or 'no request id'}]"
        super().__init__(line, UNAVAILABLE if status in (429, 502, 503, 504) else REFUSED)


@dataclass(frozen=True, slots=True)
class _Token:
    """An access token, the plane it is for, and until when to use it."""

    text: str = field(repr=False)
    plane: str
    until: float


class Api:
    """One credential's connection. Safe for several threads."""

    def __init__(self, access: Access, *, transport: httpx.BaseTransport | None = None) -> None:
        """Raises: CommandError for an address that would show the secret to a network."""
        self.access = access
        self._token_url = access.token_url or f"{_base(access, 'control')}/oauth2/token"
        for url in (access.url, *access.planes.values(), self._token_url):
            _assert_private(url)
        tls = ssl.create_default_context(cafile=access.ca)
        if access.cert is not None:
            tls.load_cert_chain(*access.cert)
        self._client = httpx.Client(timeout=15, trust_env=False, verify=tls, transport=transport)
        self._tokens: dict[str | None, _Token] = {}

    def get(self, path: str, *, plane: str | None = None) -> Any:
        """Read; without `plane`, at whichever the credential reaches. Raises: Problem, CommandError."""
        return self._call("GET", path, None, plane or self._any_plane(), {})

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        plane: str | None = None,
        key: str = "",
        patient: bool = False,
    ) -> Any:
        """Call a verb. With an idempotency `key`, or `patient`, again while the service is busy."""
        headers = {"idempotency-key": key} if key else {}
        return self._call("POST", path, body, plane, headers, tries=_TRIES if key or patient else 1)

    def fetch(self, path: str, *, plane: str) -> bytes:
        """Read what is open to all, with an access token only where one is asked for. Raises: Problem."""
        url = _base(self.access, plane) + path
        response = self._patiently("GET", url)
        if response.status_code == 401:
            signed = {"authorization": f"Bearer {self.token(plane).text}"}
            response = self._patiently("GET", url, headers=signed)
        if not response.is_success:
            _read(response)
        return response.content

    def download(self, path: str, body: Mapping[str, Any], *, plane: str, seconds: float) -> bytes:
        """Call a verb whose answer is a file; once, for each is an access of its own. Raises: Problem."""
        signed = {"authorization": f"Bearer {self.token(plane).text}"}
        url = _base(self.access, plane) + path
        response = self._send("POST", url, json=body, headers=signed, timeout=seconds)
        if not response.is_success:
            _read(response)
        return response.content

    def token(self, plane: str | None = None) -> "_Token":
        """An access token for a plane; None where the grants leave no choice. Raises: Problem."""
        held = self._tokens.get(plane)
        if held is not None and time.monotonic() < held.until:
            return held
        form = {"grant_type": "client_credentials"} | ({"scope": plane} if plane else {})
        auth = (self.access.client_id, self.access.secret.reveal())
        answer = _read(self._send("POST", self._token_url, data=form, auth=auth))
        until = time.monotonic() + int(answer["expires_in"]) - 30
        self._tokens[plane] = _Token(str(answer["access_token"]), str(answer.get("scope") or ""), until)
        return self._tokens[plane]

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, _: type[BaseException] | None, __: object, ___: TracebackType | None) -> None:
        self.close()

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        plane: str | None,
        headers: Mapping[str, str],
        *,
        tries: int = 1,
    ) -> Any:
        token = self.token(plane)
        url = _base(self.access, token.plane) + path
        signed = {"authorization": f"Bearer {token.text}", **headers}
        return _read(self._patiently(method, url, tries=tries, json=body, headers=signed))

    def _patiently(self, method: str, url: str, *, tries: int = _TRIES, **options: Any) -> httpx.Response:
        """The answer, asked for again while the service is busy."""
        for _ in range(tries - 1):
            response = self._send(method, url, **options)
            if response.status_code not in (429, 503):
                return response
            time.sleep(_pause(response))
        return self._send(method, url, **options)

    def _any_plane(self) -> str | None:
        """The one plane this credential reaches, or the first of several. Raises: Problem."""
        try:
            self.token()
        except Problem as problem:
            if problem.code != "invalid_scope":
                raise
            # The refusal names the planes that the credential reaches.
            return next((plane for plane in PLANES if plane in problem.detail), None)
        return None

    def _send(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, url, **options)
        except httpx.TransportError as error:
            raise CommandError(
                f"the vault at {url} cannot be reached ({type(error).__name__})", UNAVAILABLE
            ) from None


def _base(access: Access, plane: str) -> str:
    """Where a plane answers."""
    return access.planes.get(plane, access.url).rstrip("/")


def _assert_private(address: str) -> None:
    url = urlsplit(address)
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname or "")):
        raise CommandError("the vault's address must be https:// (http:// only on loopback)")


def _read(response: httpx.Response) -> Any:
    """The answer's JSON. Raises: Problem."""
    try:
        document = response.json()
    except ValueError:
        document = {}
    if not response.is_success:
        known = document if isinstance(document, dict) else {}
        request_id = str(known.get("request_id") or response.headers.get("x-request-id", ""))
        raise Problem(response.status_code, known, request_id)
    return document


def _pause(response: httpx.Response) -> float:
    text = response.headers.get("retry-after", "")
    return min(float(text) if text.isdigit() else 0.5, _LONGEST_PAUSE)
