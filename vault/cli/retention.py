"""`strongroom log`: what the log need not keep any longer, and the keys it is verified under."""

import asyncio
import getpass
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vault.cli.console import AsJson, print_json, screen
from vault.cli.failures import REFUSED
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from vault.errors import ServiceError
    from vault.service.retention import Month
    from vault.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The log as a whole. Needs the service's own settings.")
Apply = Annotated[bool, typer.Option("--apply", help="Drop them. Without it nothing is changed.")]
Record = Annotated[bool, typer.Option("--record", help="Put them on record in every tenant's log.")]
Outcome = tuple["Month", "ServiceError | None"]


@app.command()
def retention(apply: Apply = False, as_json: AsJson = False) -> None:
    """Show the months whose bodies and salts may go; with --apply drop them, and make room for months ahead.

    Entries, leaves, lists and checkpoints stay, so every proof still verifies. A month stays while it is
    younger than STRONGROOM_LOG_FLOOR_MONTHS, or holds an event that no signed checkpoint covers (exit 1).
    Dropping is an event of every tenant it touches. Run it monthly, as the database role
    strongroom_retention (STRONGROOM_RETENTION_DATA_URL) and with the identity `audit`.

    Example: strongroom log retention --apply
    """
    settings = service_settings()
    due, done, made = asyncio.run(_retention(settings, apply=apply))
    failed = {one.month: error for one, error in done if error is not None}
    dropped = {one.month for one, error in done if error is None}
    lines = [_line(one, one.month in dropped, failed.get(one.month)) for one in due]
    if as_json:
        print_json({"floor_months": settings.log_floor_months, "months": lines, "months_made": made})
    else:
        _show(lines, settings.log_floor_months, apply=apply)
    raise typer.Exit(REFUSED if failed or any(one.uncovered for one in due) else 0)


@app.command()
def keys(record: Record = False, as_json: AsJson = False) -> None:
    """Show the keys that each tenant's log is verified under; with --record the log itself tells them.

    A tenant's first event tells them. Record them again after the key `log` was rotated, so that the log
    says by itself which keys sign its checkpoints. Needs the identity `audit`.

    Example: strongroom log keys --record
    """
    told = asyncio.run(_keys(service_settings(), record=record))
    if as_json:
        print_json({"tenants": told, "recorded": record})
        return
    for one in told:
        for name, value in one.items():
            screen().print(f"{name}: {value}", markup=False, highlight=False, soft_wrap=True)


async def _keys(settings: "Settings", *, record: bool) -> list[dict[str, str]]:
    from vault.cli import databases
    from vault.cli.founding import operator
    from vault.plane import base
    from vault.service.log_keys import tell, verifier_keys

    await databases.assert_current(databases.of_planes(settings, ["audit"]))
    plane = base("audit", settings)
    shown = []
    try:
        await plane.start()
        for tenant in await plane.parts.registers.tenants():
            told = await verifier_keys(plane.transit, settings.log_name, tenant)
            receipt = await tell(operator(tenant, getpass.getuser()), told, plane.parts) if record else ""
            shown.append({"tenant": tenant, **told} | ({"receipt": receipt} if record else {}))
    finally:
        await plane.stop()
    return shown


async def _retention(settings: "Settings", *, apply: bool) -> tuple[list["Month"], Sequence[Outcome], int]:
    from vault.cli import databases
    from vault.cli.founding import operator
    from vault.plane import base
    from vault.service import retention as verb
    from vault.settings import RETENTION
    from vault.store.engine import open_database
    from vault.store.retention import Months

    await databases.assert_current(databases.of_planes(settings, ["audit"]))
    engine = open_database(settings.data_url_of(RETENTION), statement_seconds=None)
    months = Months(engine)
    try:
        due = await verb.expired(months, settings.log_floor_months)
        if not apply:
            return due, [], 0
        made = await months.make_ahead()
        plane = base("audit", settings)
        try:
            await plane.start()
            done = await verb.drop(
                due,
                months,
                plane.parts,
                floor=settings.log_floor_months,
                who=lambda tenant: operator(tenant, getpass.getuser()),
            )
        finally:
            await plane.stop()
        return due, done, made
    finally:
        await engine.dispose()


def _line(one: "Month", dropped: bool, error: "ServiceError | None") -> dict[str, str | int]:
    state = "dropped" if dropped else "may go"
    if one.uncovered:
        state = f"stays: no checkpoint covers {one.uncovered:,} of its events"
    elif error is not None:
        state = f"stays: {error.code}"
    return {"month": f"{one.month:%Y-%m}", "events": one.events, "uncovered": one.uncovered, "state": state}


def _show(lines: Sequence[dict[str, str | int]], floor: int, *, apply: bool) -> None:
    for line in lines:
        screen().print(f"{line['month']}  {line['events']:>12,} events  {line['state']}", markup=False)
    if not lines:
        screen().print(f"nothing is older than {floor} full months")
    elif not apply:
        screen().print("nothing was changed; --apply drops what may go")
