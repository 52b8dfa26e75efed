"""Counts and times an endpoint."""

import time
from functools import cache

from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import Response

from vault import metrics
from vault.api.edge import lingered
from vault.api.problems import Endpoint
from vault.errors import ServiceError


def metered(name: str, endpoint: Endpoint) -> Endpoint:
    """`endpoint`, observed under `name`."""
    seconds = metrics.seconds.labels(name)

    @cache
    def requests(status: int) -> Counter:
        return metrics.requests.labels(name, str(status))

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
            seconds.observe(max(0.0, time.perf_counter() - started - lingered(request)))
            requests(status).inc()
        return response

    return observed
