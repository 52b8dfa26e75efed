"""Records opened for an operator's work on what is sealed: the event first, and no value leaves the process.

Which purposes a person agreed to, states and holds say who may use a value; here nobody does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keys.errors import KeysError
from keys.keystore import Keystore
from keys.pool import Pool
from keys.ring import Unwrapper
from vault.alarms import raise_alarm
from vault.errors import ServiceError
from vault.log.event import Draft
from vault.model.ask import Caller
from vault.model.names import show_id
from vault.model.secret import Secret
from vault.service.blind import VersionedIndexer
from vault.service.opening import ALARMING, opened, unwrap
from vault.service.parts import Parts
from vault.service.record import record
from vault.service.refusals import from_keys
from vault.store.records import Stored
from vault.store.resealing import Resealing

AT_ONCE = 128
"""Records of one page: one call unwraps as many."""
PASSES = 4
"""Times a run goes over what is due: what others held in one pass is free in the next."""
PAUSE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealer(Parts):
    """Opens and seals in one process, for as long as a job takes."""

    keystore: Keystore
    unwrapper: Unwrapper
    pool: Pool
    indexer: VersionedIndexer
    resealing: Resealing


@dataclass(frozen=True, slots=True)
class Job:
    """What is done to a tenant's records, and by whom."""

    who: Caller
    verb: str
    policy: str
    """Hash of the policy in force."""
    reference: str | None = None

    @property
    def tenant(self) -> str:
        """Whose records they are."""
        return self.who.tenant

    def draft(self, stored: Stored, **detail: str | int) -> Draft:
        """An event about one record."""
        return Draft(
            self.who,
            self.verb,
            "allow",
            self.verb,
            token=stored.token,
            field_type=stored.field_type,
            subject=stored.subject,
            reference=self.reference,
            dek_id=stored.dek_id,
            policy=self.policy,
            detail=detail,
        )


@dataclass(frozen=True, slots=True)
class Reopened:
    """The values of a page, and the tokens of those that did not open."""

    values: Mapping[str, Secret[bytes]]
    failed: tuple[str, ...] = ()


async def living(tenant: str, tokens: Sequence[str], parts: Resealer) -> list[Stored]:
    """The records of `tokens` that are not erased, as they stand."""
    found = await parts.store.load(tenant, tokens) if tokens else {}
    return [one for one in found.values() if one.erased_at is None]


async def reopen(job: Job, records: Sequence[Stored], parts: Resealer) -> Reopened:
    """Open records, each with its event. One whose key is gone was changed a moment ago and is left alone.

    Raises: Unavailable when the key server or a database is away: what was opened is on record.
    """
    wrapped = await parts.keystore.fetch(job.tenant, [one.dek_id for one in records])
    opening = [one for one in records if one.dek_id in wrapped]
    if not opening:
        return Reopened({})
    drafts = [job.draft(one, action="open", version=one.version) for one in opening]
    signed = await record(job.tenant, drafts, parts)  # durable when this returns, else nothing is unwrapped
    batch = show_id("lst", signed.heading.list_id)
    keys = await unwrap(job.tenant, set(wrapped), wrapped, parts.unwrapper, batch=batch)
    values = {one.token: opened(job.tenant, one, keys[one.dek_id]) for one in opening}
    first = {one.token: event.event_id for one, event in zip(opening, signed.events, strict=True)}
    await _record_failures(job, opening, values, first, parts)
    away = next((key for key in keys.values() if isinstance(key, KeysError) and key.transient), None)
    if away is not None:
        raise from_keys(away)
    failed = tuple(token for token, value in values.items() if isinstance(value, ServiceError))
    return Reopened({t: v for t, v in values.items() if isinstance(v, Secret)}, failed)


async def _record_failures(
    job: Job,
    opening: Sequence[Stored],
    values: Mapping[str, Secret[bytes] | ServiceError],
    first: Mapping[str, bytes],
    parts: Resealer,
) -> None:
    drafts = []
    for one in opening:
        value = values[one.token]
        if isinstance(value, ServiceError):
            told = {"failure": value.code, "first_event": show_id("evt", first[one.token])}
            drafts.append(job.draft(one, result="failed", **told))
            if value.code in ALARMING:
                raise_alarm(value.code, job.tenant, one.token)
    if drafts:
        await record(job.tenant, drafts, parts)
