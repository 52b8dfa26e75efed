"""Counts and times an endpoint."""

import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from vault import metrics
from vault.errors import ServiceError

Endpoint = Callable[[Request], Awaitable[Response]]


def metered(name: str, endpoint: Endpoint) -> Endpoint:
    """`endpoint`, observed under `name`."""
    seconds = metrics.seconds.labels(name)

    async def observed(request: Request) -> Response:
        started = time.perf_counter()
        status = 500
        try:
            response = await endpoint(request)
            status = response.status_code
        except ServiceError as problem:
            status = problem.status
            raise
        finally:
            seconds.observe(time.perf_counter() - started)
            metrics.requests.labels(name, str(status)).inc()
        return response

    return observed
