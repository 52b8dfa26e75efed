"""`strongroom keys`: the group, and how keys stand."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from vault.cli.console import AsJson, print_json, print_table, screen
from vault.cli.keys.finality import finality
from vault.cli.keys.inventory import inventory
from vault.cli.keys.named import wanted
from vault.cli.keys.rotating import rewrap, rotate
from vault.cli.keys.shredding import shred_cycle
from vault.cli.keys.verifying import verify
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from vault.service.keks import Kek
    from vault.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Keys: their versions, their rotation. Needs the service's own settings and an operator's identity.",
)
app.command()(rotate)
app.command()(rewrap)
app.command()(inventory)
app.command()(shred_cycle)
app.command()(verify)
app.command()(finality)
Tenant = Annotated[str | None, typer.Option("--tenant", help="This tenant alone.")]


@app.command()
def status(tenant: Tenant = None, as_json: AsJson = False) -> None:
    """Show each tenant's KEK: versions, minimums, how many DEKs each version wraps, what is to be done.

    Changes nothing. Needs the identity `rotator`, and both databases under the role strongroom_operator.

    Example: strongroom keys status --tenant acme
    """
    found = asyncio.run(_status(service_settings(), tenant))
    if as_json:
        print_json({"tenants": [document(one) for one in found]})
        return
    columns = ("tenant", "latest", "min to wrap", "min to open", "DEKs by version")
    print_table(columns, [_row(one) for one in found])
    for one in found:
        if one.todo:
            screen().print(f"{one.tenant}: {one.todo}", style="yellow", markup=False)


def document(one: "Kek") -> dict[str, object]:
    """A KEK as JSON shows it."""
    return {
        "tenant": one.tenant,
        "latest_version": one.latest,
        "min_encryption_version": one.min_encryption,
        "min_decryption_version": one.min_decryption,
        "deks": {str(version): count for version, count in one.held.items()},
        "old_deks": one.old,
        "settled": one.settled,
        "todo": one.todo,
    }


async def _status(settings: "Settings", tenant: str | None) -> list["Kek"]:
    from vault.operators import operating
    from vault.service.keks import look

    async with operating("rotator", settings) as operator:
        named = wanted(await operator.parts.registers.tenants(), tenant)
        return [await look(one, operator.transit, operator.holdings) for one in named]


def _row(one: "Kek") -> tuple[str, ...]:
    held = ", ".join(f"v{version}: {count:,}" for version, count in one.held.items())
    return one.tenant, str(one.latest), str(one.min_encryption or "latest"), str(one.min_decryption), held
