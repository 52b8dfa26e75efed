"""What the service writes to standard error: one JSON object per line, of members we know."""

import io
import logging
import sys
from typing import Any, BinaryIO, cast

import orjson
import structlog

_MEMBERS = frozenset({
    "event", "level", "time", "says", "plane", "planes", "tenant", "token", "code", "request_id", "kind",
    "at", "keys", "library", "host", "port", "workers", "tls", "core_dumps", "dropped",
})  # fmt: skip
"""What may stand in a line. Anything else is dropped, so that a careless call cannot leak a value."""

GRANIAN: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"ours": {"class": "vault.cli.logs.Libraries"}},
    "root": {"handlers": ["ours"], "level": "WARNING"},
    "loggers": {
        "_granian": {"handlers": [], "level": "WARNING", "propagate": True},
        "granian.access": {"handlers": [], "propagate": False},
    },
}
"""The server's logging configuration: through our handler, and no access log."""

_OUTSPOKEN = frozenset({"_granian"})
"""Libraries whose messages hold nothing of a request."""


def to_standard_error(output: BinaryIO | None = None) -> None:
    """Our own log lines as JSON to standard error, so that what a command prints stays clean."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            keep_known,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=lambda *_: structlog.BytesLogger(output or _standard_error()),
        cache_logger_on_first_use=False,
    )


def _standard_error() -> BinaryIO:
    """The real one where somebody put a stream of text in its place: an alarm must not fail for that."""
    stream = sys.stderr if hasattr(sys.stderr, "buffer") else sys.__stderr__
    return cast("BinaryIO", stream.buffer if stream else io.BytesIO())


def configure(output: BinaryIO | None = None) -> None:
    """The same, and for what libraries log: for a process that serves."""
    to_standard_error(output)
    logging.basicConfig(handlers=[Libraries()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


def keep_known(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Drop every member that is not on the list, and say how many were."""
    kept = {name: value for name, value in event.items() if name in _MEMBERS}
    return kept | ({"dropped": len(event) - len(kept)} if len(kept) < len(event) else {})


class Libraries(logging.Handler):
    """Lets a library's warning through as a fact: who, how bad, what kind of exception. Not what it said."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        members: dict[str, object] = {"library": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            members["kind"] = record.exc_info[0].__name__
        if record.name in _OUTSPOKEN and not record.exc_info and "\n" not in str(record.msg):
            members["says"] = record.getMessage()
        log = structlog.get_logger()
        (log.error if record.levelno >= logging.ERROR else log.warning)("library", **members)
