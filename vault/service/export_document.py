"""The document of a person's copy, `strongroom-export/1` (docs/EXPORT.md). Pure: no I/O, no clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vault.errors import ServiceError
from vault.fields.catalogue import Catalogue
from vault.log.event import timestamp
from vault.model.ask import Allowed, Caller, Denied
from vault.model.secret import Secret
from vault.policy.consents import basis_in_words, consented
from vault.policy.rules import Policy, Purpose
from vault.service.about import About, Access, Given
from vault.service.asked import Item
from vault.service.catalogue import class_of
from vault.store.consents import Said
from vault.store.notices import Notice
from vault.store.records import Stored

FORMAT = "strongroom-export/1"

Show = Callable[[Secret[bytes]], object]
"""How an opened value, canonical JSON, becomes a member of the document."""


@dataclass(frozen=True, slots=True)
class Made:
    """Who made the copy, when (µs since 1970), and on what ground."""

    caller: Caller
    subject: str
    reference: str
    case: str | None
    at: int
    receipt: str


@dataclass(frozen=True, slots=True)
class Copy:
    """Everything that a copy is written from."""

    made: Made
    policy: Policy
    fields: Catalogue
    items: Sequence[Item]
    about: About


def document(copy: Copy, show: Show) -> dict[str, Any]:
    """The whole document. Every member is always there, and null or empty when there is nothing to tell."""
    made, about = copy.made, copy.about
    said = _latest(about.consents)
    return {
        "format": FORMAT,
        "tenant": made.caller.tenant,
        "subject": made.subject,
        "made": timestamp(made.at),
        "made_by": {"credential": made.caller.credential, "person": made.caller.person},
        "reference": made.reference,
        "case": made.case,
        "receipt": made.receipt,
        "policy": copy.policy.hash,
        "account": {
            "state": "closed" if about.account.closed else "open",
            "since": about.account.since.isoformat() if about.account.since else None,
        },
        "records": [_record(copy, item, item.stored, show) for item in copy.items if item.stored is not None],
        "purposes": [_purpose(copy.policy, one, said) for _, one in sorted(copy.policy.purposes.items())],
        "consents": [_consent(one) for one in about.consents],
        "notices": [_notice(one) for one in about.notices],
        "disclosures": [_disclosure(one) for one in about.disclosures],
        "accesses": [_access(one) for one in about.accesses],
        "accesses_complete": about.complete,
    }


def _record(copy: Copy, item: Item, stored: Stored, show: Show) -> dict[str, Any]:
    """One record: with its value, or with the reason why there is none."""
    missing = without_value(item)
    kept = copy.about.states.get(stored.token) if stored.erased_at is None else None
    until = kept if kept is not None and kept.state == "archived" else None
    return {
        "token": stored.token,
        "type": stored.field_type,
        "title": _title(copy.fields, stored.field_type),
        "class": class_of(copy.fields, stored.field_type),
        "state": stored.state,
        "collected": timestamp(stored.created_at),
        "version": stored.version,
        "notice": stored.notice,
        "kept_until": until.until if until is not None else None,
        "kept_under": until.law if until is not None else None,
        "erased": timestamp(stored.erased_at) if stored.erased_at is not None else None,
        "value": show(item.outcome) if missing is None and isinstance(item.outcome, Secret) else None,
        "without_value": missing,
        "receipt": item.receipt,
    }


def without_value(item: Item) -> str | None:
    """The problem code that says why a record comes without its value; None when it comes with it."""
    if isinstance(item.decision, Denied):
        return item.decision.code
    return item.outcome.code if isinstance(item.outcome, ServiceError) else None


def _title(fields: Catalogue, field_type: str) -> str:
    return fields.get(field_type).title if field_type in fields else field_type


def _purpose(policy: Policy, purpose: Purpose, said: Mapping[str, str]) -> dict[str, Any]:
    """A purpose under the policy in force, and whether it is pursued after what the person said."""
    decision = consented(purpose, said.get(purpose.name))
    return {
        "name": purpose.name,
        "title": purpose.title,
        "basis": purpose.basis,
        "basis_in_words": basis_in_words(purpose),
        "law": purpose.law,
        "opens": {c: form for (c, name), form in sorted(policy.matrix.items()) if name == purpose.name},
        "applies": isinstance(decision, Allowed),
        "stopped_by": decision.code if isinstance(decision, Denied) else None,
    }


def _latest(consents: Sequence[Said]) -> dict[str, str]:
    """{purpose: the latest act on it}"""
    return {one.purpose: one.act for one in sorted(consents, key=lambda one: one.number)}


def _consent(one: Said) -> dict[str, Any]:
    return {
        "purpose": one.purpose,
        "act": one.act,
        "source": one.source,
        "notice": one.notice,
        "given": timestamp(one.given_at),
        "recorded": timestamp(one.recorded_at),
    }


def _notice(one: Notice) -> dict[str, Any]:
    return {
        "notice": one.name,
        "title": one.title,
        "language": one.language,
        "effective": timestamp(one.effective_at),
        "sha256": one.sha256,
        "purposes": list(one.purposes),
    }


def _disclosure(given: Given) -> dict[str, Any]:
    one = given.disclosure
    return {
        "time": timestamp(one.recorded_at),
        "token": one.token,
        "type": one.field_type,
        "recipient": one.recipient,
        "recipient_title": given.title,
        "country": one.country,
        "reference": one.reference,
        "in_log": given.in_log,
    }


def _access(one: Access) -> dict[str, Any]:
    return {
        "time": one.time,
        "verb": one.verb,
        "token": one.token,
        "type": one.field_type,
        "credential": one.credential,
        "person": one.person,
        "purpose": one.purpose,
        "form": one.form,
        "outcome": one.outcome,
    }
