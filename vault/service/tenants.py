"""The verbs over a tenant's authority as a whole: found a tenant, put another policy in force."""

from dataclasses import dataclass

from keys.errors import KeysError, Misconfigured
from vault.errors import BadRequest, Conflict, NotFound, Unavailable
from vault.fields.custom import BadDefinition
from vault.model.ask import Caller
from vault.model.names import TENANT
from vault.model.register import CredentialEntry, Register, RegisterError
from vault.policy.diff import Change, diff
from vault.policy.load import parse_toml
from vault.policy.rules import Policy, PolicyError, to_canonical
from vault.service.amend import Control, Edit, NewSecret, Order, amend, authorise, commit
from vault.service.catalogue import catalogue
from vault.service.client_secrets import fingerprint, mint
from vault.service.credentials import Issued, read_grants
from vault.service.registers import Authority
from vault.store.failures import Clash

ADMINISTRATOR = ("credentials", "policy")
"""The grants of a tenant's first credential: it manages rights and can open nothing."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A policy now in force, and what it changed."""

    policy: Policy
    changes: tuple[Change, ...]


async def found(
    tenant: str, *, name: str, person: str, policy: Policy, operator: Caller, control: Control
) -> Issued:
    """Make a tenant with its first administrator. Works once per tenant.

    The right to do so is the operator's hold on the `control` identity; `operator` says who, for the log.
    Raises: BadRequest, Conflict (`tenant_exists`), Unavailable, OutcomeUnknown.
    """
    if TENANT.fullmatch(tenant) is None:
        raise BadRequest("bad_tenant", "a tenant is named [a-z0-9_]{1,32}")
    check_types(policy)
    await control.announce()  # the first tenant of all: from here on a register without standing is refused
    await _refuse_existing(tenant, control)
    secret = mint(control.random(32))
    hashed = await control.hasher.hash(secret)
    stored = NewSecret(f"{tenant}.{name}", fingerprint(hashed), hashed)
    try:
        entry = CredentialEntry(
            id=stored.credential,
            person=person,
            grants=read_grants(ADMINISTRATOR),
            created_at=control.now(),
            secret_sha256=stored.sha256,
        )
        register = Register(tenant, 1, (entry,), to_canonical(policy))
    except RegisterError as e:
        raise BadRequest("bad_credential", e.rule) from None
    order = Order(operator, "credentials", {"action": "found", "credential": entry.id})
    try:
        await commit(order, Edit(register, {}, stored), policy=policy.hash, control=control)
    except Clash:
        raise Conflict("tenant_exists") from None
    return Issued(entry, secret)


async def apply_policy(text: str, caller: Caller, control: Control, *, base: str | None = None) -> Applied:
    """Sign a policy and put it in force. `base` is the hash of the policy the change was reviewed against.

    Raises: BadRequest (`bad_policy`), Forbidden, Conflict (`policy_moved`), Unavailable, OutcomeUnknown.
    """
    # First of all: a stranger to the policy has nothing parsed and no key looked up, and is on record.
    await authorise(Order(caller, "policy", {"action": "apply"}), control)
    try:
        policy = parse_toml(text)
    except PolicyError as e:
        raise BadRequest("bad_policy", str(e)) from None
    await _check_usable(policy, caller.tenant, control)
    changes: tuple[Change, ...] = ()

    def build(authority: Authority) -> Edit:
        nonlocal changes
        if base is not None and authority.policy.hash != base:
            raise Conflict("policy_moved", "Another policy is in force than the one this was compared with.")
        changes = tuple(diff(authority.policy, policy))
        detail: dict[str, str | int] = {"before": authority.policy.hash, "changes": len(changes)}
        return Edit(authority.register.with_policy(to_canonical(policy)), detail)

    await amend(Order(caller, "policy", {"action": "apply", "after": policy.hash}), build, control)
    return Applied(policy, changes)


def check_types(policy: Policy) -> None:
    """Whether the policy's own field types can be used and what it makes searchable exists.

    Raises: BadRequest (`bad_policy`).
    """
    try:
        known = catalogue(policy)
    except BadDefinition as e:
        raise BadRequest("bad_policy", f"types: {e}") from None
    for name in sorted(policy.searchable):
        if name not in known:
            raise BadRequest("bad_policy", f"searchable: there is no field type {name}")


async def _check_usable(policy: Policy, tenant: str, control: Control) -> None:
    """A policy that could not be served is not put in force. Raises: BadRequest, Unavailable."""
    check_types(policy)
    for name in sorted(policy.searchable):
        try:
            await control.index_keys.key_settings(f"bidx-{tenant}-{name}")
        except Misconfigured:
            told = f"searchable {name}: its index key is missing; `strongroom tenants keys {tenant}` makes it"
            raise BadRequest("index_key_missing", told) from None
        except KeysError as e:
            raise Unavailable(e.code, retry_after=1) from None


async def _refuse_existing(tenant: str, control: Control) -> None:
    control.registers.expire()
    try:
        await control.registers.of(tenant)
    except NotFound:
        return
    raise Conflict("tenant_exists")
