"""Brings a database's schema up to date with Alembic: the keystore's here, and the data database's."""

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import AsyncEngine

from keys import keystore


@dataclass(frozen=True, slots=True)
class Schema:
    """A set of tables and the folder with its migrations. Both may share one database in development."""

    metadata: MetaData
    folder: Path
    version_table: str

    def config(self) -> Config:
        """Alembic's configuration, without a file."""
        config = Config()
        config.set_main_option("script_location", str(self.folder))
        config.attributes["metadata"] = self.metadata
        config.attributes["version_table"] = self.version_table
        return config


KEYSTORE = Schema(keystore.metadata, Path(__file__).with_name("migrations"), "alembic_version_keystore")


async def migrate(engine: AsyncEngine, schema: Schema) -> tuple[str | None, str | None]:
    """Upgrade to the newest version. Answers (version before, version after); doing it twice does no harm."""
    async with engine.connect() as connection:
        before = await connection.run_sync(_version, schema)
        await connection.run_sync(_upgrade, schema)
        await connection.commit()
        return before, await connection.run_sync(_version, schema)


async def is_current(engine: AsyncEngine, schema: Schema) -> bool:
    """Whether the database is at the version this code was written for."""
    async with engine.connect() as connection:
        return await connection.run_sync(_version, schema) == newest(schema)


def newest(schema: Schema) -> str | None:
    """The newest version there is a migration for."""
    return ScriptDirectory.from_config(schema.config()).get_current_head()


def _version(connection: Connection, schema: Schema) -> str | None:
    options = {"version_table": schema.version_table}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _upgrade(connection: Connection, schema: Schema) -> None:
    config = schema.config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
