"""The verbs over a tenant's authority as a whole: found a tenant, put another policy in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from vault.errors import BadRequest, Conflict, NotFound
from vault.model.ask import Caller
from vault.model.names import TENANT
from vault.model.persons import same_person
from vault.model.proposal import Proposal
from vault.model.register import CredentialEntry, Register, RegisterError
from vault.policy.diff import Change, diff
from vault.policy.load import parse_toml
from vault.policy.rules import Policy, PolicyError, to_canonical
from vault.service import edits
from vault.service.amend import Control, Edit, NewSecret, Order, amend, authorise, commit
from vault.service.credentials import read_grants
from vault.service.issuing import Issued, new_secret
from vault.service.proposals import Waiting, propose
from vault.service.registers import Authority
from vault.service.usable import check_types, check_usable
from vault.store.failures import Clash

ADMINISTRATOR = ("credentials", "policy")
"""The grants of a tenant's first two credentials: they manage rights and can open nothing."""
NAMES = ("admin", "admin2")


@dataclass(frozen=True, slots=True)
class Applied:
    """A policy now in force, and what it changed."""

    policy: Policy
    changes: tuple[Change, ...]


async def found(
    tenant: str,
    *,
    persons: Sequence[str],
    policy: Policy,
    operator: Caller,
    control: Control,
    told: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Issued, Issued]:
    """Make a tenant with its two administrators, two persons. Works once per tenant.

    `told` goes into the first event of its log: the keys that the log is verified under.

    The right to do so is the operator's hold on the `control` identity; `operator` says who, for the log.
    Raises: BadRequest (`same_person`), Conflict (`tenant_exists`), Unavailable, OutcomeUnknown.
    """
    if TENANT.fullmatch(tenant) is None:
        raise BadRequest("bad_tenant", "a tenant is named [a-z0-9_]{1,32}")
    check_two(*persons)
    check_types(policy)
    await control.announce()  # the first tenant of all: from here on a register without standing is refused
    await _refuse_existing(tenant, control)
    first, second = [
        await _administrator(f"{tenant}.{name}", person, control)
        for name, person in zip(NAMES, persons, strict=True)
    ]
    entries, secrets = (first[0].entry, second[0].entry), (first[1], second[1])
    try:
        register = Register(tenant, 1, entries, to_canonical(policy))
    except RegisterError as e:
        raise BadRequest("bad_credential", e.rule) from None
    detail = {"action": "found", "credential": entries[0].id, "second_credential": entries[1].id}
    order = Order(operator, "credentials", {**detail, **told})
    try:
        await commit(order, Edit(register, {}, secrets), policy=policy.hash, control=control)
    except Clash:
        raise Conflict("tenant_exists") from None
    return first[0], second[0]


async def add_administrator(name: str, person: str, operator: Caller, control: Control) -> Issued:
    """Add an administrator on an operator's word, where a tenant has not two persons left to agree on one.

    The right is the operator's hold on the `control` identity, as at the founding.
    Raises: BadRequest, NotFound, Conflict (`credential_exists`), Unavailable, OutcomeUnknown.
    """
    control.registers.expire()
    authority = await control.registers.of(operator.tenant)
    issued, stored = await _administrator(f"{operator.tenant}.{name}", person, control)
    if issued.entry.id in authority.entries:
        raise Conflict("credential_exists", "A credential's name is never used again.")
    order = Order(operator, "credentials", {"action": "add_administrator", "credential": issued.entry.id})
    change = Edit(authority.register.put(issued.entry), {}, (stored,))
    try:
        await commit(order, change, policy=authority.policy.hash, control=control)
    except Clash:
        raise Conflict("authority_moved", "Others changed credentials or policy meanwhile.") from None
    return issued


def check_two(one: str, other: str) -> None:
    """Raises: BadRequest when both names are one person's."""
    if same_person(one, other):
        raise BadRequest("same_person", "the two administrators are two persons")


async def apply_policy(
    text: str, caller: Caller, control: Control, *, base: str | None = None
) -> Applied | Waiting:
    """Sign a policy and put it in force, or propose it when it widens access.

    `base` is the hash of the policy the change was reviewed against. Raises: BadRequest (`bad_policy`),
    Forbidden, Conflict (`policy_moved`, `no_second_person`), Unavailable, OutcomeUnknown.
    """
    # First of all: a stranger to the policy has nothing parsed and no key looked up, and is on record.
    await authorise(Order(caller, "policy", {"action": "apply"}), control)
    try:
        policy = parse_toml(text)
    except PolicyError as e:
        raise BadRequest("bad_policy", str(e)) from None
    await check_usable(policy, caller.tenant, control)
    proposal = Proposal(tenant=caller.tenant, action="policy", policy=to_canonical(policy))
    changes: tuple[Change, ...] = ()

    def build(authority: Authority) -> Edit:
        nonlocal changes
        if base is not None and authority.policy.hash != base:
            raise Conflict("policy_moved", "Another policy is in force than the one this was compared with.")
        if not edits.alone(proposal, authority, caller):
            raise edits.TwoPersonsNeeded
        changes = tuple(diff(authority.policy, policy))
        return edits.edit(edits.Change(proposal, caller, control.now()), authority)

    order = Order(caller, "policy", {"action": "apply", "after": policy.hash})
    try:
        await amend(order, build, control)
    except edits.TwoPersonsNeeded:
        return await propose(order, proposal, control)
    return Applied(policy, changes)


async def _administrator(credential: str, person: str, control: Control) -> tuple[Issued, NewSecret]:
    secret, stored = await new_secret(credential, control)
    try:
        entry = CredentialEntry(
            id=credential,
            person=person,
            grants=read_grants(ADMINISTRATOR),
            created_at=control.now(),
            secret_sha256=stored.sha256,
        )
    except RegisterError as e:
        raise BadRequest("bad_credential", e.rule) from None
    return Issued(entry, secret), stored


async def _refuse_existing(tenant: str, control: Control) -> None:
    control.registers.expire()
    try:
        await control.registers.of(tenant)
    except NotFound:
        return
    raise Conflict("tenant_exists")
