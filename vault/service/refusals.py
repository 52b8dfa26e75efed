"""From a reason to the problem a caller sees. Pure."""

from keys import errors as keys
from vault.errors import (
    BadRequest,
    Conflict,
    Erased,
    Forbidden,
    InvalidValue,
    NotFound,
    RecordTampered,
    ServiceError,
    Unavailable,
)
from vault.model.ask import Denied

_DENIALS: dict[str, type[ServiceError]] = {
    "no_grant": Forbidden,
    "policy_denied": Forbidden,
    "purpose_required": BadRequest,
    "budget_exceeded": Forbidden,
    "outside_hours": Forbidden,
    "credential_frozen": Forbidden,
    "reference_required": BadRequest,
    "malformed_token": InvalidValue,
    "token_not_found": NotFound,
    "erased": Erased,
    "consent_missing": Forbidden,
    "consent_withdrawn": Forbidden,
    "objected": Forbidden,
    "account_closed": Forbidden,
    "record_restricted": Forbidden,
    "record_archived": Forbidden,
    "on_hold": Conflict,
    "two_persons_required": Forbidden,
    "own_request": Forbidden,
    "act_out_of_order": Conflict,
    "decision_moved": Conflict,
    "erasure_forbidden": Conflict,
    "bad_act": BadRequest,
    "bad_decision": BadRequest,
    "state_forbids": Conflict,
    "recipient_not_found": NotFound,
    "recipient_unproven": Conflict,
    "recipient_ended": Forbidden,
    "undertaking_missing": Forbidden,
    "undertaking_expired": Forbidden,
    "not_needed_to_know": Forbidden,
    "country_blocked": Forbidden,
    "safeguard_missing": Forbidden,
    "legal_reference_required": BadRequest,
    "case_not_found": NotFound,
    "case_tampered": Conflict,
    "record_tampered": RecordTampered,
    "record_changed": Conflict,
}


_SHOWN_AS = {"honey_token": "credential_frozen"}
"""Reasons that the log knows and no answer."""


def problem(denied: Denied) -> ServiceError:
    """The problem for a denial: its code, and its rule as the detail."""
    code = _SHOWN_AS.get(denied.code, denied.code)
    shown = _DENIALS[code](code, denied.rule or None)
    if denied.still_applies is not None:
        shown.still_applies = denied.still_applies
    return shown


def refused_before(code: str) -> ServiceError:
    """The problem of an item that a remembered answer refused, though its value would pass today."""
    return _DENIALS.get(code, InvalidValue)(code)


def from_keys(error: keys.KeysError) -> ServiceError:
    """The problem for a failure of key management. Nothing was released."""
    if isinstance(error, keys.Tampered | keys.EnvelopeError):
        return RecordTampered()
    if isinstance(error, keys.Retired):
        return Conflict("key_retired", "The key version that sealed this record was retired.")
    return Unavailable(error.code, retry_after=1 if error.transient else 30)
