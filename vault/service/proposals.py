"""What takes two persons: proposed by one, approved or rejected by another, who names what he has read.

Both must hold the right when it is carried out, the two must be two persons, and what is to be changed must
still be what the proposer saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vault.errors import BadRequest, Conflict, Forbidden, NotFound
from vault.model.ask import Caller
from vault.model.names import read_id, time_ordered_id
from vault.model.persons import same_person
from vault.model.proposal import Proposal, say, to_bytes
from vault.model.register import CredentialEntry, RegisterError
from vault.policy.diff import Change as PolicyChange
from vault.policy.diff import diff
from vault.service import edits
from vault.service.amend import AuthorityUnit, Control, Deed, Edit, Order, amend, authorise, carry_out, refuse
from vault.service.issuing import Issued, secret_if
from vault.service.proposed import Open, claims, until
from vault.service.registers import Authority
from vault.service.usable import check_usable
from vault.store.failures import Clash
from vault.store.proposals import ProposalEnd, StoredProposal

VERBS = ("credentials", "policy")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal that waits, who may approve it, and for a policy what it changes."""

    open: Open
    approvers: Sequence[str]
    changes: Sequence[PolicyChange] = ()


@dataclass(frozen=True, slots=True)
class Approved:
    """What an approval brought about: a credential with its new secret, or a policy with its changes."""

    open: Open
    issued: Issued | None = None
    changes: Sequence[PolicyChange] = ()

    @property
    def policy_hash(self) -> str:
        """Of the policy now in force, where that is what was approved."""
        return edits.policy_of(self.open.proposal).hash


async def propose(order: Order, change: Proposal, control: Control) -> Waiting:
    """Put a change before a second person; nothing else happens yet.

    Raises: what carrying it out would raise; Conflict (`no_second_person`); Unavailable, OutcomeUnknown.
    """
    caller = order.caller
    authority = await _authority_now(caller.tenant, control)
    now = control.now()
    try:
        edits.edit(edits.Change(change, caller, now), authority)
    except RegisterError as e:
        raise BadRequest("bad_credential", e.rule) from None
    seen = edits.as_seen(change, authority)
    waiting = _waiting(
        Open(time_ordered_id(now, control.random(9)), seen, caller.credential, caller.person, until(now)),
        authority,
        now,
    )
    if not waiting.approvers:
        raise Conflict("no_second_person", f"No other person holds {change.verb} and could approve this.")
    await _write(order, waiting.open, authority, control)
    return waiting


async def listing(caller: Caller, control: Control) -> list[Waiting]:
    """Every proposal that waits and that the caller could decide. Raises: Forbidden, Unavailable."""
    await _authorise_any(caller, "list", control)
    authority = await _authority_now(caller.tenant, control)
    now = control.now()
    found = await control.proposed.listing(caller.tenant, now=now)
    return [_waiting(one, authority, now) for one in found if caller.may(one.proposal.verb)]


async def approve(name: str, sha256: str, caller: Caller, control: Control) -> Approved:
    """Carry a proposal out, as its second person. `sha256` is of the document that was read.

    Raises: NotFound, Forbidden (`no_grant`, `own_proposal`, `own_grants`), Conflict, BadRequest, Unavailable,
    OutcomeUnknown.
    """
    found, order = await _found(name, sha256, caller, "approve", control)
    proposal = found.proposal
    if proposal.action == "policy":
        await check_usable(edits.policy_of(proposal), caller.tenant, control)
    fresh = proposal.action in ("create", "rotate") and proposal.public_key is None
    secret, stored = await secret_if(fresh, proposal.credential or "", control)
    changes: Sequence[PolicyChange] = ()

    def build(authority: Authority) -> Edit:
        nonlocal changes
        now = control.now()
        _check_both(found, caller, authority, now)
        if edits.as_seen(proposal, authority) != proposal:
            raise Conflict("proposal_overtaken", "What it changes is not what it was; propose it again.")
        changes = _changes(proposal, authority)
        edit = edits.edit(edits.Change(proposal, caller, now, stored), authority)
        return replace(edit, deed=_ending(found, "approve", caller))

    try:
        register = await amend(order, build, control)
    except Conflict:
        await control.proposed.find(caller.tenant, found.proposal_id, now=control.now())
        raise
    entry = register.find(proposal.credential or "")
    return Approved(found, Issued(entry, secret) if entry is not None else None, changes)


async def reject(name: str, sha256: str, caller: Caller, control: Control) -> Open:
    """End a proposal for good. Whoever proposed it may do so too.

    Raises: NotFound, Forbidden, Conflict, Unavailable, OutcomeUnknown.
    """
    found, order = await _found(name, sha256, caller, "reject", control)
    authority = await _authority_now(caller.tenant, control)
    try:
        await carry_out(order, _ending(found, "reject", caller), authority, control)
    except Clash:
        raise Conflict("proposal_ended", "Somebody approved or rejected this proposal already.") from None
    return found


async def _found(name: str, sha256: str, caller: Caller, action: str, control: Control) -> tuple[Open, Order]:
    """A proposal that the caller may decide, and has read. Refusals are on record."""
    await _authorise_any(caller, action, control)
    try:
        proposal_id = read_id("prp", name)
    except ValueError:
        raise NotFound("proposal_not_found") from None
    try:
        found = await control.proposed.find(caller.tenant, proposal_id, now=control.now())
    except Conflict as refusal:
        if refusal.code == "proposal_tampered":
            order = Order(caller, _some_verb(caller), {"action": action, "proposal": name})
            await refuse(order, refusal.code, await control.registers.of(caller.tenant), control)
        raise
    order = Order(caller, found.proposal.verb, _detail(found, action))
    await authorise(order, control)
    if sha256 != found.proposal.sha256:
        raise Conflict("proposal_differs", "The proposal is not the document with this SHA-256.")
    return found, order


async def _authorise_any(caller: Caller, action: str, control: Control) -> None:
    """Raises: Forbidden, on record, for whoever can decide nothing."""
    await authorise(Order(caller, _some_verb(caller), {"action": f"proposal_{action}"}), control)


def _some_verb(caller: Caller) -> str:
    return next((verb for verb in VERBS if caller.may(verb)), VERBS[0])


async def _authority_now(tenant: str, control: Control) -> Authority:
    control.registers.expire()
    return await control.registers.of(tenant)


async def _write(order: Order, new: Open, authority: Authority, control: Control) -> None:
    tenant, document = new.proposal.tenant, to_bytes(new.proposal)

    async def deed(unit: AuthorityUnit, event_id: bytes) -> None:
        row = StoredProposal(new.proposal_id, document, new.credential, new.person, new.expires_at, event_id)
        await unit.add_proposal(tenant, row)

    told = claims(new.proposal_id, document, expires_at=new.expires_at)
    detail = {**order.detail, "does": new.proposal.action, **told}
    await carry_out(Order(order.caller, order.verb, detail), deed, authority, control)


def _ending(found: Open, act: str, caller: Caller) -> Deed:
    """Writes that it ended. Raises: Clash when it had ended already."""
    end = ProposalEnd(found.proposal_id, act, caller.credential, caller.person)

    async def deed(unit: AuthorityUnit, event_id: bytes) -> None:
        await unit.end_proposal(caller.tenant, end, event_id=event_id)

    return deed


def _check_both(found: Open, caller: Caller, authority: Authority, now: int) -> None:
    """Raises: Forbidden, Conflict unless two persons stand behind it who both hold the right now."""
    verb = found.proposal.verb
    approver = authority.entries.get(caller.credential)
    if approver is None or not _holds(approver, verb, now):
        raise Forbidden("no_grant", "this credential holds no grant for this verb")
    if approver.id == found.credential or same_person(approver.person, found.person):
        raise Forbidden("own_proposal", "another person than the one who proposed it approves")
    proposer = authority.entries.get(found.credential)
    if proposer is None or not _holds(proposer, verb, now) or proposer.person != found.person:
        raise Conflict("proposal_void", "Whoever proposed this may not any more; propose it again.")


def _holds(entry: CredentialEntry, verb: str, now: int) -> bool:
    return entry.usable(now) and any(grant.verb == verb for grant in entry.grants)


def _waiting(one: Open, authority: Authority, now: int) -> Waiting:
    approvers = [
        entry.id
        for entry in authority.register.credentials
        if _holds(entry, one.proposal.verb, now)
        and not same_person(entry.person, one.person)
        and not (one.proposal.action == "grant" and entry.id == one.proposal.credential)
    ]
    return Waiting(one, approvers, _changes(one.proposal, authority))


def _changes(proposal: Proposal, authority: Authority) -> Sequence[PolicyChange]:
    if proposal.action != "policy":
        return ()
    return diff(authority.policy, edits.policy_of(proposal))


def _detail(found: Open, action: str) -> dict[str, str | int]:
    """What the log says of a decision: about what, and whose proposal it was."""
    proposal = found.proposal
    about: dict[str, str | int] = {
        "action": action,
        "does": proposal.action,
        "proposal": found.name,
        "sha256": proposal.sha256,
        "proposed_by": found.credential,
        "proposed_by_person": found.person,
    }
    if proposal.action == "policy":
        return about | {"after": edits.policy_of(proposal).hash}
    about["credential"] = proposal.credential or ""
    return about | ({"grants": say(proposal.grants)} if proposal.grants else {})
