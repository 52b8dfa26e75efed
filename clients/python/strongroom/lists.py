"""Long lists, cut into requests the vault takes: at most 1,000 items and 1 MiB each, results in order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeAlias, TypeVar

from strongroom.errors import ClientError, Problem
from strongroom.flow import Flow

T = TypeVar("T")
MOST_ITEMS = 1_000
MOST_BYTES = 1_048_576 - 4_096  # what surrounds the items fits into the rest
Progress: TypeAlias = Callable[[int, int], None]
"""Called after each request with how many entries are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is never split over two requests: one token, or all fields of one entry. Holds encoded values."""

    items: tuple[bytes, ...] = field(repr=False)
    types: tuple[str, ...] = ("",)

    @property
    def size(self) -> int:
        """Bytes it takes in a body, commas included."""
        return sum(map(len, self.items)) + len(self.items)


@dataclass(frozen=True, slots=True)
class Batch:
    """The units of one request."""

    number: int
    start: int
    units: Sequence[Unit]

    def array(self) -> bytes:
        """The items as a JSON array."""
        return b"[" + b",".join(chain.from_iterable(unit.items for unit in self.units)) + b"]"

    def places(self) -> list[tuple[int, str]]:
        """For each item, which unit of the whole list it belongs to, and its field type."""
        return [(self.start + n, name) for n, unit in enumerate(self.units) for name in unit.types]


def batches(units: Sequence[Unit]) -> Iterator[Batch]:
    """Cut the list, greedily; the same list is always cut the same way. A giant stands alone."""
    start = number = 0
    while start < len(units):
        end = _end(units, start)
        yield Batch(number, start, units[start:end])
        start, number = end, number + 1


def _end(units: Sequence[Unit], start: int) -> int:
    items = size = 0
    for place in range(start, len(units)):
        items += len(units[place].items)
        size += units[place].size
        if place > start and (items > MOST_ITEMS or size > MOST_BYTES):
            return place
    return len(units)


def in_batches(
    units: Sequence[Unit], run: Callable[[Batch], Flow[list[T]]], progress: Progress | None
) -> Flow[list[T]]:
    """Run every batch, one after the other. An error carries what was completed before it."""
    done: list[T] = []
    for batch in batches(units):
        done += yield from _located(run(batch), batch, done)
        if progress is not None:
            progress(len(done), len(units))
    return done


def _located(flow: Flow[list[T]], batch: Batch, done: Sequence[T]) -> Flow[list[T]]:
    try:
        return (yield from flow)
    except ClientError as error:
        places = batch.places()
        error.completed = tuple(done)
        error.errors = tuple(_at(problem, places) for problem in error.errors)
        raise


def _at(problem: Problem, places: Sequence[tuple[int, str]]) -> Problem:
    """The problem with its place in the caller's list in place of its place in the request."""
    if problem.index is None or not 0 <= problem.index < len(places):
        return replace(problem, index=None)
    index, name = places[problem.index]
    return replace(problem, index=index, type=name or None)
