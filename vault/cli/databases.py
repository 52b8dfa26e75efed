"""The two databases as commands meet them: reach them, bring their schema up to date, say how they are."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from keys.migrate import KEYSTORE, Schema, is_current, migrate, newest
from vault.cli.failures import CommandError
from vault.settings import Settings, SettingsError
from vault.store import failures
from vault.store.engine import open_database
from vault.store.migrate import DATA

Database = tuple[str, str, Schema]
"""Its name, its URL, the schema it should have."""

NEED_KEYSTORE = frozenset({"ingest", "reveal", "office"})
"""The planes that hold keys."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """What bringing one database up to date did."""

    name: str
    before: str | None
    after: str | None


def wanted(environment: Mapping[str, str]) -> list[Database]:
    """(name, URL, schema) of the databases that are set. Raises: SettingsError."""
    known = (
        ("data", "STRONGROOM_DATA_URL", DATA),
        ("keystore", "STRONGROOM_KEYSTORE_URL", KEYSTORE),
    )
    found = [(name, environment[url], schema) for name, url, schema in known if environment.get(url)]
    if not found:
        raise SettingsError("STRONGROOM_DATA_URL is missing (and STRONGROOM_KEYSTORE_URL)")
    return found


def of_planes(settings: Settings, planes: Sequence[str]) -> list[Database]:
    """The databases that these planes will use, each once. Raises: SettingsError."""
    data = [("data", settings.data_url_of(plane), DATA) for plane in planes]
    keys = [("keystore", settings.keystore_url_of(one), KEYSTORE) for one in planes if one in NEED_KEYSTORE]
    return list({(name, url): (name, url, schema) for name, url, schema in (*data, *keys)}.values())


async def bring_up(databases: list[Database]) -> list[Migrated]:
    """Migrate each. Doing it twice does no harm. Raises: SettingsError, Unavailable."""
    done = []
    for name, url, schema in databases:
        with _naming(name):
            engine = open_database(url, statement_seconds=None)
        try:
            with failures.statements():
                before, after = await migrate(engine, schema)
        finally:
            await engine.dispose()
        done.append(Migrated(name, before, after))
    return done


async def current(name: str, url: str, schema: Schema) -> bool:
    """Whether a database has the schema this code was written for. Raises: SettingsError, Unavailable."""
    with _naming(name):
        engine = open_database(url)
    try:
        with failures.statements():
            return await is_current(engine, schema)
    finally:
        await engine.dispose()


async def assert_current(databases: list[Database]) -> None:
    """Raises: CommandError that says which database needs `strongroom migrate`."""
    for name, url, schema in databases:
        if not await current(name, url, schema):
            raise CommandError(
                f"the {name} database is not at schema {newest(schema)}: run `strongroom migrate` first"
            )


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Inside, a URL that is none is told with the name of its setting."""
    try:
        yield
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError(f"STRONGROOM_{name.upper()}_URL: {error}") from None
