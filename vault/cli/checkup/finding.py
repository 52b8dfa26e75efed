"""What a check answers, and how one that could not look says so."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from keys.errors import KeysError
from vault.cli.failures import CommandError, explain
from vault.errors import NotFound, ServiceError
from vault.plane import Base, base
from vault.settings import PLANES, Settings, SettingsError

State = Literal["ok", "warn", "bad"]
KNOWN = (KeysError, ServiceError, SettingsError, CommandError, OSError)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it."""

    check: str
    state: State
    says: str
    do: str = ""


Check = Callable[[Settings], Awaitable[list[Finding]]]


def failed(check: str, error: Exception, do: str = "") -> Finding:
    """A check that could not look."""
    told = explain(error)
    return Finding(check, "bad", told.line if told else type(error).__name__, do)


def here(settings: Settings, identity: str) -> bool:
    """Whether this machine holds an identity."""
    return settings.identity_file(identity).exists()


@asynccontextmanager
async def any_plane(settings: Settings) -> AsyncIterator[Base]:
    """A plane that may read authority, without starting it. Raises: NotFound, KeysError."""
    name = next((one for one in ("control", *PLANES) if here(settings, one)), None)
    if name is None:
        raise NotFound("no_identity", "no plane's identity is on this machine")
    plane = base(name, settings)
    try:
        yield plane
    finally:
        await plane.stop()


async def tenants_of(settings: Settings) -> list[str]:
    """The tenants there are; none when they cannot be known, which is another check's finding."""
    try:
        async with any_plane(settings) as plane:
            return await plane.parts.registers.tenants()
    except KNOWN:
        return []
