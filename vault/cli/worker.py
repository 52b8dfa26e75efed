"""What a worker process runs: the application, built after the fork, with failures told in one line."""

import gc
import os
import sys
from collections.abc import Awaitable, Callable
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import structlog

from keys.errors import KeysError
from vault.app import create_app
from vault.cli import logs, process
from vault.cli.failures import CommandError, explain
from vault.errors import ServiceError
from vault.settings import Settings, SettingsError

Application = Callable[[Any, Any, Any], Awaitable[None]]
_SWITCH_SECONDS = 0.001
_KNOWN = (KeysError, ServiceError, SettingsError)
_COLLECTING = (20_000, 20, 50)
"""A list of a thousand makes tens of thousands of values, next to none of them in a cycle."""
log = structlog.get_logger()


def load(settings: Settings, planes: list[str], status: "Synchronized[int]", parent: int) -> "Told":
    """Build the application in this worker. `status` takes the exit status the parent should end with."""
    if os.getpid() != parent:
        process.end_with(parent)
    logs.configure()
    # The event loop waits for the interpreter behind every thread that computes, as those that wrap keys do.
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        told = Told(create_app(settings, planes), status)
    except _KNOWN as error:
        raise SystemExit(_tell(error, status)) from None
    _collect_less()
    return told


def _collect_less() -> None:
    """What is there now stays to the end: the collector does not look through it time and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTING)


class Told:
    """Around the application: a start that fails says why, and not with a traceback."""

    def __init__(self, app: Application, status: "Synchronized[int]") -> None:
        self._app = app
        self._status = status

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """ASGI."""
        if scope["type"] == "lifespan":
            return self._lifespan(scope, receive, send)
        return self._app(scope, receive, send)

    async def _lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        async def relay(message: Any) -> None:
            # Starlette puts a whole traceback into the message of a failure.
            await send({"type": message["type"]})

        try:
            await self._app(scope, receive, relay)
        except _KNOWN as error:
            _tell(error, self._status)


def _tell(error: Exception, status: "Synchronized[int]") -> int:
    found = explain(error) or CommandError(type(error).__name__)
    status.value = found.status
    log.error("not_started", says=found.line, code=getattr(error, "code", "settings"))
    return found.status
