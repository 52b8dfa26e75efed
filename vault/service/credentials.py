"""The verbs over credentials: create, list, grant, ungrant, revoke, rotate. Each is one signed change.

A credential never changes its own grants; a name is never used twice; a secret is shown once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vault.errors import BadRequest, Conflict, Forbidden, NotFound
from vault.model.ask import Caller, Grant
from vault.model.grants import GrantError, parse_grant
from vault.model.names import CREDENTIAL, acceptable_reference
from vault.model.register import CredentialEntry, sort_grants
from vault.model.secret import Secret
from vault.policy.rules import Policy
from vault.service.amend import Control, Edit, NewSecret, Order, amend, authorise
from vault.service.client_secrets import fingerprint, mint
from vault.service.registers import Authority


@dataclass(frozen=True, slots=True)
class NewCredential:
    """What is asked for. With a public key the credential has no secret."""

    name: str
    person: str
    grants: Sequence[str]
    expires_at: int | None = None
    public_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential, and its secret if a new one was made: shown now and never again."""

    entry: CredentialEntry
    secret: Secret[str] | None = None


async def create(new: NewCredential, caller: Caller, control: Control) -> Issued:
    """Add a credential to the caller's tenant.

    Raises: BadRequest (`bad_grant`, `bad_credential`), Conflict (`credential_exists`), Forbidden,
    Unavailable.
    """
    credential = _named(caller, new.name)
    grants = read_grants(new.grants)
    order = _order(caller, "create", credential, grants=_say(grants))
    await authorise(order, control)
    secret, stored = await _secret(credential, wanted=new.public_key is None, control=control)

    def build(authority: Authority) -> Edit:
        if credential in authority.entries:
            raise Conflict("credential_exists", "A credential's name is never used again.")
        check_purposes(grants, authority.policy)
        entry = _entry(new, credential, grants, stored, control.now())
        return Edit(authority.register.put(entry), {}, stored)

    register = await amend(order, build, control)
    return Issued(_found(register.find(credential)), secret)


async def listing(caller: Caller, control: Control) -> tuple[CredentialEntry, ...]:
    """Every credential of the caller's tenant, revoked ones too. Raises: Forbidden, Unavailable."""
    await authorise(Order(caller, "credentials", {"action": "list"}), control)
    return (await control.registers.of(caller.tenant)).register.credentials


async def grant(credential: str, grants: Sequence[str], caller: Caller, control: Control) -> CredentialEntry:
    """Add grants. Raises: BadRequest, Forbidden (`own_grants`), NotFound, Conflict, Unavailable."""
    added = read_grants(grants)

    def change(entry: CredentialEntry, authority: Authority) -> CredentialEntry:
        _not_own(entry, caller)
        check_purposes(added, authority.policy)
        return replace(entry, grants=sort_grants((*entry.grants, *added)))

    return await _change(_order(caller, "grant", credential, grants=_say(added)), credential, change, control)


async def ungrant(
    credential: str, grants: Sequence[str], caller: Caller, control: Control
) -> CredentialEntry:
    """Take grants away; those it does not hold make no difference. Raises: as `grant`."""
    gone = read_grants(grants)

    def change(entry: CredentialEntry, _: Authority) -> CredentialEntry:
        _not_own(entry, caller)
        return replace(entry, grants=tuple(held for held in entry.grants if held not in gone))

    return await _change(
        _order(caller, "ungrant", credential, grants=_say(gone)), credential, change, control
    )


async def revoke(credential: str, caller: Caller, control: Control) -> CredentialEntry:
    """End a credential for ever.

    Raises: NotFound, Forbidden, Conflict (`last_administrator`), Unavailable.
    """

    def change(entry: CredentialEntry, _: Authority) -> CredentialEntry:
        return replace(entry, status="revoked", secret_sha256=None, public_key=None)

    return await _change(_order(caller, "revoke", credential), credential, change, control)


async def rotate(
    credential: str, caller: Caller, control: Control, *, public_key: bytes | None = None
) -> Issued:
    """Give a credential a new secret, or a new public key. What it had before stops at once, tokens too.

    Raises: NotFound, Forbidden, Conflict, BadRequest, Unavailable.
    """
    order = _order(caller, "rotate", credential)
    await authorise(order, control)
    secret, stored = await _secret(credential, wanted=public_key is None, control=control)

    def change(entry: CredentialEntry, _: Authority) -> CredentialEntry:
        return replace(entry, secret_sha256=stored.sha256 if stored else None, public_key=public_key)

    return Issued(await _change(order, credential, change, control, stored), secret)


def read_grants(texts: Sequence[str]) -> tuple[Grant, ...]:
    """Grants as an operator writes them. Raises: BadRequest (`bad_grant`)."""
    try:
        return sort_grants(parse_grant(text) for text in texts)
    except GrantError as e:
        raise BadRequest("bad_grant", e.rule) from None


def check_purposes(grants: Sequence[Grant], policy: Policy) -> None:
    """Raises: BadRequest when a new grant names a purpose that the policy does not."""
    if any(grant.purpose is not None and grant.purpose not in policy.purposes for grant in grants):
        raise BadRequest("bad_grant", "the policy has no such purpose")


async def _change(
    order: Order,
    credential: str,
    change: Callable[[CredentialEntry, Authority], CredentialEntry],
    control: Control,
    stored: NewSecret | None = None,
) -> CredentialEntry:
    """Put a changed entry in the place of an active one."""

    def build(authority: Authority) -> Edit:
        entry = _found(authority.entries.get(credential))
        if entry.status == "revoked":
            raise Conflict("credential_revoked", "A revoked credential stays revoked.")
        return Edit(authority.register.put(change(entry, authority)), {}, stored)

    register = await amend(order, build, control)
    return _found(register.find(credential))


def _entry(
    new: NewCredential, credential: str, grants: tuple[Grant, ...], stored: NewSecret | None, now: int
) -> CredentialEntry:
    if new.expires_at is not None and new.expires_at <= now:
        raise BadRequest("bad_credential", "the expiry lies in the past")
    return CredentialEntry(
        id=credential,
        person=new.person,
        grants=grants,
        created_at=now,
        expires_at=new.expires_at,
        secret_sha256=stored.sha256 if stored else None,
        public_key=new.public_key,
    )


async def _secret(
    credential: str, *, wanted: bool, control: Control
) -> tuple[Secret[str] | None, NewSecret | None]:
    if not wanted:
        return None, None
    secret = mint(control.random(32))
    hashed = await control.hasher.hash(secret)
    return secret, NewSecret(credential, fingerprint(hashed), hashed)


def _not_own(entry: CredentialEntry, caller: Caller) -> None:
    if entry.id == caller.credential:
        raise Forbidden("own_grants", "a credential does not change its own grants")


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


def _say(grants: Sequence[Grant]) -> str:
    return " ".join(map(str, grants))


def _found(entry: CredentialEntry | None) -> CredentialEntry:
    if entry is None:
        raise NotFound("credential_not_found")
    return entry
