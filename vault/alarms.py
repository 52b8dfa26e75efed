"""What must wake someone: one log line, one count."""

import structlog

from vault import metrics

_log = structlog.get_logger()


def raise_alarm(code: str, tenant: str = "", token: str | None = None, *, says: str = "") -> None:
    """Say that `code` happened; see docs/errors/ and docs/OPERATIONS.md for what to do."""
    metrics.alarms.labels(code).inc()
    about = ({"token": token} if token else {}) | ({"says": says} if says else {})
    _log.error("alarm", code=code, tenant=tenant, **about)
