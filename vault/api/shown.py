"""How authority is shown over HTTP: a credential, a change of policy."""

from vault.log.event import timestamp
from vault.model.register import CredentialEntry
from vault.policy.diff import Change
from vault.service.issuing import Issued


def credential(entry: CredentialEntry) -> dict[str, object]:
    """A credential without what it proves itself with."""
    return {
        "credential": entry.id,
        "person": entry.person,
        "grants": [str(grant) for grant in entry.grants],
        "status": entry.status,
        "created": timestamp(entry.created_at),
        "expires": timestamp(entry.expires_at) if entry.expires_at is not None else None,
        "authentication": "private_key_jwt" if entry.public_key is not None else "client_secret",
    }


def issued(one: Issued) -> dict[str, object]:
    """A credential with its new secret, if it got one: this answer is the one place where it stands."""
    secret = {"client_secret": one.secret.reveal()} if one.secret is not None else {}
    return credential(one.entry) | secret


def change(one: Change) -> dict[str, str]:
    """One difference between two policies."""
    return {"where": one.where, "before": one.before, "after": one.after, "effect": one.effect}
