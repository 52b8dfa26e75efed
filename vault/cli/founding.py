"""Making a tenant: its keys by the provisioner's identity, its register by the control plane's."""

import getpass
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keys.admin import Admin
from keys.identity import write_private
from keys.provision import provision_tenant
from vault.alarms import raise_alarm
from vault.cli import databases
from vault.cli.failures import CommandError
from vault.control import build_control
from vault.errors import Conflict
from vault.model.ask import Caller
from vault.model.names import FIELD_TYPE, TENANT
from vault.plane import Base, base
from vault.policy.load import DEFAULT, parse_toml
from vault.service import tenants
from vault.service.catalogue import catalogue
from vault.service.client_secrets import SecretVerifier
from vault.service.issuing import Issued
from vault.service.log_keys import verifier_keys
from vault.service.registers import Registers
from vault.settings import Settings

_NAME = "abcdefghijklmnopqrstuvwxyz0123456789_-"


@dataclass(frozen=True, slots=True)
class Founder:
    """A person to be administrator, and the file (0600) that takes the credential."""

    person: str
    secret_file: Path


async def found(settings: Settings, *, tenant: str, first: Founder, second: Founder) -> dict[str, str]:
    """Found a tenant as shipped, its two administrators' credentials into their files. Once per tenant.

    Raises: CommandError, SettingsError, KeysError, ServiceError.
    """
    _assert_tenant(tenant)
    tenants.check_two(first.person, second.person)
    await databases.assert_current(databases.of_planes(settings, ["control"]))
    policy = parse_toml(DEFAULT.read_text())
    try:
        async with _control(settings) as (plane, verifier):
            if tenant in await plane.parts.registers.tenants():
                return {"tenant": tenant, "state": "was there already; nothing was changed"}
            _reserve(first.secret_file, second.secret_file)
            make_keys(settings, tenant, sorted(policy.searchable))
            issued = await tenants.found(
                tenant,
                persons=(first.person, second.person),
                policy=policy,
                operator=operator(tenant, first.person),
                control=build_control(plane, settings, verifier)[1],
                told=await verifier_keys(plane.transit, settings.log_name, tenant),
            )
    except Conflict:
        raise CommandError(f"the tenant {tenant} was founded by somebody else just now") from None
    for one, founder in zip(issued, (first, second), strict=True):
        _hand_over(one, founder.secret_file)
    return {
        "tenant": tenant,
        "administrator": issued[0].entry.id,
        "credential": str(first.secret_file),
        "second_administrator": issued[1].entry.id,
        "second_credential": str(second.secret_file),
    }


async def add_administrator(
    settings: Settings, *, tenant: str, name: str, founder: Founder
) -> dict[str, str]:
    """Add an administrator to a tenant that has not two persons left to agree on one.

    Raises: CommandError, SettingsError, KeysError, ServiceError.
    """
    _assert_tenant(tenant)
    await databases.assert_current(databases.of_planes(settings, ["control"]))
    async with _control(settings) as (plane, verifier):
        _reserve(founder.secret_file)
        control = build_control(plane, settings, verifier)[1]
        who = operator(tenant, founder.person)
        issued = await tenants.add_administrator(name, founder.person, who, control)
    _hand_over(issued, founder.secret_file)
    return {"tenant": tenant, "administrator": issued.entry.id, "credential": str(founder.secret_file)}


async def registers_as_they_are(settings: Settings) -> dict[str, int]:
    """The verified version of each tenant's register, standing or not. Raises: KeysError, ServiceError."""
    plane = base("control", settings)
    registers = Registers(plane.authority, plane.public_keys, clock=time.monotonic, alarm=raise_alarm)
    try:
        return {name: (await registers.of(name)).register.version for name in await registers.tenants()}
    finally:
        await plane.stop()


async def vouch(settings: Settings, versions: Mapping[str, int]) -> None:
    """Sign the standing of authority on an operator's word. Raises: KeysError, ServiceError."""
    plane = base("control", settings)
    try:
        await plane.announcer.announce(versions)
    finally:
        await plane.stop()


async def listing(settings: Settings) -> list[dict[str, Any]]:
    """Every tenant, with what its verified register says. Raises: KeysError, ServiceError."""
    await databases.assert_current(databases.of_planes(settings, ["control"]))
    plane = base("control", settings)
    shown = []
    try:
        for name in await plane.parts.registers.tenants():
            authority = await plane.parts.registers.of(name)
            active = sum(entry.status == "active" for entry in authority.register.credentials)
            shown.append(
                {
                    "tenant": name,
                    "register_version": authority.register.version,
                    "active_credentials": active,
                    "policy": authority.policy.hash,
                }
            )
    finally:
        await plane.stop()
    return shown


def make_keys(settings: Settings, tenant: str, searchable: list[str]) -> list[str]:
    """Make a tenant's keys at the key server; the names of those that were new. Raises: KeysError."""
    provisioner = settings.identity_of("provisioner")
    admin = Admin.with_identity(settings.server, provisioner)
    return provision_tenant(admin, tenant, searchable, mount=settings.vault_mount).created


async def add_keys(settings: Settings, tenant: str, types: Sequence[str]) -> list[str]:
    """Make the keys a tenant lacks, index keys for `types` or, if none is named, for every type.

    Raises: CommandError, KeysError, ServiceError.
    """
    _assert_tenant(tenant)
    plane = base("control", settings)
    try:
        known = catalogue((await plane.parts.registers.of(tenant)).policy)
    finally:
        await plane.stop()
    for name in types:
        if FIELD_TYPE.fullmatch(name) is None:
            raise CommandError("a field type is named [a-z0-9_]{1,32}")
    return make_keys(settings, tenant, list(types) or [kind.name for kind in known])


def operator(tenant: str, person: str) -> Caller:
    """Whoever sits at this terminal, as the log will name them."""
    user = "".join(char for char in getpass.getuser().lower() if char in _NAME) or "unknown"
    name = f"operator-{user}"[:32]
    return Caller(tenant, f"{tenant}.{name}", person, (), "operator", "local", f"cli_{os.getpid()}")


def _assert_tenant(name: str) -> None:
    if TENANT.fullmatch(name) is None:
        raise CommandError("a tenant is named [a-z0-9_]{1,32}")


def _reserve(*paths: Path) -> None:
    """Make sure the secrets will have a place before there are secrets. Raises: CommandError, OSError."""
    if len({path.resolve() for path in paths}) < len(paths):
        raise CommandError("each administrator's credential goes into a file of its own")
    for path in paths:
        if path.exists():
            raise CommandError(f"{path} exists already; name another file for the administrator's credential")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, b"")
        path.unlink()


def _hand_over(issued: Issued, path: Path) -> None:
    secret = issued.secret.reveal() if issued.secret else ""
    write_private(path, f"{issued.entry.id}:{secret}\n".encode())


@asynccontextmanager
async def _control(settings: Settings) -> AsyncIterator[tuple[Base, SecretVerifier]]:
    """The control plane, without its HTTP face."""
    plane, verifier = base("control", settings), SecretVerifier(random=os.urandom)
    try:
        await plane.start()
        yield plane, verifier
    finally:
        verifier.close()
        await plane.stop()
