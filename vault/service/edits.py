"""What a change of authority makes of the register, and whether one person may make it alone. No I/O.

The same for a change made at once and for one that a second person approved.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from vault.errors import BadRequest, Conflict, Forbidden, NotFound
from vault.model.ask import Caller, Grant
from vault.model.grants import needs_two_persons
from vault.model.persons import same_person
from vault.model.proposal import Proposal, state_of
from vault.model.register import CredentialEntry, sort_grants
from vault.policy.diff import diff
from vault.policy.load import from_canonical
from vault.policy.rules import Policy
from vault.service.amend import Edit, NewSecret
from vault.service.registers import Authority


class TwoPersonsNeeded(Exception):  # no error: the change becomes a proposal
    """One person may not make this change alone."""


@dataclass(frozen=True, slots=True)
class Change:
    """A proposal with what carrying it out takes: who does, a new secret if there is one, the time (µs)."""

    proposal: Proposal
    caller: Caller
    now: int
    stored: NewSecret | None = None


def edit(change: Change, authority: Authority) -> Edit:
    """The register with the change. Raises: BadRequest, Forbidden (`own_grants`), NotFound, Conflict."""
    return _EDITS[change.proposal.action](change, authority)


def alone(proposal: Proposal, authority: Authority, caller: Caller) -> bool:
    """Whether one person may do it. Takes what `edit` let pass.

    A new secret for a credential is the credential: whoever gets it can do all it can. So it takes two
    persons as the grants did, unless it stays with the person who answers for it.
    """
    if proposal.action == "policy":
        return not any(one.effect == "widens" for one in diff(authority.policy, policy_of(proposal)))
    entry = authority.entries.get(proposal.credential or "")
    if entry is not None and proposal.action == "rotate":
        return not needs_two_persons(entry.grants) or same_person(entry.person, caller.person)
    held = entry.grants if entry is not None else ()
    return not needs_two_persons(grant for grant in proposal.grants if grant not in held)


def as_seen(proposal: Proposal, authority: Authority) -> Proposal:
    """The proposal, saying what it is to change as it is now."""
    if proposal.action == "policy":
        return replace(proposal, before=authority.policy.hash)
    entry = authority.entries.get(proposal.credential or "")
    if entry is None or proposal.action == "create":
        return proposal
    return replace(proposal, person=entry.person, before=state_of(entry))


def active(authority: Authority, credential: str) -> CredentialEntry:
    """A credential that can be changed. Raises: NotFound, Conflict (`credential_revoked`)."""
    entry = authority.entries.get(credential)
    if entry is None:
        raise NotFound("credential_not_found")
    if entry.status == "revoked":
        raise Conflict("credential_revoked", "A revoked credential stays revoked.")
    return entry


def not_own(entry: CredentialEntry, caller: Caller) -> None:
    """Raises: Forbidden when a credential would change its own grants."""
    if entry.id == caller.credential:
        raise Forbidden("own_grants", "a credential does not change its own grants")


def policy_of(proposal: Proposal) -> Policy:
    """The policy that a proposal puts in force. Raises: PolicyError."""
    return from_canonical(proposal.policy or b"")


def _created(change: Change, authority: Authority) -> Edit:
    new, now = change.proposal, change.now
    if new.credential in authority.entries:
        raise Conflict("credential_exists", "A credential's name is never used again.")
    _check_purposes(new.grants, authority.policy)
    if new.expires_at is not None and new.expires_at <= now:
        raise BadRequest("bad_credential", "the expiry lies in the past")
    entry = CredentialEntry(
        id=new.credential or "",
        person=new.person or "",
        grants=new.grants,
        created_at=now,
        expires_at=new.expires_at,
        secret_sha256=change.stored.sha256 if change.stored else None,
        public_key=new.public_key,
    )
    return Edit(authority.register.put(entry), {}, _secrets(change))


def _granted(change: Change, authority: Authority) -> Edit:
    entry = active(authority, change.proposal.credential or "")
    not_own(entry, change.caller)
    _check_purposes(change.proposal.grants, authority.policy)
    grown = replace(entry, grants=sort_grants((*entry.grants, *change.proposal.grants)))
    return Edit(authority.register.put(grown), {})


def _rotated(change: Change, authority: Authority) -> Edit:
    entry = active(authority, change.proposal.credential or "")
    secret = change.stored.sha256 if change.stored else None
    turned = replace(entry, secret_sha256=secret, public_key=change.proposal.public_key)
    return Edit(authority.register.put(turned), {}, _secrets(change))


def _applied(change: Change, authority: Authority) -> Edit:
    policy = policy_of(change.proposal)
    detail: dict[str, str | int] = {
        "before": authority.policy.hash,
        "changes": len(diff(authority.policy, policy)),
    }
    return Edit(authority.register.with_policy(change.proposal.policy or b""), detail)


_EDITS: Mapping[str, Callable[[Change, Authority], Edit]] = {
    "create": _created,
    "grant": _granted,
    "rotate": _rotated,
    "policy": _applied,
}


def _secrets(change: Change) -> tuple[NewSecret, ...]:
    return (change.stored,) if change.stored else ()


def _check_purposes(grants: tuple[Grant, ...], policy: Policy) -> None:
    """Raises: BadRequest when a new grant names a purpose that the policy does not."""
    if any(grant.purpose is not None and grant.purpose not in policy.purposes for grant in grants):
        raise BadRequest("bad_grant", "the policy has no such purpose")
