"""A change of authority that takes two persons, as one proposes and another approves it. Pure.

Its bytes are canonical JSON; their SHA-256 is what an approval names, so that nobody approves anything else.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from vault.model import canonical
from vault.model.ask import Grant
from vault.model.grants import GrantError, parse_grant
from vault.model.names import CREDENTIAL, TENANT
from vault.model.register import CredentialEntry, acceptable_person, show_key, sort_grants

DAYS = 7
LASTS = DAYS * 86_400_000_000
"""µs that a proposal can be approved for."""

Action = Literal["create", "grant", "rotate", "policy"]
_MEMBERS = {
    "v", "tenant", "action", "credential", "person", "grants", "expires_at", "public_key", "before", "policy",
}  # fmt: skip
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class ProposalError(ValueError):
    """The bytes are not a proposal. Never carries the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is to become of a credential, or of the policy. What does not apply is None."""

    tenant: str
    action: Action
    credential: str | None = None
    person: str | None = None
    """The human answerable for the credential."""
    grants: tuple[Grant, ...] = ()
    """All of them for `create`, those to be added for `grant`; sorted."""
    expires_at: int | None = None
    public_key: bytes | None = None
    before: str | None = None
    """SHA-256 (hex) of what is to be changed as the proposer saw it: it must still be so at the approval."""
    policy: bytes | None = None
    """Canonical JSON of the policy."""

    @property
    def verb(self) -> str:
        """The grant that proposing and approving take."""
        return "policy" if self.action == "policy" else "credentials"

    @property
    def sha256(self) -> str:
        """What an approval names."""
        return sha256(to_bytes(self)).hexdigest()


def state_of(entry: CredentialEntry) -> str:
    """SHA-256 (hex) of a credential as it is: person, grants, end, status and what it proves itself with."""
    grants = [str(grant) for grant in entry.grants]
    state = [entry.id, entry.person, grants, entry.expires_at, entry.status, entry.epoch]
    return sha256(canonical.dump(state)).hexdigest()


def to_bytes(proposal: Proposal) -> bytes:
    """The document that is hashed and stored."""
    return canonical.dump(
        {
            "v": 1,
            "tenant": proposal.tenant,
            "action": proposal.action,
            "credential": proposal.credential,
            "person": proposal.person,
            "grants": [str(grant) for grant in proposal.grants],
            "expires_at": proposal.expires_at,
            "public_key": None if proposal.public_key is None else show_key(proposal.public_key),
            "before": proposal.before,
            "policy": None if proposal.policy is None else canonical.load(proposal.policy),
        }
    )


def from_bytes(document: bytes) -> Proposal:
    """Read what `to_bytes` wrote. Raises: ProposalError for everything else."""
    try:
        proposal = _proposal(canonical.load(document))
    except (canonical.NotCanonical, GrantError, ValueError):
        raise ProposalError from None
    if to_bytes(proposal) != document:
        raise ProposalError
    return proposal


def _proposal(data: object) -> Proposal:
    if not isinstance(data, dict) or set(data) != _MEMBERS or data["v"] != 1 or type(data["v"]) is not int:
        raise ProposalError
    key, policy = data["public_key"], data["policy"]
    proposal = Proposal(
        tenant=data["tenant"],
        action=data["action"],
        credential=data["credential"],
        person=data["person"],
        grants=_grants(data["grants"]),
        expires_at=data["expires_at"],
        public_key=None if key is None else _key(key),
        before=data["before"],
        policy=None if policy is None else canonical.dump(policy),
    )
    _check(proposal)
    return proposal


def _check(proposal: Proposal) -> None:
    """Raises: ProposalError when a member has not its shape, or is not one of this action's."""
    about_credential = proposal.action in ("create", "grant", "rotate")
    has = [proposal.credential is not None, proposal.person is not None, proposal.policy is None]
    good = (
        _is(TENANT, proposal.tenant)
        and (about_credential or proposal.action == "policy")
        and has == [about_credential] * 3
        and (not about_credential or (_is(CREDENTIAL, proposal.credential) and _names(proposal.person)))
        and (proposal.before is None) == (proposal.action == "create")
        and (proposal.before is None or _is(_DIGEST, proposal.before))
        and (proposal.expires_at is None or type(proposal.expires_at) is int)
    )
    if not good:
        raise ProposalError


def _is(shape: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and shape.fullmatch(text) is not None


def _names(person: object) -> bool:
    return isinstance(person, str) and acceptable_person(person)


def _grants(texts: Any) -> tuple[Grant, ...]:
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ProposalError
    return sort_grants(parse_grant(text) for text in texts)


def _key(text: object) -> bytes:
    if not isinstance(text, str) or len(text) != 43:
        raise ProposalError
    return urlsafe_b64decode(text + "=")


def say(grants: Sequence[Grant]) -> str:
    """Grants as one line, for the log."""
    return " ".join(map(str, grants))
