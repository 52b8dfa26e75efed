"""PostgreSQL's roles: each plane can do its work and, even taken over, nothing else.

Everything a role must not do is tried with its own password on a migrated database that holds a row in
every table, so that a refusal is the right's and not an empty table's.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from sqlalchemy import URL, Column, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

import keys.roles
import vault.store.roles
from keys.errors import Misconfigured
from keys.keystore import metadata as keystore_tables
from tests.plugins.postgres import Postgres
from tests.plugins.service import PASSWORDS, Founder
from tests.plugins.world import BANK
from vault.store.acts import METADATA

pytestmark = pytest.mark.asyncio(loop_scope="module")
DENIED = "42501"
"""SQLSTATE insufficient_privilege."""
DATA_ROLES = sorted(vault.store.roles.RIGHTS)
KEYSTORE_ROLES = sorted(keys.roles.KEYSTORE_RIGHTS)
TABLES = {table.name: table for table in (*METADATA.sorted_tables, *keystore_tables.sorted_tables)}


@dataclass(frozen=True, slots=True)
class Cluster:
    """One pair of databases, and engines by role."""

    engines: dict[tuple[str, str], AsyncEngine]

    async def attempt(self, kind: str, role: str, statement: str) -> str | None:
        """Run a statement as a role and take it back; the SQLSTATE of its refusal, or None."""
        async with self.engines[kind, role].connect() as connection:
            try:
                await connection.exec_driver_sql(statement)
            except DBAPIError as refusal:
                return str(refusal.orig.sqlstate)  # type: ignore[union-attr]
            await connection.rollback()
        return None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(postgres: Postgres) -> AsyncIterator[Cluster]:
    """A pair with the roles in force and one row in each table."""
    pair = await postgres.pair("roles")
    engines: dict[tuple[str, str], AsyncEngine] = {}
    for kind, url, apply, rights in (
        ("data", pair.data, vault.store.roles.apply_roles, vault.store.roles.RIGHTS),
        ("keystore", pair.keystore, keys.roles.apply_roles, keys.roles.KEYSTORE_RIGHTS),
    ):
        owner = engines[kind, "owner"] = create_async_engine(url)
        async with owner.begin() as connection:
            await apply(connection, {role: PASSWORDS[role] for role in rights})
            await _one_row_each(connection, kind)
        for role in rights:
            engines[kind, role] = create_async_engine(_as(postgres, url, role))
    yield Cluster(engines)
    for engine in engines.values():
        await engine.dispose()


def _as(postgres: Postgres, url: URL, role: str) -> URL:
    return postgres.url(str(url.database), user=role, password=PASSWORDS[role])


async def _one_row_each(connection: AsyncConnection, kind: str) -> None:
    tables = (METADATA if kind == "data" else keystore_tables).sorted_tables
    for table in tables:
        await connection.exec_driver_sql(_insert(table.name))


def _insert(table: str, digit: str = "0", *, also: str = "") -> str:
    """A row that breaks no rule but, perhaps, the right to write it.

    `also` names a column besides that the database sets by itself.
    """
    values = {
        "LargeBinary": f"decode(repeat('{digit}', 32), 'hex')",
        "String": f"'{digit}'",
        "Text": f"'{digit}'",
        "Integer": digit,
        "SmallInteger": digit,
        "BigInteger": "9000000000000000000",
        "Boolean": "false",
    }
    columns = [c for c in TABLES[table].columns if not _set_by_the_database(c) or c.name == also]
    own = "true" if also == "sealed" else "1"
    told = ", ".join(own if c.name == also else values[type(c.type).__name__] for c in columns)
    return f"INSERT INTO {table} ({', '.join(c.name for c in columns)}) VALUES ({told})"


def _set_by_the_database(column: Column) -> bool:
    return column.server_default is not None or column.name in ("key_destroyed_at", "resealed_at")


def _deeds(table: str) -> dict[str, str]:
    """What one may do to a table, column by column where that is how rights are given."""
    columns = list(TABLES[table].columns)
    names = [column.name for column in columns]
    own = [column.name for column in columns if _set_by_the_database(column)]
    return {
        f"INSERT {table}": _insert(table, "1"),
        f"DELETE {table}": f"DELETE FROM {table}",
        f"TRUNCATE {table}": f"TRUNCATE {table}",
        **{f"INSERT {table}.{name}": _insert(table, "1", also=name) for name in own},
        **{f"SELECT {table}.{name}": f"SELECT {name} FROM {table}" for name in names},
        **{f"UPDATE {table}.{name}": f"UPDATE {table} SET {name} = NULL WHERE false" for name in names},
    }


def _every(*tables: str) -> set[str]:
    return {f"SELECT {table}.{column.name}" for table in tables for column in TABLES[table].columns}


def _columns(table: str, *names: str) -> set[str]:
    return {f"SELECT {table}.{name}" for name in names}


PLANE = {"INSERT event", "INSERT event.sealed", "INSERT signed_list", "INSERT worker"} | _every(
    "register", "standing", "restoration", "credential_freeze", "credential_thaw"
)
STANDING = _every("record_state", "subject_fact", "consent")
PROMISES = STANDING | _every(
    "notice", "hold", "hold_lifted", "case_act", "recipient", "disclosure", "erasure_notice"
)
ACTS = ("notice", "consent", "subject_fact", "record_state", "hold", "hold_lifted", "case_act", "recipient",
        "erasure_notice")  # fmt: skip
LOG = _every("leaf", "node", "checkpoint", "cosignature", "list_refusal", "events_dropped")
FENCED = {"INSERT kek_fence", "UPDATE kek_fence.held"} | _columns("kek_fence", "tenant", "min_version")
SPENT = ("hour", "hour_subjects", "day", "day_subjects", "minute", "minute_values")
MAY: dict[tuple[str, str], set[str]] = {
    ("data", "strongroom_ingest"): PLANE
    | {"INSERT record", "INSERT blind_index", "INSERT blind_index.key_version", "INSERT idempotency"}
    | _columns("idempotency", "tenant", "slot", "fingerprint", "answer")
    | _columns("notice", "tenant", "version", "language"),
    ("data", "strongroom_reveal"): PLANE
    | PROMISES
    | {"INSERT disclosure", "INSERT credential_freeze", "INSERT spent", "INSERT spent_subject"}
    | {f"UPDATE spent.{name}" for name in SPENT}
    | {"UPDATE spent_subject.hour", "UPDATE spent_subject.day"}
    | _every("spent", "spent_subject", "honey")
    | _every("record", "tombstone", "blind_index", "event", "signed_list", "worker")
    | _columns("leaf", "tenant", "idx", "list_id", "position")
    | _columns("checkpoint", "tenant", "size", "signed_at")
    | _columns("list_refusal", "tenant", "list_id"),
    ("data", "strongroom_office"): PLANE
    | {"DELETE record", "DELETE blind_index", "INSERT tombstone", "UPDATE tombstone.key_destroyed_at"}
    | {"INSERT record", "INSERT record.version", "INSERT replaced", "UPDATE replaced.key_destroyed_at"}
    | {
        "INSERT blind_index",
        "INSERT honey",
        "INSERT blind_index.key_version",
        "UPDATE resealed.key_destroyed_at",
    }
    | _every("honey")
    | {f"INSERT {table}" for table in ACTS}
    | _columns("resealed", "tenant", "token", "dek_id", "key_destroyed_at")
    | PROMISES
    | _every("record", "tombstone", "replaced", "event", "events_dropped", "signed_list", "worker")
    | _columns("blind_index", "tenant", "token"),
    ("data", "strongroom_resealer"): PLANE
    | STANDING
    | {f"UPDATE record.{name}" for name in ("dek_id", "sealed", "dek_lease", "resealed_at")}
    | {"INSERT resealed", "INSERT blind_index", "INSERT blind_index.key_version", "DELETE blind_index"}
    | _every("record", "tombstone", "blind_index")
    | _columns("resealed", "tenant", "key_destroyed_at"),
    ("data", "strongroom_control"): PLANE
    | {"INSERT register", "INSERT credential_secret", "INSERT used_jti", "INSERT standing"}
    | {f"UPDATE standing.{name}" for name in ("seq", "document", "signature", "key_version")}
    | {"INSERT proposal", "INSERT proposal_end", "INSERT credential_thaw"}
    | _every("credential_secret", "proposal", "proposal_end", "event", "signed_list", "worker"),
    ("data", "strongroom_audit"): PLANE | LOG | _every("event", "signed_list", "worker"),
    ("data", "strongroom_sequencer"): LOG
    | _every("signed_list", "worker", "sequencer_lease")
    | _columns("event", "tenant", "event_id", "list_id", "position", "commitment")
    | {f"INSERT {table}" for table in ("leaf", "node", "checkpoint", "cosignature", "list_refusal")}
    | {f"UPDATE sequencer_lease.{name}" for name in ("holder", "term", "until")},
    ("data", "strongroom_operator"): PLANE
    | _columns("record", "tenant", "dek_id")
    | _columns("replaced", "tenant", "dek_id", "key_destroyed_at")
    | _columns("tombstone", "tenant", "dek_id", "key_destroyed_at")
    | _columns("resealed", "tenant", "dek_id", "key_destroyed_at")
    | _columns("blind_index", "tenant", "field_type", "key_version")
    | _every("event", "signed_list", "worker"),
    ("data", "strongroom_retention"): set(),
    ("keystore", "strongroom_ingest"): {"INSERT dek"} | FENCED,
    ("keystore", "strongroom_reveal"): _columns("dek", "tenant", "dek_id", "wrapped"),
    ("keystore", "strongroom_office"): {"DELETE dek", "INSERT dek"}
    | FENCED
    | _columns("dek", "tenant", "dek_id"),
    ("keystore", "strongroom_resealer"): {"INSERT dek"}
    | FENCED
    | _columns("dek", "tenant", "dek_id", "wrapped"),
    ("keystore", "strongroom_operator"): {"DELETE dek", "UPDATE dek.wrapped", "UPDATE dek.kek_version"}
    | {"INSERT kek_fence", "UPDATE kek_fence.min_version"}
    | _every("dek", "kek_fence"),
}
"""The table of architecture.md, written a second time: what is not here is refused."""


@pytest.mark.parametrize(("kind", "role"), sorted(MAY))
async def test_a_role_does_what_it_may_and_nothing_else(cluster: Cluster, kind: str, role: str):
    """Of every insert, delete, truncate, and of every column's select and update, the listed succeed."""
    tables = (METADATA if kind == "data" else keystore_tables).sorted_tables
    done = set()
    for table in tables:
        for deed, statement in _deeds(table.name).items():
            outcome = await cluster.attempt(kind, role, statement)
            assert outcome in (None, DENIED), (deed, outcome)
            if outcome is None:
                done.add(deed)
    assert done == MAY[kind, role]


@pytest.mark.parametrize("role", DATA_ROLES)
@pytest.mark.parametrize("table", ["event", "signed_list", "worker", "register"])
async def test_nobody_rewrites_what_proves_something(cluster: Cluster, role: str, table: str):
    """No role updates or deletes an event, a signed list, a worker's key or a register."""
    column = next(iter(TABLES[table].columns)).name
    for statement in (f"DELETE FROM {table}", f"TRUNCATE {table}", f"UPDATE {table} SET {column} = {column}"):
        assert await cluster.attempt("data", role, statement) == DENIED


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (x int)",
        "CREATE TEMPORARY TABLE mine (x int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "DROP TABLE event",
        "ALTER TABLE event ADD COLUMN x int",
        "ALTER TABLE event DISABLE TRIGGER ALL",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SET ROLE strongroom_owner",
        "SET SESSION AUTHORIZATION strongroom_owner",
        "COPY record TO '/tmp/stolen'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT rolpassword FROM pg_authid",
        "SET log_statement = 'none'",
        "SELECT lo_import('/etc/passwd')",
        "UPDATE alembic_version_data SET version_num = 'x'",
    ],
)
async def test_no_role_reaches_beyond_its_rows(cluster: Cluster, statement: str):
    """No data role makes, drops, becomes another, or touches the server's files and settings."""
    for role in DATA_ROLES:
        refused = await cluster.attempt("data", role, statement)
        assert refused == DENIED, role


async def test_no_role_can_pass_its_rights_on(cluster: Cluster):
    """None of them holds a right with the option to grant it."""
    query = (
        "SELECT count(*) FROM information_schema.column_privileges"
        " WHERE is_grantable = 'YES' AND grantee <> 'strongroom_owner' AND table_schema = 'public'"
    )
    for kind in ("data", "keystore"):
        async with cluster.engines[kind, "owner"].connect() as connection:
            assert await connection.scalar(text(query)) == 0


async def test_a_role_stays_out_of_the_other_database(cluster: Cluster, postgres: Postgres):
    """Control, audit, sequencer and retention do not even reach the keystore."""
    for role, database in (
        ("strongroom_control", "roles_keystore"),
        ("strongroom_audit", "roles_keystore"),
        ("strongroom_sequencer", "roles_keystore"),
        ("strongroom_retention", "roles_keystore"),
    ):
        engine = create_async_engine(postgres.url(database, user=role, password=PASSWORDS[role]))
        with pytest.raises(DBAPIError, match="permission denied for database"):
            async with engine.connect():
                pass
        await engine.dispose()


@pytest.mark.parametrize(("kind", "rights"), [("data", vault.store.roles), ("keystore", keys.roles)])
async def test_roles_in_force_twice_are_as_once(cluster: Cluster, kind: str, rights):
    """A second run changes nothing, and a right that somebody added by hand is gone after it."""
    owner = cluster.engines[kind, "owner"]
    async with owner.begin() as connection:
        await connection.execute(
            text("GRANT ALL ON ALL TABLES IN SCHEMA public TO strongroom_ingest, PUBLIC")
        )
    async with owner.begin() as connection:
        assert await rights.apply_roles(connection, {}) == []
    for table in ("record", "event") if kind == "data" else ("dek",):
        assert await cluster.attempt(kind, "strongroom_ingest", f"DELETE FROM {table}") == DENIED
        assert await cluster.attempt(kind, "strongroom_ingest", f"SELECT * FROM {table}") == DENIED
        assert await cluster.attempt(kind, "strongroom_ingest", _insert(table, "2")) is None


async def test_a_password_is_in_no_statement_and_no_log(cluster: Cluster, postgres: Postgres):
    """The server is told a SCRAM verifier: with every statement logged, the password is not there."""
    said = postgres.log.read_text(errors="replace")
    assert "CREATE ROLE strongroom_ingest" in said
    assert not any(password in said for password in PASSWORDS.values())


async def test_a_new_role_without_a_password_is_refused(postgres: Postgres):
    """A role nobody could log in as is not made, and neither is any other."""
    engine = create_async_engine(postgres.url("postgres"))
    rights = {"strongroom_visitor": ()}
    with pytest.raises(Misconfigured, match="strongroom_visitor is new and needs a password"):
        async with engine.begin() as connection:
            await keys.roles.put_in_force(connection, rights, {}, readable="pg_roles")
    await engine.dispose()


@pytest.mark.asyncio(loop_scope="function")
async def test_every_verb_works_under_the_roles(found_world: Founder):
    """With each plane logged in as its own role every operation of the service does its work."""
    world = await found_world("postgresql")
    assert world.settings.data_url_of("ingest") != world.settings.data_url_of("reveal")
    token = (await world.tokenize([("bank_account", BANK)], key="k1")).json()["items"][0]["token"]
    assert (await world.tokenize([("bank_account", BANK)], key="k1")).status_code == 200
    assert (await world.detokenize([token])).json()["items"][0]["value"] == BANK
    assert (await world.post("/v1/inspect", {"tokens": [token]}, who="payments")).status_code == 200
    found = await world.post("/v1/search", {"type": "pan", "value": "ABCPE1234F"}, who="payments")
    assert found.status_code == 403  # by policy; story/test_search.py opens it
    assert (await world.erase([token])).json()["items"][0]["state"] == "shredded"
    assert len(await world.events(token=token)) >= 3
    assert (await world.post("/v1/credentials/acme.marketing/rotate", {}, who="admin")).status_code == 200
    assert (await world.client.get("/readyz")).status_code == 200
