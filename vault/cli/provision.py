"""`strongroom provision`: mount, keys, identities on the key server; then, once, a first tenant."""

import asyncio
import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vault.cli.console import AsJson, print_json, screen
from vault.cli.failures import UsageFault
from vault.cli.tenants import credential_files

if TYPE_CHECKING:
    from keys.admin import Admin
    from keys.nodes import Server
    from keys.plan import Plan, Report

Addr = Annotated[
    str | None,
    typer.Option("--vault-addr", help="The key server (or STRONGROOM_VAULT_ADDR, VAULT_ADDR)."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="The operator's token; - reads it from stdin (or VAULT_TOKEN)."),
]
Out = Annotated[Path, typer.Option("--out", help="Folder for the identity files (0600).")]
Ca = Annotated[Path | None, typer.Option("--vault-ca", exists=True, help="PEM of the key server's CA.")]
Namespace = Annotated[str | None, typer.Option("--namespace", help="Namespace on the key server.")]
Mount = Annotated[str, typer.Option("--mount", help="Where the transit engine is to be mounted.")]
Cidr = Annotated[list[str], typer.Option("--cidr", help="Network the identities may log in from (repeat).")]
Days = Annotated[int, typer.Option(min=1, max=365, help="Days until a new secret id ends.")]
Wrap = Annotated[
    int,
    typer.Option(
        "--wrap",
        min=0,
        max=86_400,
        help="Seconds that a plane's secret id lies in a wrapping which opens once.",
    ),
]
Logins = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Who logs in by JWT or certificate instead (TOML)."),
]
Destroy = Annotated[
    list[str],
    typer.Option(
        "--destroy-secret-ids", help="End every secret id of this identity, as after a theft (repeat)."
    ),
]
Renew = Annotated[bool, typer.Option("--renew", help="Issue a fresh secret id where a file exists already.")]
Lend = Annotated[
    bool,
    typer.Option("--lend-resealer", help="Issue the identity `resealer` too: for one job, one day at most."),
]
Tenant = Annotated[str | None, typer.Option(help="Found this tenant, with its keys and two administrators.")]
Person = Annotated[str | None, typer.Option(help="Who answers for the administrator's credential.")]
SecondPerson = Annotated[
    str | None, typer.Option("--second-person", help="Another person, for the second administrator's.")
]
AdminFile = Annotated[
    Path, typer.Option("--admin-file", help="Where the administrator's credential is written (0600).")
]
SecondAdminFile = Annotated[
    Path | None,
    typer.Option("--second-admin-file", help="Where the second's is written (the first's with 2)."),
]


def provision(
    *,
    vault_addr: Addr = None,
    token_file: TokenFile = None,
    out: Out = Path("identities"),
    vault_ca: Ca = None,
    namespace: Namespace = None,
    mount: Mount = "strongroom",
    cidr: Cidr = [],  # noqa: B006  # typer copies it
    secret_id_days: Days = 30,
    wrap: Wrap = 0,
    logins: Logins = None,
    renew: Renew = False,
    lend_resealer: Lend = False,
    destroy_secret_ids: Destroy = [],  # noqa: B006  # typer copies it
    tenant: Tenant = None,
    person: Person = None,
    second_person: SecondPerson = None,
    admin_file: AdminFile = Path("admin-credential"),
    second_admin_file: SecondAdminFile = None,
    as_json: AsJson = False,
) -> None:
    """Set up the key server for Strongroom. Doing it twice does no harm; it says what it did.

    The operator's token comes from --token-file, VAULT_TOKEN or a prompt, never from an argument. With
    --tenant the databases of STRONGROOM_DATA_URL and STRONGROOM_KEYSTORE_URL are used as well.

    Example: strongroom provision --vault-addr https://vault:8200 --token-file ~/.vault-token --out ids
    """
    from keys.policies import LENT

    if len({one is None for one in (tenant, person, second_person)}) > 1:
        raise UsageFault("--tenant, --person and --second-person belong together")
    server = _server(vault_addr, vault_ca, namespace)
    plan = _plan(logins, mount=mount, cidrs=tuple(cidr), secret_id_ttl=secret_id_days * 86_400, wrap_ttl=wrap)
    token = read_token(token_file)
    ended = _end(server, token, plan, destroy_secret_ids)
    anew = (*(LENT if lend_resealer else ()), *destroy_secret_ids)
    report = set_up(server, token, plan, out, renew=renew, anew=anew)
    report.changed.extend(ended)
    found: dict[str, str] = {}
    if tenant and person and second_person:
        files = credential_files(tenant, admin_file, second_admin_file)
        found = _found(_told(server, plan, out), tenant, (person, second_person), files)
    _say(report, found, as_json)


def _server(address: str | None, ca: Path | None, namespace: str | None) -> "Server":
    """Where the key server is. Raises: UsageFault, KeysError."""
    from keys.nodes import Server

    address = address or os.environ.get("STRONGROOM_VAULT_ADDR") or os.environ.get("VAULT_ADDR")
    if not address:
        raise UsageFault("--vault-addr is missing (or STRONGROOM_VAULT_ADDR)")
    return Server(address, ca=str(ca) if ca else None, namespace=namespace)


def _plan(logins: Path | None, **told: Any) -> "Plan":
    """What was asked for. Raises: UsageFault, OSError."""
    from keys.plan import Plan
    from vault.cli.logins import with_logins

    return with_logins(Plan(**told), logins)


def read_token(file: Path | None) -> str:
    """The operator's token. Raises: UsageFault, OSError."""
    if file is not None and str(file) != "-":
        token = file.read_text()
    elif file is not None:
        token = sys.stdin.read()
    elif os.environ.get("VAULT_TOKEN"):
        token = os.environ["VAULT_TOKEN"]
    elif sys.stdin.isatty():
        token = getpass.getpass("Operator's token: ")
    else:
        raise UsageFault("no operator's token: give --token-file FILE, --token-file -, or VAULT_TOKEN")
    if not token.strip():
        raise UsageFault("the operator's token is empty")
    return token.strip()


def _end(server: "Server", token: str, plan: "Plan", names: list[str]) -> list[str]:
    """Destroy secret ids; what was done. Raises: UsageFault, KeysError."""
    from keys.admin import Admin
    from keys.logins import destroy_secret_ids
    from keys.policies import IDENTITIES

    if unknown := set(names) - set(IDENTITIES):
        raise UsageFault(f"--destroy-secret-ids: there is no identity {min(unknown)}")
    admin = Admin.with_token(server, token)
    counts = {name: destroy_secret_ids(admin, name, plan) for name in names}
    return [f"{count} secret ids of {name} destroyed" for name, count in counts.items()]


def set_up(
    server: "Server", token: str, plan: "Plan", out: Path, *, renew: bool = False, anew: Sequence[str] = ()
) -> "Report":
    """Bring the key server to the plan and write the identity files that are missing. Raises: KeysError.

    `anew`: identities to issue afresh, those that are lent for a job among them.
    """
    from keys.admin import Admin
    from keys.policies import IDENTITIES, LENT
    from keys.provision import provision as bring_to_plan

    admin = Admin.with_token(server, token)
    report = bring_to_plan(admin, plan)
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (one for one in IDENTITIES if one not in LENT or one in anew):
        again = renew or name in anew
        _identity(admin, name, plan, out / f"{name}.json", report=report, renew=again)
    return report


def _identity(admin: "Admin", name: str, plan: "Plan", path: Path, *, report: "Report", renew: bool) -> None:
    from keys.identity import read_identity, write_identity
    from keys.logins import issue_identity

    if path.exists() and not renew:
        read_identity(path)
        report.present.append(f"identity file {path}")
        return
    write_identity(path, issue_identity(admin, name, plan))
    report.created.append(f"identity file {path}")


def _told(server: "Server", plan: "Plan", out: Path) -> dict[str, str]:
    """The settings of the key server as it was set up just now."""
    return {
        "STRONGROOM_VAULT_ADDR": server.address,
        "STRONGROOM_VAULT_MOUNT": plan.mount,
        "STRONGROOM_IDENTITIES": str(out),
        **({"STRONGROOM_VAULT_CA": server.ca} if server.ca else {}),
        **({"STRONGROOM_VAULT_NAMESPACE": server.namespace} if server.namespace else {}),
    }


def _found(
    told: dict[str, str], tenant: str, persons: tuple[str, str], files: tuple[Path, Path]
) -> dict[str, str]:
    """Found the first tenant, unless it is there. Raises: SettingsError, KeysError, ServiceError."""
    from vault.cli import founding
    from vault.settings import read_settings

    first, second = (founding.Founder(*one) for one in zip(persons, files, strict=True))
    settings = read_settings({**os.environ, **told})
    return asyncio.run(founding.found(settings, tenant=tenant, first=first, second=second))


def _say(report: "Report", found: dict[str, str], as_json: bool) -> None:
    parts: dict[str, Any] = {
        "created": report.created,
        "changed": report.changed,
        "present": report.present,
        "hand_over": report.hand_over,
    }
    if as_json:
        print_json(parts | ({"tenant": found} if found else {}))
        return
    console = screen()
    for name, style in (("created", "green"), ("changed", "yellow"), ("present", "dim")):
        for what in parts[name]:
            console.print(f"[{style}]{name:8}[/] ", end="")
            console.print(what, markup=False)
    for name, value in found.items():
        console.print(f"{name}: {value}", markup=False)
    for sentence in report.hand_over:
        console.print(f"for you: {sentence}", style="bold", markup=False)
