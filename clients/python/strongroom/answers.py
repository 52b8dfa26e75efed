"""What the vault's answers mean. Raises only ProtocolError, which quotes nothing: answers hold values."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

import httpx

from strongroom.errors import ClientError, Problem, ProtocolError, refusal
from strongroom.values import Plain

Document = Mapping[str, object]
_PROBLEM = "application/problem+json"
_LONGEST = 300


def document(response: httpx.Response) -> Document:
    """The JSON object of an answer."""
    try:
        body: object = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None  # json's error holds the whole text, so it is left behind here
    if not isinstance(body, dict):
        raise garbage(response)
    return body


def garbage(response: httpx.Response | None = None) -> ProtocolError:
    """The error for an answer that makes no sense."""
    error = ProtocolError()
    if response is not None:
        error.status = response.status_code
        error.request_id = _short(response.headers.get("x-request-id"))
    return error


def text(body: Document, name: str) -> str:
    """A member that must be text."""
    value = body.get(name)
    if not isinstance(value, str):
        raise ProtocolError
    return value


def maybe(body: Document, name: str) -> str | None:
    """A member that may be absent."""
    value = body.get(name)
    return value if isinstance(value, str) else None


def number(body: Document, name: str) -> float:
    """A member that must be a number above 0."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise ProtocolError
    return float(value)


def plain(body: Document, name: str) -> Plain:
    """A value or a mask: one text, or parts that are texts."""
    value = body.get(name)
    if isinstance(value, str):
        return value
    if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
        raise ProtocolError
    return value


def maybe_time(body: Document, name: str) -> datetime | None:
    """A time that may be absent."""
    return time(body, name) if body.get(name) is not None else None


def time(body: Document, name: str) -> datetime:
    """A member that must be a time with its zone."""
    try:
        moment: datetime | None = datetime.fromisoformat(text(body, name))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ProtocolError
    return moment


def maybe_day(body: Document, name: str) -> date | None:
    """A day that may be absent."""
    shown = text(body, name) if body.get(name) is not None else None
    try:
        return date.fromisoformat(shown) if shown is not None else None
    except ValueError:
        pass
    raise ProtocolError


def objects(body: Document, name: str, count: int | None = None) -> list[Document]:
    """A member that must be a list of objects, as many as were asked for."""
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ProtocolError
    if count is not None and len(value) != count:
        raise ProtocolError
    return value


def problem(body: Document, *, index: int | None = None, field_type: str | None = None) -> Problem:
    """A problem document, or the problem of one item."""
    status = body.get("status")
    return Problem(
        code=_short(body.get("code")) or "",
        title=_short(body.get("title")) or "",
        rule=_short(body.get("rule")),
        detail=_short(body.get("detail")),
        status=status if isinstance(status, int) else None,
        index=index,
        type=field_type,
        part=_short(body.get("part")),
    )


def problem_error(response: httpx.Response) -> ClientError:
    """The error an answer stands for that is not a success."""
    if response.headers.get("content-type", "").partition(";")[0].strip().lower() != _PROBLEM:
        return _foreign(response)
    body = document(response)
    error = refusal(replace(problem(body), status=response.status_code))
    error.request_id = maybe(body, "request_id") or _short(response.headers.get("x-request-id"))
    error.retry_after = retry_after(response)
    listed = body.get("errors")
    if isinstance(listed, list):
        error.errors = tuple(_listed(item) for item in listed if isinstance(item, dict))
    return error


def _listed(item: Document) -> Problem:
    index = item.get("index")
    return problem(item, index=index if isinstance(index, int) else None)


def outcome_unknown(response: httpx.Response) -> bool:
    """Whether the vault itself cannot tell if it acted, or somebody between us lost its answer."""
    if response.status_code != 503:
        return response.status_code in {502, 504}
    return b'"outcome_unknown"' in response.content


def retry_after(response: httpx.Response) -> float | None:
    """Seconds of a Retry-After header; its date form, which the vault never sends, is ignored."""
    header = response.headers.get("retry-after", "")
    return float(header) if header.isascii() and header.isdigit() and len(header) < 7 else None


def _foreign(response: httpx.Response) -> ClientError:
    """Somebody between us and the vault answered: its words are not repeated."""
    if response.status_code not in {429, 500, 502, 503, 504}:
        return garbage(response)
    error = refusal(
        Problem("gateway", "A gateway answered in place of the vault.", status=response.status_code)
    )
    error.retry_after = retry_after(response)
    return error


def _short(value: object) -> str | None:
    """Text fit for a log line: printable, and not too long."""
    if not isinstance(value, str):
        return None
    return "".join(char for char in value[:_LONGEST] if char.isprintable())
