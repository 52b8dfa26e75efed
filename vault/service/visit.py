"""A request from the moment its caller is known: held to what its credential may send, and let in in turn."""

from collections.abc import Callable
from dataclasses import dataclass

from vault.service.allowance import Allowance
from vault.service.doors import Doors


@dataclass(frozen=True, slots=True)
class Admission:
    """What a plane of a worker admits by."""

    allowance: Allowance
    doors: Doors

    @classmethod
    def unlimited(cls, *, clock: Callable[[], float]) -> "Admission":
        """Where no limit is set."""
        return cls(Allowance(0, 1, workers=1, clock=clock), Doors(clock=clock))

    def visit(self, credential: str) -> "Visit":
        """A request of this credential, still at the door."""
        return Visit(self, credential)


@dataclass(slots=True)
class Visit:
    """One request of a credential."""

    _by: Admission
    _credential: str
    _inside: int = 0

    async def enter(self, size: int) -> None:
        """Count one value, before anything costly, then wait to be let in. Raises: Throttled."""
        self._by.allowance.take(self._credential)
        self._inside = await self._by.doors.enter(self._credential, size)

    def charge(self, values: int) -> None:
        """Count as many values as the body turned out to hold. Raises: Throttled."""
        if values > 1:
            self._by.allowance.charge(self._credential, values - 1)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the answer says of the limit."""
        return self._by.allowance.headers(self._credential)

    def leave(self) -> None:
        """The answer is made."""
        if self._inside:
            self._by.doors.leave(self._credential, self._inside)
            self._inside = 0
