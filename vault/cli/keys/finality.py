"""`strongroom keys finality`: the signed statement that what was erased is beyond every copy."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vault.cli.console import AsJson, print_json, screen
from vault.cli.failures import CommandError
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from vault.log.finality import SignedFinality
    from vault.settings import Settings

Tenant = Annotated[str, typer.Option("--tenant", help="Whose erasures.")]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="A file (0600) for the statement.")]


def finality(*, tenant: Tenant, out: Out, as_json: AsJson = False) -> None:
    """Write the statement of the last shred cycle that was trimmed: which erasures are final, since when.

    Signed by the key `cert`, like certificates, once the log and the key server both bear it out. Give it to
    whoever holds a certificate: `strongroom-audit certificate FILE --finality STATEMENT` says, without a
    network, which of its erasures are final. Needs the identity `office`.

    Example: strongroom keys finality --tenant acme --out acme.finality
    """
    from keys.identity import write_private

    signed = asyncio.run(_state(tenant, service_settings()))
    write_private(out, signed.whole)
    told = signed.finality
    if as_json:
        print_json({"file": str(out), "version": told.version, "final_after": told.final_after.isoformat()})
    else:
        screen().print(f"statement in {out}; hand it to whoever holds a certificate", markup=False)


async def _state(tenant: str, settings: "Settings") -> "SignedFinality":
    from keys.names import kek_of
    from vault.cli.keys.named import wanted
    from vault.log import finality as statements
    from vault.plane import base
    from vault.reading import diary_of

    plane = base("office", settings)
    try:
        await plane.start()
        wanted(await plane.parts.registers.tenants(), tenant)
        cycle = await diary_of(plane).ended(tenant)
        if cycle is None or cycle.trimmed is None:
            raise CommandError("no shred cycle of this tenant was trimmed: nothing is final yet")
        key = await plane.transit.key_settings(kek_of(tenant))
        if key.min_available_version < cycle.version:
            raise CommandError("the key server has versions that the log says were destroyed: restored?")
        trimmed = datetime.fromtimestamp(cycle.trimmed_at / 1_000_000, UTC).date()
        stated = statements.Finality(
            tenant=tenant,
            version=cycle.version,
            erased_before=cycle.erased_before,
            trimmed_at=cycle.trimmed_at,
            final_after=trimmed + timedelta(days=settings.backup_days),
            begun_by=cycle.begun_by,
            trimmed_by=cycle.trimmed_by,
            log=f"{settings.log_name}/{tenant}",
            event_id=cycle.trimmed.event_id,
            commitment=cycle.trimmed.commitment,
        )
        message = statements.DOMAIN + statements.to_bytes(stated)
        version, signature = await plane.transit.sign("cert", message)
    finally:
        await plane.stop()
    return statements.attach(stated, key_version=version, signature=signature)
