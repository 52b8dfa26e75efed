"""Who may do what in the data database, on PostgreSQL: the table of architecture.md as GRANTs.

Nobody may change or delete an event, a signed list, a worker or a register: their rows are only added to.
Times that the database sets on its own clock are no column that a plane may name.
"""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from keys.roles import Rights, put_in_force

_ADD_EVENT = (
    "INSERT (tenant, event_id, list_id, position, commitment, salt, body, sealed, token, subject,"
    " actor, verb, decision, purpose) ON event"
)
_EVERY_PLANE = (
    "SELECT ON register",
    "SELECT ON standing",
    # Whether a restore is unfinished: then it does not start.
    "SELECT ON restoration",
    # A frozen credential is refused everywhere.
    "SELECT ON credential_freeze",
    "SELECT ON credential_thaw",
    _ADD_EVENT,
    "INSERT ON signed_list",
    "INSERT ON worker",
)
_LOG_READER = (
    "SELECT ON leaf",
    "SELECT ON node",
    "SELECT ON checkpoint",
    "SELECT ON cosignature",
    "SELECT ON list_refusal",
    "SELECT ON events_dropped",
)
# Enough to see how far the log is behind, and what of it counts.
_BACKLOG_READER = (
    "SELECT (tenant, list_id, size) ON signed_list",
    "SELECT (tenant, list_id, verb, recorded_at) ON event",
    "SELECT (tenant, idx, list_id, position) ON leaf",
    "SELECT (tenant, size, signed_at) ON checkpoint",
    "SELECT (tenant, list_id) ON list_refusal",
)
_STANDING_READER = (
    "SELECT ON record_state",
    "SELECT ON subject_fact",
    "SELECT ON consent",
)
"""What a record may be used for now: looked at in the statement that loads it."""
_PROMISES_READER = (
    *_STANDING_READER,
    "SELECT ON notice",
    "SELECT ON hold",
    "SELECT ON hold_lifted",
    "SELECT ON case_act",
    "SELECT ON recipient",
    "SELECT ON disclosure",
    "SELECT ON erasure_notice",
)


def _add(table: str, columns: str) -> str:
    """The right to add a row, its time set by the database."""
    return f"INSERT (tenant, {columns}, event_id) ON {table}"


RIGHTS: Rights = {
    "strongroom_ingest": (
        *_EVERY_PLANE,
        # Not version, not created_at: a second version would replace a value, an early date revive a lease.
        "INSERT (tenant, token, subject, field_type, dek_id, sealed, dek_lease, notice) ON record",
        # Whether the notice that a caller names exists.
        "SELECT (tenant, version, language) ON notice",
        "INSERT ON blind_index",
        "INSERT (tenant, slot, fingerprint, answer) ON idempotency",
        "SELECT (tenant, slot, fingerprint, answer) ON idempotency",
    ),
    "strongroom_reveal": (
        *_EVERY_PLANE,
        *_BACKLOG_READER,
        *_PROMISES_READER,
        "SELECT ON record",
        "SELECT ON tombstone",
        "SELECT ON blind_index",
        # What an export tells the person: who did what with it. And whether a worker signed that.
        "SELECT ON event",
        "SELECT ON signed_list",
        "SELECT ON worker",
        # What it has opened of late: taken over, it could forget that, as it could pass budgets by.
        "SELECT ON spent",
        "INSERT ON spent",
        "UPDATE (hour, hour_subjects, day, day_subjects, minute, minute_values) ON spent",
        "SELECT ON spent_subject",
        "INSERT ON spent_subject",
        "UPDATE (hour, day) ON spent_subject",
        "SELECT ON honey",
        _add("credential_freeze", "freeze_id, credential, cause"),
        _add("disclosure", "subject, token, field_type, recipient, country, reference, sealed"),
    ),
    "strongroom_office": (
        *_EVERY_PLANE,
        *_PROMISES_READER,
        _add("notice", "version, language, title, effective_at, sha256, purposes"),
        _add("consent", "subject, purpose, number, act, source, notice, given_at"),
        _add("subject_fact", "subject, number, kind, on_day, reference"),
        _add("record_state", "token, number, state, until, law, reason"),
        _add("hold", "hold_id, subject, token, reason, reference, credential, person"),
        _add("hold_lifted", "hold_id, reason, credential, person"),
        _add("case_act", "case_id, number, subject, kind, act, document, credential, person, at"),
        _add("recipient", "name, number, document"),
        _add("erasure_notice", "token, number, erase_after"),
        _add("honey", "digest"),
        "SELECT ON honey",
        # When a record was last used. And, for four eyes, whether a worker signed what it stands on.
        "SELECT ON event",
        "SELECT ON events_dropped",
        "SELECT ON signed_list",
        "SELECT ON worker",
        "SELECT ON record",
        "DELETE ON record",
        "SELECT ON replaced",
        "INSERT (tenant, token, version, dek_id) ON replaced",
        "UPDATE (key_destroyed_at) ON replaced",
        "SELECT (tenant, token, dek_id, key_destroyed_at) ON resealed",
        "UPDATE (key_destroyed_at) ON resealed",
        "INSERT ON blind_index",
        # A corrected value is the next version of its token; its times are the database's.
        "INSERT (tenant, token, version, subject, field_type, dek_id, sealed, dek_lease, notice) ON record",
        "SELECT ON tombstone",
        "INSERT (tenant, token, version, subject, field_type, dek_id, created_at, reason) ON tombstone",
        "UPDATE (key_destroyed_at) ON tombstone",
        # DELETE looks for its rows by these two columns; the digests stay out of sight.
        "SELECT (tenant, token) ON blind_index",
        "DELETE ON blind_index",
    ),
    # Seals living records anew, and writes their index rows anew. It may name neither times nor versions, and
    # ends no record's life; the DEKs that are left over are destroyed by the office.
    "strongroom_resealer": (
        *_EVERY_PLANE,
        "SELECT ON record",
        "UPDATE (dek_id, sealed, dek_lease, resealed_at) ON record",
        "SELECT ON tombstone",
        "INSERT (tenant, token, dek_id, version) ON resealed",
        "SELECT (tenant, key_destroyed_at) ON resealed",
        "SELECT ON blind_index",
        "INSERT ON blind_index",
        "DELETE ON blind_index",
        # What the load of a record looks at besides.
        *_STANDING_READER,
    ),
    "strongroom_control": (
        *_EVERY_PLANE,
        "INSERT ON register",
        # What control says anew every minute is overwritten; it is signed, and only ever says more.
        "INSERT ON standing",
        "UPDATE (seq, document, signature, key_version) ON standing",
        "SELECT ON credential_secret",
        "INSERT ON credential_secret",
        # A proposal counts when a worker signed for it, so its event is looked at.
        "SELECT ON event",
        "SELECT ON signed_list",
        "SELECT ON worker",
        "SELECT ON proposal",
        "SELECT ON proposal_end",
        _add("proposal", "proposal_id, document, credential, person, expires_at"),
        _add("proposal_end", "proposal_id, act, credential, person"),
        _add("credential_thaw", "freeze_id, reason, credential, person"),
        # An id that is taken shows as a clash: no need to read those of others.
        "INSERT ON used_jti",
    ),
    "strongroom_audit": (
        *_EVERY_PLANE,
        "SELECT ON event",
        "SELECT ON signed_list",
        "SELECT ON worker",
        *_LOG_READER,
    ),
    # Numbers events by what proves them; never sees what they say.
    "strongroom_sequencer": (
        "SELECT (tenant, event_id, list_id, position, commitment) ON event",
        "SELECT ON signed_list",
        "SELECT ON worker",
        *_LOG_READER,
        "INSERT ON leaf",
        "INSERT ON node",
        # Not the times: they are the database's.
        "INSERT (tenant, size, root, note, key_version) ON checkpoint",
        "INSERT ON cosignature",
        "INSERT (tenant, list_id, reason) ON list_refusal",
        "SELECT ON sequencer_lease",
        "UPDATE (holder, term, until) ON sequencer_lease",
    ),
    # Puts what it does to keys on record, and looks which of them a record needs. Sees no value and no event.
    "strongroom_operator": (
        *_EVERY_PLANE,
        "SELECT (tenant, dek_id) ON record",
        "SELECT (tenant, dek_id, key_destroyed_at) ON replaced",
        "SELECT (tenant, dek_id, key_destroyed_at) ON tombstone",
        "SELECT (tenant, dek_id, key_destroyed_at) ON resealed",
        # How many rows of an index an old version of its key made: never a digest, nor whose it is.
        "SELECT (tenant, field_type, key_version) ON blind_index",
        # Where a shred cycle stands, and that the right worker signed it.
        "SELECT ON event",
        "SELECT ON signed_list",
        "SELECT ON worker",
    ),
    # Touches no table: these functions look and act for it, and hold to the legal minimum by themselves.
    "strongroom_retention": (
        "EXECUTE ON FUNCTION strongroom_expired_events(integer)",
        "EXECUTE ON FUNCTION strongroom_drop_events(date)",
        "EXECUTE ON FUNCTION strongroom_make_event_months(integer)",
    ),
}
_VERSION_TABLE = "alembic_version_data"


async def apply_roles(connection: AsyncConnection, passwords: Mapping[str, str]) -> list[str]:
    """Put the data database's roles in force; answer the roles that were new. Twice does no harm.

    `passwords` by role, for every role or only for those to be changed. Raises: Misconfigured.
    """
    return await put_in_force(connection, RIGHTS, passwords, readable=_VERSION_TABLE)
