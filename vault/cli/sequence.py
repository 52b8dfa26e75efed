"""`strongroom sequence`: numbers events, builds the trees, signs checkpoints. A process of its own."""

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer

from vault.cli import concealed, logs, process
from vault.cli.console import AsJson, print_json, screen
from vault.cli.failures import REFUSED, UsageFault

if TYPE_CHECKING:
    from vault.sequencer import RunningSequencer
    from vault.settings import Settings

Once = Annotated[bool, typer.Option("--once", help="Number and sign what there is, then stop.")]
Status = Annotated[bool, typer.Option("--status", help="Say how each log is, and change nothing.")]
MetricsPort = Annotated[
    int | None, typer.Option(min=1, max=65_535, help="Serve Prometheus metrics on this port of 127.0.0.1.")
]
_ROUNDS_WITHOUT_LEASE = 30
log = structlog.get_logger()


def sequence(
    once: Once = False, status: Status = False, metrics_port: MetricsPort = None, as_json: AsJson = False
) -> None:
    """Give every committed event its place in its tenant's provable log, and sign the log's head.

    Any number may run, on several machines; one leads, another follows within seconds when it dies. Each
    needs a folder of its own (STRONGROOM_SEQUENCER_STATE) that is not restored together with the database.

    Example: strongroom sequence --metrics-port 9101
    """
    from vault.identities import opened
    from vault.settings import SEQUENCER, read_settings

    if once and status:
        raise UsageFault("--once and --status do not go together")
    settings = read_settings(os.environ)
    concealed.forget()
    if status:
        bad = asyncio.run(_status(settings, as_json))
        raise typer.Exit(REFUSED if bad else 0)
    logs.configure()
    process.harden()
    settings = opened(settings, [SEQUENCER])
    asyncio.run(_once(settings) if once else _run(settings, metrics_port))


async def _run(settings: "Settings", metrics_port: int | None) -> None:
    from vault.sequencer import build_sequencer

    running = build_sequencer(settings)
    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(wanted, running.end)
    try:
        await running.prepare()
        if metrics_port is not None:
            serve_metrics(metrics_port)
        process.warn_of_swap()
        log.info("sequencing")
        await running.run()
    finally:
        await running.stop()


async def _once(settings: "Settings") -> None:
    from vault.sequencer import build_sequencer

    running = build_sequencer(settings)
    try:
        await running.prepare()
        await _drain(running)
        await running.witnesses.witnessing.step()
    finally:
        await running.stop()


async def _drain(running: "RunningSequencer") -> None:
    """Rounds until nothing is left. Raises: CommandError while another sequencer leads."""
    from vault.cli.failures import UNAVAILABLE, CommandError

    for _ in range(_ROUNDS_WITHOUT_LEASE):
        while await running.sequencer.step(sign=True):
            pass
        if running.sequencer.lease is not None:
            return
        await asyncio.sleep(0.2)
    raise CommandError("another sequencer leads; it does this work", UNAVAILABLE)


def serve_metrics(port: int) -> None:
    """Prometheus metrics on a port of this machine alone."""
    from prometheus_client import start_http_server

    from vault import metrics

    start_http_server(port, addr="127.0.0.1", registry=metrics.registry)


async def _status(settings: "Settings", as_json: bool) -> bool:
    """Show each log; whether one has refused lists or a place that does not verify."""
    from vault.sequencer import build_sequencer
    from vault.service.log_status import log_status

    running = build_sequencer(settings)
    try:
        found = [
            await log_status(tenant, running.sequencer) for tenant in await running.sequencer.store.tenants()
        ]
        lag = await running.witnesses.lag.look()
    finally:
        await running.stop()
    if as_json:
        print_json({"logs": [one.members() for one in found], "witness_seconds_behind": lag})
    else:
        _show([one.members() for one in found])
        for name, seconds in lag.items():
            screen().print(f"witness {name}: {seconds:,.0f} s behind", markup=False)
    return any(one.refused or one.damage for one in found)


def _show(found: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table("tenant", "events", "signed", "signed at", "waiting", "refused", box=None)
    for one in found:
        table.add_row(
            one["tenant"], f"{one['size']:,}", f"{one['signed']:,}", one["signed_at"] or "never",
            f"{one['waiting_events']:,}", str(len(one["refused"])),
        )  # fmt: skip
    screen().print(table)
    for one in found:
        for refused in one["refused"]:
            screen().print(f"{one['tenant']}: {refused['list']} refused: {refused['reason']}", style="red")
        if one["damage"]:
            screen().print(f"{one['tenant']}: {one['damage']}", style="red", markup=False)
