"""Where the key server is: one address or several, and what is believed of each node. No I/O."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple
from urllib.parse import urlsplit

from keys.errors import Misconfigured

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MOST = 16
_FIRST_DOUBT, _LONGEST_DOUBT = 1.0, 30.0
"""Seconds a node is left alone after it failed; twice as long each time it fails again."""
TRIAL_SECONDS = 0.3
"""How long a node in doubt is waited for while another is believed well: an answer takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the key server is and how to know it. Plain HTTP is refused anywhere but on loopback."""

    address: str
    """One address, or those of a cluster's nodes, separated by commas; the first is preferred."""
    ca: str | None = None
    """PEM file of the authority that signed the servers' certificates; the system's when None."""
    namespace: str | None = None
    connect_timeout: float = 0.3
    read_timeout: float = 2.0

    def __post_init__(self) -> None:
        if not all(_is_address(one) for one in self.addresses):
            raise Misconfigured("the key server's address must be https:// (http:// only on loopback)")
        if len(set(self.addresses)) != len(self.addresses) or len(self.addresses) > _MOST:
            raise Misconfigured(f"the key server's addresses must be different ones, at most {_MOST}")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Each node's, without a slash at its end."""
        return tuple(one.strip().rstrip("/") for one in self.address.split(","))

    def nodes(self) -> "Iterator[Server]":
        """Each node as a server by itself."""
        return (replace(self, address=one) for one in self.addresses)


class Turn(NamedTuple):
    """A node to ask next."""

    node: int
    seconds: float
    """How long to wait for its answer at most."""


class Nodes:
    """Which node to ask next, and how long to wait for it. Safe for threads.

    A node that failed is left alone for a while; then one call, and no other, finds out whether it is back.
    """

    def __init__(self, count: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._gate = threading.Lock()
        self._doubted_until = [-inf] * count
        self._failures = [0] * count

    def turns(self, until: float, *, first: int | None = None) -> Iterator[Turn]:
        """Every node once, those believed well first; `first` goes before them. `until` is on the same clock.

        Time is divided among the nodes that are left, so that one that hangs leaves enough for the next.
        """
        order = self._order()
        if first is not None:
            order.remove(first)
            order.insert(0, first)
        for place, node in enumerate(order):
            others = len(order) - place - 1
            share = max(0.0, until - self._clock()) / (others + 1)
            on_trial = others and self._failures[node] and not self._failures[order[place + 1]]
            yield Turn(node, min(share, TRIAL_SECONDS) if on_trial else share)

    def answered(self, node: int) -> None:
        """It serves."""
        if self._failures[node]:
            with self._gate:
                self._failures[node], self._doubted_until[node] = 0, -inf

    def failed(self, node: int) -> None:
        """It did not serve: others go before it for a while."""
        with self._gate:
            now = self._clock()
            if self._failures[node] and now < self._doubted_until[node] - TRIAL_SECONDS:
                return  # calls that were under way together are one failure
            self._failures[node] += 1
            doubt = min(_LONGEST_DOUBT, _FIRST_DOUBT * 2.0 ** (self._failures[node] - 1))
            self._doubted_until[node] = now + doubt

    def _order(self) -> list[int]:
        with self._gate:
            now = self._clock()
            known = range(len(self._failures))
            well = [one for one in known if now >= self._doubted_until[one]]
            doubted = [one for one in known if now < self._doubted_until[one]]
            tried = next((one for one in well if self._failures[one]), None)
            if tried is not None:
                # This call is the one that finds out; until it has, nobody else waits for that node.
                self._doubted_until[tried] = now + TRIAL_SECONDS
                well = [tried, *(one for one in well if one != tried)]
            return well + sorted(doubted, key=lambda one: self._doubted_until[one])


def _is_address(address: str) -> bool:
    try:
        url = urlsplit(address)
        whole = bool(url.hostname) and not (url.username or url.query or url.fragment) and url.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        return False
    return whole and (url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOOPBACK))
