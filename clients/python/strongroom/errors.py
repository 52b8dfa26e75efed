"""Every way a call fails, rebuilt from the vault's problem codes. No error carries a value that was sent.

ClientError
├─ Misused              the call or a setting is wrong; nothing was sent
├─ Unreachable          no answer: nobody there, TLS refused, timed out, connection lost
├─ ProtocolError        an answer that is not the vault's: a proxy's page, a wrong shape
└─ Refused              the vault said no
   ├─ BadRequest        400  malformed, too large (413), not JSON (415)
   │  ├─ InvalidValue   422  a value breaks its type's rule; see `errors`
   │  └─ KeyReused      422  this idempotency key belongs to another body
   ├─ NotAuthenticated  401  the credential or its secret does not hold
   ├─ NotAllowed        403  no such grant; `rule` says which
   │  └─ PolicyDenied   403  granted, but the policy keeps it closed
   ├─ NotFound          404  no such token, or another tenant's
   ├─ Conflict          409  the state of the record does not allow it
   │  └─ Tampered       409  the sealed record does not authenticate: raise the alarm
   ├─ Erased            410  shredded, for ever
   ├─ Throttled         429  too many requests; `retry_after` seconds
   ├─ Faulty            5xx  something broke inside the vault
   └─ Unavailable       503  the vault cannot answer now; nothing was released
      └─ OutcomeUnknown      it may have happened: call again with the same `idempotency_key`
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one item, or with the whole request: codes and rules, never a value."""

    code: str
    title: str = ""
    rule: str | None = None
    """The rule that was broken, or that forbids it."""
    detail: str | None = None
    """A sentence of the vault's."""
    status: int | None = None
    index: int | None = None
    """Place of the entry or token in the list you passed."""
    type: str | None = None
    """Field type of the item, where it has one."""
    part: str | None = None
    """Part of a composite value: `ifsc`, `holder` …"""

    def __str__(self) -> str:
        place = "" if self.index is None else f"[{self.index}]"
        name = ".".join(part for part in (self.type, self.part) if part)
        where = " ".join(part for part in (place, name) if part)
        what = self.rule or self.detail or self.title
        return f"{where}: {self.code}{f' ({what})' if what else ''}" if where else f"{self.code}: {what}"

    def error(self) -> "ClientError":
        """The error to raise for this problem alone."""
        return refusal(self)


class ClientError(Exception):
    """Root of the tree. `code` is stable and has a page in the vault's documentation."""

    code = "client_error"
    title = "The call failed."

    def __init__(self, code: str | None = None, title: str | None = None) -> None:
        super().__init__(code or type(self).code, title or type(self).title)
        self.code = code or type(self).code
        self.title = title or type(self).title
        self.status: int | None = None
        self.rule: str | None = None
        self.detail: str | None = None
        self.request_id: str | None = None
        self.retry_after: float | None = None
        """Seconds the vault asked to be left alone."""
        self.idempotency_key: str | None = None
        """The key this call was made under, for `tokenize` and `erase`."""
        self.errors: tuple[Problem, ...] = ()
        """One problem per item at fault."""
        self.completed: Sequence[object] = ()
        """Results of the requests of a long list that had succeeded before this one failed."""

    def __str__(self) -> str:
        text = f"{self.code}: {self.title}"
        if self.rule or self.detail:
            text += f" ({self.rule or self.detail})"
        if self.errors:
            more = len(self.errors) - 3
            text += f" {'; '.join(map(str, self.errors[:3]))}{f'; and {more} more' if more > 0 else ''}"
        return f"{text} [request {self.request_id}]" if self.request_id else text


class Misused(ClientError, ValueError):
    code, title = "misused", "The call is not one this client can make; nothing was sent."


class Unreachable(ClientError):
    code, title = "unreachable", "The vault did not answer."


class ProtocolError(ClientError):
    code, title = "protocol_error", "The answer is not one a vault gives."


class Refused(ClientError):
    code, title = "refused", "The vault said no."


class BadRequest(Refused):
    code, title = "bad_request", "The request is not what this operation expects."


class InvalidValue(BadRequest):
    code, title = "invalid_value", "A value does not satisfy the rules of its type."


class KeyReused(BadRequest):
    code, title = "idempotency_key_reused", "This idempotency key was used with another body."


class NotAuthenticated(Refused):
    code, title = "unauthenticated", "The vault does not accept this credential."


class NotAllowed(Refused):
    code, title = "forbidden", "This credential may not do this."


class PolicyDenied(NotAllowed):
    code, title = "policy_denied", "The policy keeps this closed."


class NotFound(Refused):
    code, title = "not_found", "There is no such thing here."


class Conflict(Refused):
    code, title = "conflict", "The state of the vault does not allow this."


class Tampered(Conflict):
    code, title = "record_tampered", "The sealed record does not authenticate and was not opened."


class Erased(Refused):
    code, title = "erased", "The value was erased and cannot be recovered."


class Throttled(Refused):
    code, title = "throttled", "Too many requests."


class Faulty(Refused):
    code, title = "internal", "Something went wrong inside the vault."


class Unavailable(Refused):
    code, title = "unavailable", "The vault cannot answer now; nothing was released."


class OutcomeUnknown(Unavailable):
    code, title = "outcome_unknown", "It may have happened; call again with the same idempotency key."


_BY_CODE: dict[str, type[Refused]] = {
    kind.code: kind for kind in (InvalidValue, KeyReused, PolicyDenied, Tampered, Erased, OutcomeUnknown)
}
_BY_STATUS: dict[int, type[Refused]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    410: Erased,
    422: InvalidValue,
    429: Throttled,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def refusal(problem: Problem) -> Refused:
    """The error for a problem: by its code where that has a class of its own, else by its status."""
    status = problem.status or 0
    fallback = Faulty if status >= 500 else BadRequest if status >= 400 else Refused
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(status, fallback)
    error = kind(problem.code or None, problem.title or None)
    error.status, error.rule, error.detail = problem.status, problem.rule, problem.detail
    return error
