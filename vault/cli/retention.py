"""`strongroom log retention`: what the log need not keep any longer, and dropping it."""

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
Outcome = tuple["Month", "ServiceError | None"]


@app.callback()
def _group() -> None:
    """Keeps `retention` a command of its own while it is the only one."""


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
