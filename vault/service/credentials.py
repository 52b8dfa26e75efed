"""The verbs over credentials: create, list, grant, ungrant, revoke, rotate. Each is one signed change.

A credential never changes its own grants; a name is never used twice; a secret is shown once; what takes two
persons becomes a proposal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vault.errors import BadRequest, NotFound
from vault.model.ask import Caller, Grant
from vault.model.grants import GrantError, parse_grant
from vault.model.names import CREDENTIAL, acceptable_reference
from vault.model.proposal import Proposal, say
from vault.model.register import CredentialEntry, sort_grants
from vault.service.amend import Control, Edit, Order, amend, authorise
from vault.service.edits import Change, TwoPersonsNeeded, active, alone, edit, not_own
from vault.service.issuing import Issued, secret_if
from vault.service.proposals import Waiting, propose
from vault.service.registers import Authority


@dataclass(frozen=True, slots=True)
class NewCredential:
    """What is asked for. With a public key the credential has no secret."""

    name: str
    person: str
    grants: Sequence[str]
    expires_at: int | None = None
    public_key: bytes | None = None


async def create(new: NewCredential, caller: Caller, control: Control) -> Issued | Waiting:
    """Add a credential to the caller's tenant, or propose it when its grants take two persons.

    Raises: BadRequest (`bad_grant`, `bad_credential`), Conflict (`credential_exists`, `no_second_person`),
    Forbidden, Unavailable.
    """
    credential = _named(caller, new.name)
    grants = read_grants(new.grants)
    proposal = Proposal(
        tenant=caller.tenant,
        action="create",
        credential=credential,
        person=new.person,
        grants=grants,
        expires_at=new.expires_at,
        public_key=new.public_key,
    )
    return await _do(_order(caller, "create", credential, grants=say(grants)), proposal, control)


async def listing(caller: Caller, control: Control) -> tuple[CredentialEntry, ...]:
    """Every credential of the caller's tenant, revoked ones too. Raises: Forbidden, Unavailable."""
    await authorise(Order(caller, "credentials", {"action": "list"}), control)
    return (await control.registers.of(caller.tenant)).register.credentials


async def grant(credential: str, grants: Sequence[str], caller: Caller, control: Control) -> Issued | Waiting:
    """Add grants, or propose it when those that are new take two persons.

    Raises: BadRequest, Forbidden (`own_grants`), NotFound, Conflict, Unavailable.
    """
    added = read_grants(grants)
    proposal = Proposal(tenant=caller.tenant, action="grant", credential=credential, grants=added)
    return await _do(_order(caller, "grant", credential, grants=say(added)), proposal, control)


async def ungrant(
    credential: str, grants: Sequence[str], caller: Caller, control: Control
) -> CredentialEntry:
    """Take grants away; those it does not hold make no difference. Raises: as `grant`."""
    gone = read_grants(grants)

    def change(entry: CredentialEntry, _: Authority) -> CredentialEntry:
        not_own(entry, caller)
        return replace(entry, grants=tuple(held for held in entry.grants if held not in gone))

    return await _change(_order(caller, "ungrant", credential, grants=say(gone)), credential, change, control)


async def revoke(credential: str, caller: Caller, control: Control) -> CredentialEntry:
    """End a credential for ever.

    Raises: NotFound, Forbidden, Conflict (`last_administrator`), Unavailable.
    """

    def change(entry: CredentialEntry, _: Authority) -> CredentialEntry:
        return replace(entry, status="revoked", secret_sha256=None, public_key=None)

    return await _change(_order(caller, "revoke", credential), credential, change, control)


async def rotate(
    credential: str, caller: Caller, control: Control, *, public_key: bytes | None = None
) -> Issued | Waiting:
    """Give a credential a new secret, or a new public key. What it had before stops at once, tokens too.

    A proposal, when its grants take two persons and somebody else answers for it: a new secret for it is
    all of its rights. Raises: NotFound, Forbidden, Conflict, BadRequest, Unavailable.
    """
    proposal = Proposal(tenant=caller.tenant, action="rotate", credential=credential, public_key=public_key)
    return await _do(_order(caller, "rotate", credential), proposal, control)


def read_grants(texts: Sequence[str]) -> tuple[Grant, ...]:
    """Grants as an operator writes them. Raises: BadRequest (`bad_grant`)."""
    try:
        return sort_grants(parse_grant(text) for text in texts)
    except GrantError as e:
        raise BadRequest("bad_grant", e.rule) from None


async def _do(order: Order, proposal: Proposal, control: Control) -> Issued | Waiting:
    """Make the change if one person may, else propose it. Which it is, the register of that moment says."""
    await authorise(order, control)
    credential = proposal.credential or ""
    fresh = proposal.action in ("create", "rotate") and proposal.public_key is None
    secret, stored = await secret_if(fresh, credential, control)

    def build(authority: Authority) -> Edit:
        found = edit(Change(proposal, order.caller, control.now(), stored), authority)
        if not alone(proposal, authority, order.caller):
            raise TwoPersonsNeeded
        return found

    try:
        register = await amend(order, build, control)
    except TwoPersonsNeeded:
        return await propose(order, proposal, control)
    return Issued(_found(register.find(credential)), secret)


async def _change(
    order: Order,
    credential: str,
    change: Callable[[CredentialEntry, Authority], CredentialEntry],
    control: Control,
) -> CredentialEntry:
    """Put a changed entry in the place of an active one."""

    def build(authority: Authority) -> Edit:
        entry = active(authority, credential)
        return Edit(authority.register.put(change(entry, authority)), {})

    register = await amend(order, build, control)
    return _found(register.find(credential))


def _named(caller: Caller, name: str) -> str:
    credential = f"{caller.tenant}.{name}"
    if not _loggable(credential, caller):
        raise BadRequest("bad_credential", "a name is written [a-z0-9_-]{1,32} and resembles no number")
    return credential


def _order(caller: Caller, action: str, credential: str, **detail: str) -> Order:
    """What the log will say. What could not be a credential of this tenant is not repeated in it."""
    known = credential if _loggable(credential, caller) else "malformed"
    return Order(caller, "credentials", {"action": action, "credential": known, **detail})


def _loggable(credential: str, caller: Caller) -> bool:
    tenant, _, name = credential.partition(".")
    own = tenant == caller.tenant and CREDENTIAL.fullmatch(credential) is not None
    return own and acceptable_reference(name)


def _found(entry: CredentialEntry | None) -> CredentialEntry:
    if entry is None:
        raise NotFound("credential_not_found")
    return entry
