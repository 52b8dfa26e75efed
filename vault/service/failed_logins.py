"""Failed authentications, counted per credential, address and minute, so that a flood cannot fill the log."""

from collections.abc import Callable
from dataclasses import dataclass

from vault.log.event import Draft, timestamp
from vault.model.ask import Caller
from vault.model.names import CREDENTIAL

MOST = 10_000
"""Rows kept; what does not fit is counted together, without names."""
MINUTE = 60_000_000
_Key = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class FailedLogin:
    """So many failures of one credential from one address in one minute.

    `credential` is "" when none was named in its proper form, `address` "" when there were too many to tell.
    Its tenant is the part before the dot; whether that tenant exists is for the reader to ask.
    """

    credential: str
    address: str
    minute: int
    """µs since 1970, on the full minute."""
    count: int

    @property
    def tenant(self) -> str:
        return self.credential.partition(".")[0]

    def draft(self) -> Draft:
        """The one event that stands for all of them. Its time is when it is written; `minute` says when."""
        nobody = Caller(self.tenant, self.credential, "", (), "none", self.address, "")
        detail: dict[str, str | int] = {"count": self.count, "minute": timestamp(self.minute)}
        return Draft(nobody, "authenticate", "deny", "unauthenticated", detail=detail)


class FailedLogins:
    """Counts in memory of bounded size."""

    def __init__(self, on_failure: Callable[[], None] | None = None) -> None:
        """`on_failure` is told of each one, for a metric."""
        self._counts: dict[_Key, int] = {}
        self._on_failure = on_failure

    def count(self, credential: str | None, address: str, *, now: int) -> None:
        """Count one. A credential that is not shaped like one is not kept: it may be anything."""
        minute = now - now % MINUTE
        name = credential if credential and CREDENTIAL.fullmatch(credential) else ""
        key = (minute, name, address)
        if key not in self._counts and len(self._counts) >= MOST:
            key = (minute, "", "")
        self._counts[key] = self._counts.get(key, 0) + 1
        if self._on_failure is not None:
            self._on_failure()

    def drain(self, *, now: int, everything: bool = False) -> list[FailedLogin]:
        """Take out the minutes that are over; `everything` also the current one, when the worker stops."""
        done = [key for key in self._counts if everything or key[0] + MINUTE <= now]
        return [FailedLogin(name, address, minute, self._counts.pop((minute, name, address)))
                for minute, name, address in sorted(done)]  # fmt: skip

    def put_back(self, failures: list[FailedLogin]) -> None:
        """Count again what could not be written down."""
        for f in failures:
            key = (f.minute, f.credential, f.address)
            self._counts[key] = self._counts.get(key, 0) + f.count
