"""How a tenant's authority changes: the next register is built, signed, and committed with its events.

Register, secret and events are one transaction. Of two changes at once one wins and the other is built again
on top of it.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from keys.errors import KeysError
from keys.ring import Signer
from vault.errors import BadRequest, Conflict, Forbidden, ServiceError, Unavailable
from vault.log.event import Draft
from vault.log.lists import SignedList
from vault.log.writer import LogWriter
from vault.model.ask import Ask, Caller, Denied
from vault.model.register import DOMAIN, Register, RegisterError, to_bytes
from vault.policy.decide import granted
from vault.service.client_secrets import SecretVerifier
from vault.service.proposed import Proposed
from vault.service.registers import Authority, Registers
from vault.store.failures import Clash
from vault.store.freezes import Freeze
from vault.store.proposals import ProposalEnd, StoredProposal
from vault.store.unit import Thaw

ATTEMPTS = 3


class AuthorityUnit(Protocol):
    """A transaction as a change of authority needs it. Methods raise Clash, Unavailable, OutcomeUnknown."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def append_register(
        self, tenant: str, version: int, *, document: bytes, signature: bytes, key_version: int
    ) -> None: ...

    async def put_secret(self, tenant: str, credential: str, *, sha256: str, secret_hash: str) -> None: ...

    async def add_proposal(self, tenant: str, new: StoredProposal) -> None: ...

    async def end_proposal(self, tenant: str, end: ProposalEnd, *, event_id: bytes) -> None: ...

    async def lift_freezes(self, tenant: str, thaws: Sequence[Thaw]) -> None: ...

    async def add_list(self, signed: SignedList) -> None: ...

    async def commit(self) -> None: ...


class AuthorityStore(Protocol):
    def begin(self) -> AuthorityUnit:
        """A transaction."""


Deed = Callable[[AuthorityUnit, bytes], Awaitable[None]]
"""What is done in the same transaction as its event, whose id it is told."""


class IndexKeys(Protocol):
    async def key_settings(self, name: str) -> object:
        """How a key is set up. Raises: Misconfigured when there is none; KeysError."""


class FreezeStore(Protocol):
    async def open(self, tenant: str) -> list[Freeze]:
        """The freezes that nobody has lifted. Raises: Unavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What changing authority works with."""

    registers: Registers
    store: AuthorityStore
    signer: Signer
    index_keys: IndexKeys
    hasher: SecretVerifier
    log: LogWriter
    proposed: Proposed
    """The changes that wait for a second person."""
    freezes: FreezeStore
    announce: Callable[[], Awaitable[object]]
    """Vouch for the latest registers."""
    now: Callable[[], int]
    random: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An Argon2id string on its way into the database."""

    credential: str
    sha256: str
    secret_hash: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A change, built on one version: the register that follows, and what goes with it."""

    register: Register
    detail: Mapping[str, str | int]
    secrets: Sequence[NewSecret] = ()
    deed: Deed | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """Who changes what, as the log will say it."""

    caller: Caller
    verb: str
    detail: Mapping[str, str | int]


async def amend(order: Order, build: Callable[[Authority], Edit], control: Control) -> Register:
    """Change the caller's tenant. Every refusal for want of a right is an event too.

    Raises: Forbidden; what `build` raises; BadRequest for a register that would break a rule;
    Conflict when others were faster each time; Unavailable; OutcomeUnknown.
    """
    await authorise(order, control)
    for _ in range(ATTEMPTS):
        control.registers.expire()
        authority = await control.registers.of(order.caller.tenant)
        try:
            edit = build(authority)
        except RegisterError as e:
            raise BadRequest("bad_credential", e.rule) from None
        except Forbidden as refusal:
            await refuse(order, refusal.code, authority, control)
            raise
        _keep_one_administrator(authority.register, edit.register, control.now())
        try:
            await commit(order, edit, policy=authority.policy.hash, control=control)
        except Clash:
            continue
        return edit.register
    raise Conflict("authority_moved", "Others changed credentials or policy meanwhile; nothing was done.")


async def authorise(order: Order, control: Control) -> None:
    """Raises: Forbidden, once the refusal is on record."""
    decision = granted(Ask(order.caller, order.verb))
    if isinstance(decision, Denied):
        authority = await control.registers.of(order.caller.tenant)
        await refuse(order, decision.code, authority, control)
        raise Forbidden(decision.code, decision.rule)


async def commit(order: Order, edit: Edit, *, policy: str, control: Control) -> None:
    """Sign and commit one edit with its event. Raises: Clash, Unavailable, OutcomeUnknown."""
    document = to_bytes(edit.register)
    try:
        key_version, signature = await control.signer.sign("authority", DOMAIN + document)
    except KeysError as e:
        raise Unavailable(e.code, retry_after=1) from None
    tenant, version = edit.register.tenant, edit.register.version
    detail = {**order.detail, **edit.detail, "register": version}
    draft = Draft(order.caller, order.verb, "allow", order.verb, policy=policy, detail=detail)
    async with control.store.begin() as unit:
        await unit.append_register(
            tenant, version, document=document, signature=signature, key_version=key_version
        )
        for new in edit.secrets:
            await unit.put_secret(tenant, new.credential, sha256=new.sha256, secret_hash=new.secret_hash)
        await _record(unit, draft, control, edit.deed)
    control.registers.expire()
    # What is committed stays so: if vouching fails now, the next minute does it.
    with contextlib.suppress(ServiceError):
        await control.announce()


async def refuse(order: Order, reason: str, authority: Authority, control: Control) -> None:
    """Put a refusal on record. Raises: Unavailable, OutcomeUnknown."""
    draft = Draft(order.caller, order.verb, "deny", reason, policy=authority.policy.hash, detail=order.detail)
    async with control.store.begin() as unit:
        await _record(unit, draft, control, None)


async def carry_out(order: Order, deed: Deed, authority: Authority, control: Control) -> None:
    """Do what leaves the register as it is, with its event. Raises: Clash, Unavailable, OutcomeUnknown."""
    policy = authority.policy.hash
    draft = Draft(order.caller, order.verb, "allow", order.verb, policy=policy, detail=order.detail)
    async with control.store.begin() as unit:
        await _record(unit, draft, control, deed)


async def _record(unit: AuthorityUnit, draft: Draft, control: Control, deed: Deed | None) -> None:
    """Add the event to the unit and commit it. A lane is kept only once its list is durable."""
    lane = control.log.lane(draft.caller.tenant)
    signed = control.log.write(lane, [draft], list_id=control.log.new_list_id())
    if deed is not None:
        await deed(unit, signed.events[0].event_id)
    await unit.add_list(signed)
    await unit.commit()
    control.log.keep(lane, signed)


def _keep_one_administrator(before: Register, after: Register, now: int) -> None:
    """Raises: Conflict when nobody could change this tenant's credentials any more."""
    if _administrators(before, now) and not _administrators(after, now):
        raise Conflict("last_administrator", "A tenant keeps one credential that can manage credentials.")


def _administrators(register: Register, now: int) -> set[str]:
    return {
        entry.id
        for entry in register.credentials
        if entry.usable(now) and any(grant.verb == "credentials" for grant in entry.grants)
    }
