"""How many values a credential may send or ask for in a second. In memory: of one plane of one worker.

A request is let in while the credential's bucket is not empty. How many values it holds is known when its
body has been read; they may leave a debt, and the next request waits until that is worked off. So the rate
holds to within one request, a list of 1,000 needs no burst of 1,000, and singles do not keep it out for ever.
"""

from collections.abc import Callable
from math import ceil

import structlog

from vault import metrics
from vault.errors import Throttled
from vault.service.limiter import Limiter, Rate

_TOLD_AGAIN = 60.0
log = structlog.get_logger()


class Allowance:
    """The buckets of all credentials."""

    def __init__(
        self, values_per_second: int, burst_seconds: int, *, workers: int, clock: Callable[[], float]
    ) -> None:
        """0 values a second: no limit. The rate is that of all workers, each of which has its share."""
        self._rate = values_per_second / workers
        self._burst = max(1, round(self._rate * burst_seconds))
        self._clock = clock
        self._buckets = Limiter(Rate(self._burst, 1 / self._rate), clock=clock) if self._rate else None
        self._policy = f'"values";q={self._burst};w={burst_seconds}'.encode()
        self._told: dict[str, float] = {}

    def take(self, credential: str) -> None:
        """Count one value, of a request whose body is not read yet. Raises: Throttled."""
        if self._buckets is not None:
            self._refuse(credential, self._buckets.take(credential))

    def charge(self, credential: str, values: int) -> None:
        """Count as many more. Raises: Throttled, when others of its requests have left a debt meanwhile."""
        if self._buckets is not None:
            self._refuse(credential, self._buckets.owe(credential, values))

    def headers(self, credential: str) -> list[tuple[bytes, bytes]]:
        """RateLimit-Policy and RateLimit, by draft-ietf-httpapi-ratelimit-headers-10."""
        if self._buckets is None:
            return []
        left = self._buckets.left(credential)
        full = ceil((self._burst - left) / self._rate)
        state = f'"values";r={max(0, int(left))};t={full}'.encode()
        return [(b"ratelimit-policy", self._policy), (b"ratelimit", state)]

    def _refuse(self, credential: str, wait: float) -> None:
        """Raises: Throttled, if there is a time to wait."""
        if wait:
            metrics.rate_limited.inc()
            self._tell(credential)
            raise Throttled("rate_limited", retry_after=ceil(wait))

    def _tell(self, credential: str) -> None:
        """One line for each credential, once a minute."""
        now = self._clock()
        if now - self._told.get(credential, -_TOLD_AGAIN) >= _TOLD_AGAIN:
            self._told = {name: at for name, at in self._told.items() if now - at < _TOLD_AGAIN}
            self._told[credential] = now
            log.warning("rate_limited", credential=credential)
