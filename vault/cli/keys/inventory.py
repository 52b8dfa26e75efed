"""`strongroom keys inventory`: the bill of cryptographic materials."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from vault.cli.console import AsJson, print_json, print_table
from vault.cli.failures import REFUSED
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from keys.admin import Admin
    from vault.service.inventory import Card
    from vault.settings import Settings

Deks = dict[str, dict[int, int]]


def inventory(as_json: AsJson = False) -> None:
    """List every key: type, version, age, when a new version is due, use, state; and DEKs by KEK version.

    --json is a CycloneDX 1.6 document (related-crypto-material). Exit 1 when a key is overdue or could leave
    the key server. Needs the identity `rotator`, and both databases under the role strongroom_operator.

    Example: strongroom keys inventory --json
    """
    from vault.service.inventory import document

    cards, deks = asyncio.run(collected(service_settings()))
    now = datetime.now(UTC)
    if as_json:
        print_json(document(cards, deks, now=now))
    else:
        _show(cards, deks, now)
    bad = any(one.may_leave or one.fate(now) == "overdue" for one in cards)
    raise typer.Exit(REFUSED if bad else 0)


async def collected(settings: "Settings") -> tuple[list["Card"], Deks]:
    """Every key's card, and {tenant: {KEK version: DEKs}}. Raises: KeysError, ServiceError."""
    from keys.admin import Admin
    from keys.identity import read_identity
    from keys.policies import HONEY
    from keys.provision import SIGNING_KEYS
    from vault.operators import operating
    from vault.service.catalogue import catalogue

    deks: Deks = {}
    names: list[tuple[str, str | None]] = [(name, None) for name in SIGNING_KEYS]
    async with operating("rotator", settings) as operator:
        for tenant in sorted(await operator.parts.registers.tenants()):
            deks[tenant] = await operator.holdings.versions(tenant)
            policy = (await operator.parts.registers.of(tenant)).policy
            indexed = [HONEY, *(kind.name for kind in catalogue(policy))]
            names += [(f"kek-{tenant}", tenant), (f"idem-{tenant}", tenant)]
            names += [(f"bidx-{tenant}-{name}", tenant) for name in indexed]
    admin = Admin.with_identity(settings.server, read_identity(settings.identity_file("rotator")))
    return await asyncio.to_thread(_cards, admin, settings.vault_mount, names), deks


def _cards(admin: "Admin", mount: str, names: list[tuple[str, str | None]]) -> list["Card"]:
    from vault.service.inventory import read_card

    found = [(name, tenant, admin.get(f"{mount}/keys/{name}")) for name, tenant in names]
    return [read_card(name, one["data"], tenant=tenant) for name, tenant, one in found if one is not None]


def _show(cards: list["Card"], deks: Deks, now: datetime) -> None:
    columns = ("key", "type", "version", "age", "new version", "opens from", "state")
    print_table(columns, [_row(one, now) for one in cards])
    rows = [(tenant, f"v{v}", f"{n:,}") for tenant, held in deks.items() for v, n in held.items()]
    print_table(("DEKs of", "KEK version", "count"), rows)


def _row(one: "Card", now: datetime) -> tuple[str, ...]:
    due = f"{one.due:%Y-%m-%d}" if one.due else "-"
    state = "MAY LEAVE" if one.may_leave else one.fate(now)
    age = f"{(now - one.made).days} d" if one.made else "-"
    return one.name, one.type, str(one.latest), age, due, f"v{one.min_decryption}", state
