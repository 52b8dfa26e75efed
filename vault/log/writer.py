"""Stamps drafts and signs them. One chain per lane; a lane whose commit is uncertain is never used again."""

from collections.abc import Callable, Sequence
from hashlib import sha256

from vault.log.event import SALT_BYTES, Draft, Stamp
from vault.log.lists import GENESIS, Heading, SignedList, WorkerKey
from vault.model.names import show_id, time_ordered_id


class Lane:
    """One tenant's chain of lists, used by one commit at a time."""

    def __init__(self, tenant: str, chain: bytes) -> None:
        self.tenant = tenant
        self.chain = chain
        self.seq = 0
        self.previous = GENESIS


class LogWriter:
    """Writes signed lists. Durable only once the caller has committed one; then it says `keep`."""

    def __init__(self, worker: WorkerKey, *, now: Callable[[], int], random: Callable[[int], bytes]) -> None:
        self.worker = worker
        self._now = now
        self._random = random
        self._idle: dict[str, list[Lane]] = {}

    def new_list_id(self) -> bytes:
        """A fresh identifier for one list; the key server's audit log carries it too."""
        return time_ordered_id(self._now(), self._random(9))

    def lane(self, tenant: str) -> Lane:
        """Take a lane for one commit. One that is not given back by `keep` is gone, and its chain with it."""
        idle = self._idle.get(tenant)
        return idle.pop() if idle else Lane(tenant, self._random(16))

    def write(self, lane: Lane, drafts: Sequence[Draft], *, list_id: bytes) -> SignedList:
        """Stamp the drafts and sign them as the lane's next list."""
        at = self._now()
        stamp = Stamp(at=at, place={"batch": show_id("lst", list_id), "worker": self.worker.worker_id.hex()})
        salts = self._random(SALT_BYTES * len(drafts))
        randoms = self._random(9 * len(drafts))
        events = [
            stamp.event(
                draft,
                event_id=time_ordered_id(at + i, randoms[9 * i : 9 * i + 9]),
                salt=salts[SALT_BYTES * i : SALT_BYTES * (i + 1)],
            )
            for i, draft in enumerate(drafts)
        ]
        heading = Heading(lane.tenant, list_id, self.worker.worker_id, lane.chain, lane.seq, lane.previous)
        return self.worker.sign(heading, events)

    def keep(self, lane: Lane, signed: SignedList) -> None:
        """The list is committed: the lane's next list follows it."""
        lane.seq += 1
        lane.previous = sha256(signed.message).digest()
        self._idle.setdefault(lane.tenant, []).append(lane)
