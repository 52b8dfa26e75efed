"""The schema can be spread by tenant over many machines, as docs/SCALING.md says; the code is held to it."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Identity, Sequence, Table, UniqueConstraint, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from keys.keystore import metadata as keystore_tables
from tests.plugins.postgres import Postgres
from tests.plugins.process import ROOT
from tests.plugins.service import Founder
from tests.plugins.shards import SHARDS, Sent, Shards, sent, shards
from tests.plugins.world import World
from vault.policy.load import DEFAULT
from vault.sequencer import build_sequencer
from vault.store.acts import METADATA

STATEMENTS = (ROOT / "docs/SCALING.md").read_text()
SPREAD = set(re.findall(r"create_distributed_table\('(\w+)', 'tenant'", STATEMENTS))
REFERENCE = set(re.findall(r"create_reference_table\('(\w+)'\)", STATEMENTS))
LOCAL = {"sequencer_lease"}
TABLES = {table.name: table for table in (*METADATA.sorted_tables, *keystore_tables.sorted_tables)}
ADVISORY = re.compile(r"pg_(try_)?advisory_(xact_)?lock")
WHICH_TENANTS = (
    "SELECT signed_list.tenant FROM signed_list WHERE signed_list.tenant > $1::VARCHAR"
    " ORDER BY signed_list.tenant LIMIT $2::INTEGER"
)
"""Asked now and then by whoever works for all tenants. No request waits for the answer."""
EXPECTED = {
    "a pool is filled": {"dek", "kek_fence"},
    "tokenize": {"record", "blind_index", "idempotency", "event", "signed_list"},
    "tokenize, asked again": {"idempotency"},
    "detokenize": {"record", "tombstone", "record_state", "consent", "subject_fact", "spent", "spent_subject"}
    | {"leaf", "checkpoint", "event", "signed_list", "dek"},
    "search": {"blind_index", "record", "tombstone", "event", "signed_list"},
    "inspect": {"record", "event", "signed_list"},
    "erase": {"record", "tombstone", "blind_index", "hold", "event", "signed_list", "dek"},
    "sequence": {"signed_list", "event", "leaf", "node", "checkpoint", "list_refusal"},
}
"""Spread tables that a verb is known to need: what was recorded is not a part of it."""
POLICY = f"""{DEFAULT.read_text().replace("searchable = []", 'searchable = ["pan"]')}
[budgets.payment]
subjects_per_hour = 1_000
"""
NEEDS_THE_WHOLE = """
SELECT relname::text FROM pg_class WHERE relkind = 'S' UNION ALL
SELECT tgname::text FROM pg_trigger UNION ALL
SELECT conname::text FROM pg_constraint WHERE contype = 'f' UNION ALL
SELECT attname::text FROM pg_attribute WHERE attidentity <> ''"""
_CONSENT = "SELECT (SELECT max(number) FROM consent c WHERE c.tenant = {}) FROM record r WHERE r.tenant = $1"
_LIST = (
    "INSERT INTO list_refusal (tenant, list_id, reason) SELECT unnest($1::text[]), unnest($2::bytea[]), 'r'"
)
CONTROLS = (
    (1, Sent("SELECT sealed FROM record WHERE tenant = $1 AND token = $2", ("'acme'", "'tok'"))),
    (SHARDS, Sent("SELECT sealed FROM record WHERE token = $1", ("'tok'",))),
    (SHARDS, Sent("DELETE FROM blind_index WHERE token = $1", ("'tok'",))),
    (1, Sent(_CONSENT.format("$1"), ("'acme'",))),
    (SHARDS, Sent(_CONSENT.format("r.tenant"), ("'acme'",))),
    (1, Sent(_LIST, ("'{acme,acme}'", r"'{\x00,\x01}'"))),
    (2, Sent(_LIST, ("'{acme,globex}'", r"'{\x00,\x01}'"))),
    (1, Sent("UPDATE record SET notice = NULL WHERE tenant = $1", ("'acme'",))),
)
"""How many shards a statement needs, and the statement."""


def spread() -> list[Table]:
    return [TABLES[name] for name in sorted(SPREAD)]


def test_the_distribution_statements_name_every_table_once():
    """No table is forgotten: it is spread by tenant, or copied to every machine, or stands beside by name."""
    named = re.findall(r"create_(?:distributed|reference)_table\('(\w+)'", STATEMENTS)
    assert len(named) == len(set(named))
    assert {*named} | LOCAL == set(TABLES)
    assert not SPREAD & REFERENCE


def test_no_key_of_a_spread_table_needs_more_than_its_shard():
    """Each primary key and each unique key has the tenant in it; no foreign key, no sequence, no identity."""
    for table in spread():
        unique = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
        keys = [table.primary_key, *unique, *(one for one in table.indexes if one.unique)]
        assert all("tenant" in key.columns for key in keys), table.name
        assert not table.foreign_keys, table.name
        assert not any(isinstance(one.default, Sequence) for one in table.columns), table.name
        assert not any(isinstance(one.server_default, Identity) for one in table.columns), table.name
        assert table.autoincrement_column is None, table.name


@pytest.mark.asyncio
@pytest.mark.parametrize("template", ["template_data", "template_keystore"])
async def test_the_migrated_databases_number_nothing_and_refer_to_nothing(postgres: Postgres, template: str):
    """PostgreSQL itself knows no sequence, identity column, trigger or foreign key there."""
    engine = create_async_engine(postgres.url(template))
    async with engine.connect() as connection:
        found = (await connection.execute(text(NEEDS_THE_WHOLE))).all()
    await engine.dispose()
    assert found == []


@dataclass(slots=True)
class Recorded:
    """What both databases were sent while something was done: (database, statement)."""

    statements: list[tuple[str, Sent]] = field(default_factory=list)

    @property
    def each(self) -> Iterable[tuple[str, Sent]]:
        """One of each text."""
        return {(kind, one.text): (kind, one) for kind, one in self.statements}.values()


@asynccontextmanager
async def recorded(world: World, postgres: Postgres) -> AsyncIterator[Recorded]:
    """Taken from the server's log, so whatever sends statements, and however."""
    since, found = postgres.log.stat().st_size, Recorded()
    yield found
    for kind, url in (("data", world.databases.data_url), ("keystore", world.databases.keystore_url)):
        some = sent(postgres.log, since, str(make_url(url).database))
        found.statements += [(kind, one) for one in some]


async def hot_verbs(world: World, postgres: Postgres) -> Mapping[str, Recorded]:
    """Every hot verb, and what was sent meanwhile: what goes on beside them is in there too."""
    done, items = dict[str, Recorded](), [("pan", "ABCPE1234F"), ("person_name", world.canary())]
    async with recorded(world, postgres) as done["a pool is filled"]:
        await world.worker(["ingest"])
    async with recorded(world, postgres) as done["tokenize"]:
        made = await world.tokenize(items, key="k-1")
        tokens = [item["token"] for item in made.json()["items"]] + await world.seal()
    async with recorded(world, postgres) as done["tokenize, asked again"]:
        again = await world.tokenize(items, key="k-1")
    async with recorded(world, postgres) as done["detokenize"]:
        opened = await world.detokenize(tokens)
    async with recorded(world, postgres) as done["search"]:
        body = {"type": "pan", "value": "ABCPE1234F"}
        found = await world.post("/v1/search", body, who="payments")
    async with recorded(world, postgres) as done["inspect"]:
        seen = await world.post("/v1/inspect", {"tokens": tokens}, who="payments")
    async with recorded(world, postgres) as done["erase"]:
        gone = await world.erase(tokens[-1:])
    for _ in range(3):  # more than a tile of leaves, so that nodes are written
        await world.seal(100)
    async with recorded(world, postgres) as done["sequence"]:
        await sequence(world)
    assert {one.status_code for one in (made, again, opened, found, seen, gone)} == {200}
    assert found.json()["tokens"] == tokens[:1]
    return done


async def sequence(world: World) -> None:
    """All that waits gets its number, and a checkpoint over it."""
    running = build_sequencer(world.settings)
    await running.prepare()
    try:
        while await running.sequencer.step():
            pass
        await running.sequencer.step(sign=True)
    finally:
        await running.stop()


@asynccontextmanager
async def spread_copy(postgres: Postgres, name: str) -> AsyncIterator[dict[str, Shards]]:
    """Both databases with their tables spread as the documentation says."""
    pair = await postgres.pair(name)
    async with (
        shards(pair.data, SPREAD & set(METADATA.tables)) as data,
        shards(pair.keystore, SPREAD & set(keystore_tables.tables)) as keystore,
    ):
        await keystore.keep("INSERT INTO kek_fence (tenant) VALUES ('acme'), ('globex')")
        yield {"data": data, "keystore": keystore}


@pytest.mark.asyncio
async def test_every_hot_statement_touches_one_shard(
    found_world: Founder, postgres: Postgres, tmp_path: Path
):
    """Planned for the parameters it was sent with, each needs one shard, the same of every table.

    None writes to a table that is copied or stands beside, save a worker that enrols and the sequencer to its
    lease; none takes an advisory lock.
    """
    world = await found_world("postgresql", sequencer_state=tmp_path / "state")
    applied = await world.ordered("/v1/policy/apply", {"toml": POLICY})
    assert applied.status_code == 200, applied.text
    await asyncio.sleep(1)  # by when every worker has seen it
    verbs, tables, written = await hot_verbs(world, postgres), dict[str, set[str]](), set[str]()
    everywhere = set[str]()
    async with spread_copy(postgres, "shards") as copy:
        for verb, what in verbs.items():
            for kind, statement in what.each:
                touched = await copy[kind].touched(statement)
                assert not ADVISORY.search(statement.text), statement
                if len(touched.every) > 1:
                    everywhere.add(" ".join(statement.text.split()))
                    continue
                assert not (touched.shards and touched.whole), (verb, statement.text, touched)
                tables.setdefault(verb, set()).update(touched.shards)
                written |= touched.written
    assert everywhere == {WHICH_TENANTS}
    assert written == LOCAL | {"worker"}
    for verb, expected in EXPECTED.items():
        assert expected <= tables[verb], verb


@pytest.mark.asyncio
async def test_a_statement_without_its_key_is_found_out(postgres: Postgres):
    """Without the tenant, or with it only in the outer row, or with two: more than one shard is needed."""
    async with spread_copy(postgres, "shards_control") as copy:
        data = copy["data"]
        assert await data.of("acme") != await data.of("globex")
        for needed, statement in CONTROLS:
            assert len((await data.touched(statement)).every) == needed, statement
