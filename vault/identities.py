"""The identities a service starts with. What came wrapped is unwrapped once, before there are workers."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from keys.errors import SecretIdStolen
from keys.identity import mark_spent, read_identity
from keys.methods import AppRole, WrappedAppRole
from keys.policies import policy_name
from keys.unwrapping import unwrap
from vault.alarms import raise_alarm
from vault.settings import Settings

log = structlog.get_logger()


def opened(settings: Settings, planes: Sequence[str]) -> Settings:
    """The settings with the secret ids of these planes that came wrapped; they are nowhere but in memory.

    Workers, respawned ones too, get them with the settings. Raises: KeysError, SecretIdStolen among them.
    """
    found = {name: read_identity(settings.identity_file(name)) for name in planes}
    wrapped = {name: one for name, one in found.items() if isinstance(one, WrappedAppRole)}
    return replace(settings, unwrapped={name: _opened(settings, name, one) for name, one in wrapped.items()})


def _opened(settings: Settings, plane: str, identity: WrappedAppRole) -> AppRole:
    role = policy_name(plane, settings.vault_mount)
    try:
        whole = unwrap(identity, settings.server, role=role)
    except SecretIdStolen as failure:
        raise_alarm(failure.code, says=f"{plane}: {failure.rule}")
        raise
    with suppress(OSError):  # where the folder cannot be written a restart needs a fresh one all the same
        mark_spent(settings.identity_file(plane), identity, datetime.now(UTC).isoformat(timespec="seconds"))
    log.info("secret_id_unwrapped", plane=plane)
    return whole
