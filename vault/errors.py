"""Every way the service says no. A problem names the rule, never the value.

ServiceError
├─ BadRequest            400  malformed body, bad shape, wrong header
│  ├─ InvalidValue       422  a value breaks its type's rule
│  ├─ KeyReused          422  an idempotency key came back with another body
│  ├─ TooLarge           413  body or list over the limit
│  └─ Unsupported        415  not JSON
├─ Unauthenticated       401  no token, or one that does not verify
├─ Forbidden             403  no such grant, or the policy says no
├─ NotFound              404  unknown token, or another tenant's: one body for both
├─ Conflict              409  name taken, version moved on
│  └─ RecordTampered     409  a sealed record or its key does not authenticate
├─ Erased                410  the record was shredded
├─ Throttled             429  too many requests; `retry_after` seconds
└─ Unavailable           503  nothing was released; `retry_after` seconds
   └─ OutcomeUnknown     503  a commit may or may not have happened; retry with the same key
"""

from collections.abc import Mapping, Sequence


class ServiceError(Exception):
    """Root of the tree. `code` is stable and has a page under docs/errors/."""

    status = 500
    code = "internal"
    title = "Something went wrong inside the vault."

    def __init__(self, code: str | None = None, detail: str | None = None, **extra: str | int) -> None:
        """`detail` is a public sentence; `extra` become members of the problem document."""
        super().__init__(code or type(self).code)
        self.code = code or type(self).code
        self.detail = detail
        self.extra: Mapping[str, str | int] = extra
        self.items: tuple[tuple[int, ServiceError], ...] = ()
        """For a request that fails as a whole: each item's own problem, by position."""
        self.still_applies: tuple[tuple[str, str], ...] | None = None
        """(purpose, basis) of what goes on although a person withdrew or objected."""

    @classmethod
    def of_items(cls, problems: Sequence[tuple[int, "ServiceError"]]) -> "ServiceError":
        """One problem for a whole request: the first item's, with every item's beneath it."""
        first = problems[0][1]
        whole = type(first)(first.code, first.detail, **first.extra)
        whole.still_applies = first.still_applies
        whole.items = tuple(problems)
        return whole

    @property
    def retry_after(self) -> int | None:
        """Seconds for the `Retry-After` header, where waiting helps."""
        value = self.extra.get("retry_after")
        return value if isinstance(value, int) else None


class BadRequest(ServiceError):
    status, code, title = 400, "bad_request", "The request is not what this operation expects."


class InvalidValue(BadRequest):
    status, code, title = 422, "invalid_value", "A value does not satisfy the rules of its type."


class KeyReused(BadRequest):
    status, code = 422, "idempotency_key_reused"
    title = "This Idempotency-Key was used with another body."


class TooLarge(BadRequest):
    status, code, title = 413, "too_large", "The request is larger than the limit."


class Unsupported(BadRequest):
    status, code, title = 415, "unsupported_media_type", "The body must be JSON."


class Unauthenticated(ServiceError):
    status, code, title = 401, "unauthenticated", "A valid access token is required."


class Forbidden(ServiceError):
    status, code, title = 403, "forbidden", "This credential may not do this."


class NotFound(ServiceError):
    status, code, title = 404, "not_found", "There is no such thing here."


class Conflict(ServiceError):
    status, code, title = 409, "conflict", "The state of the vault does not allow this."


class RecordTampered(Conflict):
    code, title = "record_tampered", "The sealed record does not authenticate and was not opened."


class Erased(ServiceError):
    status, code, title = 410, "erased", "The value was erased and cannot be recovered."


class Throttled(ServiceError):
    status, code, title = 429, "throttled", "Too many requests."


class Unavailable(ServiceError):
    status, code, title = 503, "unavailable", "The vault cannot answer now; nothing was released."


class OutcomeUnknown(Unavailable):
    code = "outcome_unknown"
    title = "The outcome is unknown; retry with the same Idempotency-Key."
