"""`strongroom tenants`: make a tenant with its keys and two administrators, list those there are."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vault.cli.console import AsJson, pairs, print_json, print_table, screen
from vault.cli.home import FOLDER, Home

if TYPE_CHECKING:
    from vault.settings import Settings

app = typer.Typer(
    no_args_is_help=True, help="Organisations of this installation. Needs the service's own settings."
)
Name = Annotated[str, typer.Argument(help="1 to 32 of a-z 0-9 _")]
Person = Annotated[str, typer.Option(help="Who answers for the administrator's credential.")]
SecondPerson = Annotated[
    str, typer.Option("--second-person", help="Another person, who answers for the second administrator's.")
]
SecondSecretFile = Annotated[
    Path | None,
    typer.Option(
        "--second-secret-file", help="Where the second goes (the first's with 2, NAME-admin2-credential)."
    ),
]
SecretFile = Annotated[
    Path | None, typer.Option("--secret-file", help="Where the credential goes (NAME-admin-credential).")
]

Types = Annotated[list[str] | None, typer.Argument(help="Field types that are to be searchable.")]


@app.command()
def create(
    name: Name,
    person: Person,
    second_person: SecondPerson,
    secret_file: SecretFile = None,
    second_secret_file: SecondSecretFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a tenant: its keys, its policy as shipped, its two administrators. Works once per name.

    They are two persons, because rights such as opening for payment take two. Needs the identities
    `provisioner` and `control`, and the data database.

    Example: strongroom tenants create acme --person "Asha Rao" --second-person "Vikram Shah"
    """
    from vault.cli import founding

    first, second = credential_files(name, secret_file, second_secret_file)
    found = asyncio.run(
        founding.found(
            service_settings(),
            tenant=name,
            first=founding.Founder(person, first),
            second=founding.Founder(second_person, second),
        )
    )
    if as_json:
        print_json(found)
    else:
        screen().print(pairs(found))


@app.command()
def administrator(
    name: Name,
    person: Person,
    credential: Annotated[str, typer.Option(help="The new credential's name.")] = "admin3",
    secret_file: SecretFile = None,
    as_json: AsJson = False,
) -> None:
    """Add an administrator on an operator's word, where a tenant has not two persons left to agree on one.

    Whoever can run this can give a tenant's rights away: it needs the identity `control`, and is an event.

    Example: strongroom tenants administrator acme --person "Neha Gowda" --credential admin3
    """
    from vault.cli import founding

    founder = founding.Founder(person, secret_file or Path(f"{name}-{credential}-credential"))
    added = asyncio.run(
        founding.add_administrator(service_settings(), tenant=name, name=credential, founder=founder)
    )
    if as_json:
        print_json(added)
    else:
        screen().print(pairs(added))


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """List the tenants, each by its verified register.

    Example: strongroom tenants list --json
    """
    from vault.cli import founding

    tenants = asyncio.run(founding.listing(service_settings()))
    if as_json:
        print_json({"tenants": tenants})
        return
    columns = ("tenant", "register_version", "active_credentials", "policy")
    print_table(columns, [[str(tenant[name]) for name in columns] for tenant in tenants])


@app.command()
def keys(name: Name, types: Types = None, as_json: AsJson = False) -> None:
    """Make a tenant's keys that are missing, so that a policy may make field types searchable.

    Without TYPES: the index keys of every field type there is. Needs the identity `provisioner`.

    Example: strongroom tenants keys acme pan email
    """
    from vault.cli import founding

    made = asyncio.run(founding.add_keys(service_settings(), name, types or []))
    if as_json:
        print_json({"tenant": name, "created": made})
        return
    screen().print("\n".join(made) if made else "nothing was missing", markup=False)


@app.command()
def vouch(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: these are the latest registers.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign the standing of authority anew, when the signed row was lost and no plane starts.

    The standing says which register of each tenant is the latest; nobody but you can know that once it
    is gone. Compare the versions shown with the log's events of verb credentials and policy first.

    Example: strongroom tenants vouch
    """
    from vault.cli import founding

    settings = service_settings()
    found = asyncio.run(founding.registers_as_they_are(settings))
    if not yes:
        print_table(("tenant", "register_version"), [[name, str(found[name])] for name in found])
        typer.confirm("Are these the latest versions?", abort=True)
    asyncio.run(founding.vouch(settings, found))
    if as_json:
        print_json({"registers": found})


def credential_files(name: str, first: Path | None, second: Path | None) -> tuple[Path, Path]:
    """Where two administrators' credentials go; the second's beside the first's unless it is named."""
    if first is None:
        return Path(f"{name}-admin-credential"), second or Path(f"{name}-admin2-credential")
    return first, second or first.with_name(f"{first.name}2")


def service_settings() -> "Settings":
    """The service's settings from the environment or, when there are none, of the development vault here."""
    from vault.settings import read_settings

    if os.environ.get("STRONGROOM_DATA_URL"):
        return read_settings(os.environ)
    home = Home(Path(os.environ.get("STRONGROOM_HOME") or FOLDER))
    return read_settings({**os.environ, **home.kept_settings()})
