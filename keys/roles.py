"""Database roles on PostgreSQL: each plane logs in as its own, with exactly the rights its code needs.

Here is how rights are put in force, and the keystore's table of them; vault/store/roles.py has the other.
SQLite knows no roles: there the process is the only boundary.
"""

import base64
import hmac
import os
from collections.abc import Mapping, Sequence
from hashlib import pbkdf2_hmac, sha256

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from keys.errors import Misconfigured

Rights = Mapping[str, Sequence[str]]
"""{role: what it may do, as the middle of a GRANT: "SELECT (tenant, token) ON record"}"""

PREFIX = "strongroom_"
SHORTEST_PASSWORD = 16

# To hold the fence's row while adding a key takes a right to change some column of it: one that says nothing.
_FENCED = (
    "SELECT (tenant, min_version) ON kek_fence",
    "INSERT (tenant) ON kek_fence",
    "UPDATE (held) ON kek_fence",
)
KEYSTORE_RIGHTS: Rights = {
    "strongroom_ingest": ("INSERT ON dek", *_FENCED),
    "strongroom_reveal": ("SELECT (tenant, dek_id, wrapped) ON dek",),
    # DELETE looks for its rows by these two columns; the wrapped key itself stays out of sight.
    "strongroom_office": ("INSERT ON dek", "DELETE ON dek", "SELECT (tenant, dek_id) ON dek", *_FENCED),
    "strongroom_resealer": ("INSERT ON dek", "SELECT (tenant, dek_id, wrapped) ON dek", *_FENCED),
    # Rewraps by compare-and-swap, counts versions before a trim, sweeps what no record came to use.
    "strongroom_operator": (
        "SELECT ON dek",
        "UPDATE (wrapped, kek_version) ON dek",
        "DELETE ON dek",
        "SELECT ON kek_fence",
        "INSERT (tenant) ON kek_fence",
        "UPDATE (min_version) ON kek_fence",
    ),
}
_VERSION_TABLE = "alembic_version_keystore"
_ROUNDS = 4096
_CALL = "EXECUTE ON FUNCTION "
_ATTRIBUTES = {
    "rolcanlogin": ("LOGIN", True),
    "rolsuper": ("SUPERUSER", False),
    "rolcreatedb": ("CREATEDB", False),
    "rolcreaterole": ("CREATEROLE", False),
    "rolreplication": ("REPLICATION", False),
    "rolbypassrls": ("BYPASSRLS", False),
    "rolinherit": ("INHERIT", False),
}
"""{column of pg_roles: (word in a statement, how it is to be)}"""


async def apply_roles(connection: AsyncConnection, passwords: Mapping[str, str]) -> list[str]:
    """Put the keystore's roles in force; answer the roles that were new. Doing it twice does no harm.

    `passwords` by role, for every role or only for those to be changed. Raises: Misconfigured.
    """
    return await put_in_force(connection, KEYSTORE_RIGHTS, passwords, readable=_VERSION_TABLE)


async def put_in_force(
    connection: AsyncConnection, rights: Rights, passwords: Mapping[str, str], *, readable: str
) -> list[str]:
    """Make the roles, take away whatever they had in this database, and give them `rights`, in one go.

    Everyone may read the table `readable`. The caller commits. Raises: Misconfigured.
    """
    if connection.dialect.name != "postgresql":
        raise Misconfigured("only PostgreSQL has roles")
    rows = (await connection.execute(text("SELECT * FROM pg_roles"))).mappings()
    known = {row["rolname"]: {name: bool(row[name]) for name in _ATTRIBUTES} for row in rows}
    made = [role for role in rights if role not in known]
    for role in rights:
        for statement in _login(role, passwords.get(role), known.get(role)):
            await connection.exec_driver_sql(statement)
    database = await connection.scalar(text("SELECT quote_ident(current_database())"))
    for statement in _statements(str(database), rights, readable):
        await connection.exec_driver_sql(statement)
    return made


def _login(role: str, password: str | None, found: Mapping[str, bool] | None) -> list[str]:
    if not role.removeprefix(PREFIX).isalpha():
        raise Misconfigured("not the name of a role")
    if found is None and password is None:
        raise Misconfigured(f"{role} is new and needs a password")
    # Only what differs: to mention SUPERUSER, even with a NO, takes a superuser, which no owner need be.
    wanted = [f"{'' if on else 'NO'}{word}" for name, (word, on) in _ATTRIBUTES.items()
              if found is None or found[name] != on]  # fmt: skip
    if password is not None:
        # Only the verifier is sent: a statement ends up in the server's log and its views.
        wanted.append(f"PASSWORD '{scram_verifier(password, salt=os.urandom(16))}'")
    return [f"{'ALTER' if found else 'CREATE'} ROLE {role} {' '.join(wanted)}"] if wanted else []


def _statements(database: str, rights: Rights, readable: str) -> list[str]:
    """What the database is told, in order. Afterwards exactly `rights` hold for these roles."""
    roles = ", ".join(rights)
    granted = [f"GRANT {right} TO {role}" for role, held in rights.items() for right in held]
    functions = sorted({right.removeprefix(_CALL) for held in rights.values() for right in held
                        if right.startswith(_CALL)})  # fmt: skip
    return [
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC, {roles}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"REVOKE ALL ON SCHEMA public FROM {roles}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {roles}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, {roles}",
        *(f"REVOKE ALL ON FUNCTION {one} FROM PUBLIC, {roles}" for one in functions),
        f"GRANT CONNECT ON DATABASE {database} TO {roles}",
        f"GRANT USAGE ON SCHEMA public TO {roles}",
        f"GRANT SELECT ON {readable} TO {roles}",
        *granted,
    ]


def scram_verifier(password: str, *, salt: bytes) -> str:
    """What PostgreSQL keeps of a password (RFC 5802, RFC 7677): enough to check it, not to know it.

    Raises: Misconfigured for a short one, or one outside ASCII, which SASLprep might change.
    """
    if len(password) < SHORTEST_PASSWORD or not password.isascii() or not password.isprintable():
        raise Misconfigured(f"a database password is {SHORTEST_PASSWORD} or more printable ASCII characters")
    salted = pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
    stored = sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    told = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ROUNDS}:{told[0]}${told[1]}:{told[2]}"
