"""`strongroom keys verify`: a sample of records held to their keys, through the reveal identity."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from vault.cli.console import AsJson, aside, print_json, print_table
from vault.cli.failures import REFUSED, UNAVAILABLE, CommandError
from vault.cli.keys.working import Person, checked
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from vault.service.diary import Diary
    from vault.service.verify import Verified
    from vault.settings import Settings

Tenant = Annotated[str, typer.Option("--tenant", help="Whose records.")]


def verify(*, person: Person, tenant: Tenant, as_json: AsJson = False) -> None:
    """Unwrap the keys of one record in a hundred and hold each to its record; no value is opened.

    At least 50 records and at most 1,000, at random, of every type. Each is an event before its key is
    unwrapped. A shred cycle needs it between rewrapping and retiring; it does it itself where the identity
    `reveal` is at hand. Exit 1 when a key does not fit its record.

    Example: strongroom keys verify --tenant acme --person "Meera Iyer"
    """
    checked(person, None)
    done = asyncio.run(_verify(tenant, person, service_settings()))
    if as_json:
        failed = [{"token": token, "fault": fault} for token, fault in done.failed]
        print_json({"tenant": tenant, "checked": done.checked, "of": done.of, "failed": failed})
    else:
        columns = ("tenant", "checked", "of", "failed")
        print_table(columns, [(tenant, f"{done.checked:,}", f"{done.of:,}", f"{len(done.failed):,}")])
        for token, fault in done.failed:
            aside().print(f"{token}: {fault}", style="red", markup=False)
    raise typer.Exit(REFUSED if done.failed else 0)


async def assert_verified(
    tenant: str, version: int, person: str, diary: "Diary", settings: "Settings"
) -> None:
    """Verify a sample, unless the log tells of one. Raises: CommandError when a key does not fit."""
    if await diary.verified(tenant, version):
        return
    if not settings.identity_file("reveal").exists():
        raise CommandError(
            f"every DEK is rewrapped; before older versions are retired run `strongroom keys verify --tenant "
            f"{tenant}` where the identity reveal is, then this again",
            UNAVAILABLE,
        )
    done = await _verify(tenant, person, settings)
    if done.failed:
        raise CommandError(
            f"{len(done.failed):,} of {done.checked:,} sampled records do not fit their keys; nothing was "
            "retired. `strongroom doctor`, and compare these records with the backup"
        )


async def _verify(tenant: str, person: str, settings: "Settings") -> "Verified":
    from keys.names import kek_of
    from vault.cli.founding import operator
    from vault.cli.keys.named import wanted
    from vault.reading import revealing
    from vault.service.verify import verify

    async with revealing(settings) as (parts, transit):
        wanted(await parts.registers.tenants(), tenant)
        kek = await transit.key_settings(kek_of(tenant))
        return await verify(operator(tenant, person), parts, to_version=kek.latest_version)
