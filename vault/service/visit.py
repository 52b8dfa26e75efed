"""A request from the moment its caller is known: held to what its credential may send, and let in in turn."""

from collections.abc import Callable
from dataclasses import dataclass

from vault.service.allowance import Allowance
from vault.service.doors import BODIES_AT_ONCE, Doors


@dataclass(frozen=True, slots=True)
class Admission:
    """What a plane of a worker admits by."""

    allowance: Allowance
    bodies: Doors
    """Counts those that are held and not yet worked on."""
    work: Doors
    """Counts their bytes."""

    @classmethod
    def by(cls, allowance: Allowance, *, clock: Callable[[], float]) -> "Admission":
        """Hold every credential to this allowance, at doors of this plane's own."""
        return cls(allowance, Doors(clock=clock, most=BODIES_AT_ONCE, least=1), Doors(clock=clock))

    @classmethod
    def unlimited(cls, *, clock: Callable[[], float]) -> "Admission":
        """Where no limit is set."""
        return cls.by(Allowance(0, 1, workers=1, clock=clock), clock=clock)

    def visit(self, credential: str) -> "Visit":
        """A request of this credential, still at the door."""
        return Visit(self, credential)


@dataclass(slots=True)
class Visit:
    """One request of a credential."""

    _by: Admission
    _credential: str
    _body: int = 0
    _inside: int = 0

    async def enter(self) -> None:
        """Count one value, before anything costly, then wait until a body may arrive. Raises: Throttled.

        A request that has none stays at this.
        """
        self._by.allowance.take(self._credential)
        self._body = await self._by.bodies.enter(self._credential, 1)

    async def work_on(self, size: int) -> None:
        """The body is here: wait until it may be worked on. Raises: Throttled."""
        self._inside = await self._by.work.enter(self._credential, size)
        self._let_body_go()

    def charge(self, values: int) -> None:
        """Count as many values as the body turned out to hold. Raises: Throttled."""
        if values > 1:
            self._by.allowance.charge(self._credential, values - 1)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the answer says of the limit."""
        return self._by.allowance.headers(self._credential)

    def leave(self) -> None:
        """The answer is made."""
        self._let_body_go()
        if self._inside:
            self._by.work.leave(self._credential, self._inside)
            self._inside = 0

    def _let_body_go(self) -> None:
        if self._body:
            self._by.bodies.leave(self._credential, self._body)
            self._body = 0
