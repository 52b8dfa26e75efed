"""A flame graph as SVG, and lists of what costs most, from stacks and the seconds of each. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

Stacks = Mapping[tuple[str, ...], float]
WIDTH, ROW, SMALLEST = 1200, 17, 0.4
_LETTER = 6.2
_PALETTE = {"vault": 15, "keys": 30, "sqlalchemy": 205, "asyncpg": 225, "starlette": 130, "fastapi": 110}
"""Hues by package; others have one by their name."""


@dataclass(slots=True)
class _Node:
    """A function under its callers."""

    name: str
    seconds: float = 0.0
    below: dict[str, "_Node"] = field(default_factory=dict)

    def add(self, stack: Sequence[str], seconds: float) -> None:
        node = self
        node.seconds += seconds
        for name in stack:
            node = node.below.setdefault(name, _Node(name))
            node.seconds += seconds

    def depth(self) -> int:
        return 1 + max((one.depth() for one in self.below.values()), default=0)


def flame(stacks: Stacks, title: str) -> str:
    """The graph: as wide as the CPU a function and all it called used, callers below."""
    root = _Node("all")
    for stack, seconds in stacks.items():
        root.add(stack, seconds)
    height = (root.depth() + 2) * ROW
    boxes = "\n".join(_boxes(root, 0.0, height - ROW - 4, WIDTH / max(root.seconds, 1e-9), root.seconds))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" '
        f'font-size="10">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<text x="4" y="14" font-size="13">{escape(title)}</text>\n{boxes}\n</svg>\n'
    )


def _boxes(node: _Node, x: float, y: float, scale: float, whole: float) -> Iterator[str]:
    width = node.seconds * scale
    if width < SMALLEST:
        return
    said = f"{node.name}: {node.seconds:.2f} s, {node.seconds / whole:.1%}"
    yield (
        f'<g><title>{escape(said)}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" '
        f'fill="{_colour(node.name)}"/>{_label(node.name, x, y, width)}</g>'
    )
    for one in sorted(node.below.values(), key=lambda below: below.name):
        yield from _boxes(one, x, y - ROW, scale, whole)
        x += one.seconds * scale


def _label(name: str, x: float, y: float, width: float) -> str:
    fits = int((width - 4) / _LETTER)
    if fits < 3:
        return ""
    short = name.rpartition("/")[2]
    return f'<text x="{x + 2:.1f}" y="{y + 12}">{escape(short[:fits])}</text>'


def _colour(name: str) -> str:
    package = package_of(name)
    return f"hsl({_PALETTE.get(package, crc32(package.encode()) % 360)},70%,72%)"


def package_of(name: str) -> str:
    """The package a function belongs to; ours by their folders."""
    parts = name.partition(":")[0].split("/")
    return "/".join(parts[:2]) if parts[0] in ("vault", "keys") and len(parts) > 2 else parts[0]


def by_package(stacks: Stacks) -> list[tuple[str, float]]:
    """Seconds in each package's own code and in C that it called, largest first."""
    return _largest((package_of(stack[-1]), seconds) for stack, seconds in stacks.items())


def by_function(stacks: Stacks) -> list[tuple[str, float]]:
    """Seconds in each function and all that it called, largest first."""
    return _largest((name, seconds) for stack, seconds in stacks.items() for name in set(stack))


def by_itself(stacks: Stacks) -> list[tuple[str, float]]:
    """Seconds in each function's own code and in C that it called, largest first."""
    return _largest((stack[-1], seconds) for stack, seconds in stacks.items())


def _largest(some: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    found: dict[str, float] = defaultdict(float)
    for name, seconds in some:
        found[name] += seconds
    return sorted(found.items(), key=lambda one: -one[1])
