"""`strongroom reconcile`: the key server's audit log held against ours."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress
from rich.text import Text

from vault.cli import concealed, logs
from vault.cli.console import AsJson, aside, clean, print_json, print_line, screen
from vault.cli.failures import REFUSED, UNAVAILABLE, UsageFault
from vault.cli.sequence import serve_metrics
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from vault.cli.reconcile.running import Run
    from vault.reconcile.findings import Finding
    from vault.settings import Settings

Logs = Annotated[
    list[Path], typer.Argument(exists=True, help="The audit log's files, plain or .gz, or folders of them.")
]
Follow = Annotated[
    bool, typer.Option("--follow", help="Go on with what is written, through rotation, until told to stop.")
]
StateFile = Annotated[
    Path | None,
    typer.Option(
        "--state",
        help="Where a run leaves what the next must know: each entry is judged once.",
        dir_okay=False,
    ),
]
Device = Annotated[str, typer.Option(help="The audit device, as the key server calls it.")]
Older = Annotated[
    int, typer.Option("--window", min=10, max=86_400, help="Seconds an event may be older than its unwrap.")
]
MetricsPort = Annotated[
    int | None, typer.Option(min=1, max=65_535, help="Serve Prometheus metrics on this port of 127.0.0.1.")
]


def reconcile(
    audit_logs: Logs,
    *,
    follow: Follow = False,
    state: StateFile = None,
    device: Device = "file",
    window: Older = 300,
    metrics_port: MetricsPort = None,
    as_json: AsJson = False,
) -> None:
    """Hold HashiCorp Vault's audit log against our events, and name what they do not agree on.

    Every unwrap must be told by one event that was committed before it, and be made once. A change of
    policies, keys, audit or ways in is an incident as well, and so is the use of a root token. Give the
    logs of all nodes. Exit 0 clean, 1 with an incident, 3 when it cannot be told. Needs the identity
    `reconciler` and the audit plane's database role.

    Example: strongroom reconcile /var/log/openbao/audit.log* --state reconcile.json
    """
    if metrics_port is not None and not follow:
        raise UsageFault("--metrics-port goes with --follow")
    if follow and any(path.is_dir() for path in audit_logs):
        raise UsageFault("--follow takes the files that are being written, not folders")
    wanted = _Wanted(service_settings(), audit_logs, state, device, window)
    concealed.forget()
    if follow:
        logs.configure()
        asyncio.run(_follow(wanted, metrics_port, as_json))
    else:
        asyncio.run(_files(wanted, as_json))


@dataclass(frozen=True, slots=True)
class _Wanted:
    settings: "Settings"
    paths: list[Path]
    state: Path | None
    device: str
    window: int


@asynccontextmanager
async def _run(wanted: _Wanted, tell: Callable[["Finding"], None]) -> AsyncIterator["Run"]:
    from vault.cli.reconcile.running import Run, reconciler
    from vault.cli.reconcile.state import Places, load
    from vault.reconcile.unwraps import Bounds

    bounds = Bounds(older=wanted.window * 1_000_000)
    async with reconciler(wanted.settings, device=wanted.device, bounds=bounds) as judge:
        places = load(wanted.state, judge) if wanted.state is not None else Places()
        yield Run(judge, places, tell)


async def _files(wanted: _Wanted, as_json: bool) -> None:
    from vault.cli.reconcile.files import log_files
    from vault.cli.reconcile.state import save

    found: list[Finding] = []
    files = log_files(wanted.paths)
    async with _run(wanted, found.append if as_json else _show) as run:
        size = sum(file.size() - run.places.read.get(file.name, 0) for file in files)
        with Progress(console=aside(), transient=True, disable=not aside().is_terminal) as progress:
            task = progress.add_task("reconciling", total=size)
            await run.files(files, lambda read: progress.advance(task, read))
        told = {**asdict(run.reconciler.finish()), "found": run.found}
        if wanted.state is not None:
            save(wanted.state, run.reconciler, run.places)
    if as_json:
        print_json({"ok": not run.incidents, **told, "findings": [one.members() for one in found]})
    else:
        _sum_up(told, run.incidents)
    raise typer.Exit(REFUSED if run.incidents else UNAVAILABLE if run.unreadable else 0)


async def _follow(wanted: _Wanted, metrics_port: int | None, as_json: bool) -> None:
    from vault.cli.reconcile.running import alarm, follow

    end, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, end.set)

    def tell(finding: "Finding") -> None:
        alarm(finding)
        if as_json:
            print_line(finding.members())
        else:
            _show(finding)

    if metrics_port is not None:
        serve_metrics(metrics_port)
    async with _run(wanted, tell) as run:
        await follow(run, wanted.paths, wanted.state, end)
    raise typer.Exit(REFUSED if run.incidents else 0)


def _show(finding: "Finding") -> None:
    told = finding.members()
    style = "bold red" if finding.grave else "yellow"
    line = Text.assemble((f"{finding.kind} ", style), f"{told['time']} {clean(finding.says)}")
    screen().print(line, soft_wrap=True)
    for name, text in finding.evidence.items():
        screen().print(Text(f"    {name}: {clean(text)}", style="dim"), soft_wrap=True)
    if "do" in told:
        screen().print(Text(f"    {told['do']}", style="bold"), soft_wrap=True)


def _sum_up(told: Mapping[str, Any], incidents: int) -> None:
    found = ", ".join(f"{count} {kind}" for kind, count in told["found"].items()) or "nothing to say"
    screen().print(
        f"{told['entries']:,} entries; {told['items']:,} DEKs in {told['unwraps']:,} unwraps of "
        f"{told['lists']:,} lists, {told['canaries']:,} canaries, {told['rewraps']:,} rewraps; "
        f"{told['untouched']:,} allowed and not unwrapped; {found}",
        soft_wrap=True, markup=False, style="red" if incidents else "",
    )  # fmt: skip
