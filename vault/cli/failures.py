"""What a command says when it cannot do what it was asked: one line and an exit status."""

from collections.abc import Callable
from typing import Any

from httpx import HTTPError, InvalidURL

from keys.errors import KeysError, Misconfigured
from vault.errors import ServiceError
from vault.policy.rules import PolicyError
from vault.settings import SettingsError

REFUSED, USAGE, UNAVAILABLE = 1, 2, 3

_ADVICE = {
    "transit_unreachable": "the key server does not answer",
    "transit_sealed": "the key server is sealed or has no leader",
    "transit_busy": "the key server is busy",
    "transit_refused": "the key server's policy does not allow this",
    "transit_login_failed": "the key server does not accept this identity; provision it anew",
    "secret_id_stolen": "a wrapped secret id was opened before, perhaps by a thief: see docs/errors",
    "identity_overprivileged": "an identity may do more than its plane should",
    "store_unavailable": "a database does not answer",
    "tenant_not_found": "there is no such tenant",
}


class CommandError(Exception):
    """A sentence for the person at the terminal. Never holds a secret or a value."""

    def __init__(self, line: str, status: int = REFUSED) -> None:
        super().__init__(line)
        self.line = line
        self.status = status


class UsageFault(CommandError):
    """What was asked for does not make sense."""

    def __init__(self, line: str) -> None:
        super().__init__(line, USAGE)


def explain(error: Exception) -> CommandError | None:
    """The sentence for an error we know, or None for a bug."""
    if isinstance(error, CommandError):
        return error
    return next((say(error) for kind, say in _SENTENCES if isinstance(error, kind)), None)


def _keys(error: KeysError) -> CommandError:
    words = error.rule if isinstance(error, Misconfigured) else _ADVICE.get(error.code, error.code)
    more = f" ({error.rule})" if error.rule and error.rule != words else ""
    return CommandError(f"{words}{more} [{error.code}]", UNAVAILABLE if error.transient else REFUSED)


def _service(error: ServiceError) -> CommandError:
    words = error.detail or _ADVICE.get(error.code) or error.title
    return CommandError(f"{words} [{error.code}]", UNAVAILABLE if error.status == 503 else REFUSED)


def _file(error: OSError) -> CommandError:
    return CommandError(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))


def _unreachable(error: Exception) -> CommandError:
    return CommandError(f"the vault cannot be reached ({type(error).__name__})", UNAVAILABLE)


_SENTENCES: tuple[tuple[type[Exception], Callable[[Any], CommandError]], ...] = (
    (SettingsError, lambda error: CommandError(f"settings: {error}", USAGE)),
    (PolicyError, lambda error: CommandError(f"policy: {error}")),
    (KeysError, _keys),
    (ServiceError, _service),
    (HTTPError, _unreachable),
    (InvalidURL, _unreachable),
    (OSError, _file),
)
