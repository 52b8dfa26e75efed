"""Lines over a plane, as SVG: all that the plots of docs/PERFORMANCE.md need. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

Line = Sequence[tuple[float, float]]
_COLOURS = ("#1b6ca8", "#c8553d", "#4f772d", "#7a5195", "#b8860b", "#555555")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 720, 400, 70, 40, 150, 50


@dataclass(frozen=True, slots=True)
class Axis:
    """What a side of the plane means. A logarithmic one has a tick at each power of its base."""

    title: str
    base: int | None = None

    def at(self, value: float, most: float, least: float) -> float:
        """Where a value lies, from 0 to 1."""
        if self.base is None:
            return value / most if most else 0.0
        low, high = math.log(least), math.log(most)
        return (math.log(value) - low) / (high - low) if high > low else 0.0

    def ticks(self, most: float, least: float) -> list[float]:
        """Values to be written beside it."""
        if self.base is not None:
            first, last = math.floor(math.log(least, self.base)), math.ceil(math.log(most, self.base) + 1e-9)
            powers = [float(self.base) ** power for power in range(first, last + 1)]
            return [one for one in powers if least <= one <= most]
        step = 10 ** math.floor(math.log10(most or 1.0))
        step = next(part * step for part in (0.1, 0.2, 0.5, 1, 2) if most / (part * step) <= 8)
        return [number * step for number in range(int(most / step) + 1)]


@dataclass(frozen=True, slots=True)
class Plot:
    """Named lines, and what the axes mean."""

    title: str
    x: Axis
    y: Axis
    lines: Mapping[str, Line]

    def svg(self) -> str:
        """The picture."""
        parts = [*self._frame(), *self._ticks()]
        for number, (name, line) in enumerate(self.lines.items()):
            parts += self._line(number, name, line)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            f'font-family="sans-serif" font-size="12">\n' + "\n".join(parts) + "\n</svg>\n"
        )

    def _frame(self) -> Iterator[str]:
        yield '<rect width="100%" height="100%" fill="#fff"/>'
        yield f'<text x="{_LEFT}" y="22" font-size="14" font-weight="bold">{escape(self.title)}</text>'
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        yield f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(self.x.title)}</text>'
        turned = f'transform="rotate(-90 16 {_HEIGHT / 2})"'
        yield f'<text x="16" y="{_HEIGHT / 2}" text-anchor="middle" {turned}>{escape(self.y.title)}</text>'

    def _ticks(self) -> Iterator[str]:
        for value in self.x.ticks(*self._bounds(0)):
            x = self._x(value)
            yield f'<path d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#eee"/>'
            yield f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{value:,g}</text>'
        for value in self.y.ticks(*self._bounds(1)):
            y = self._y(value)
            yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
            yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,g}</text>'

    def _line(self, number: int, name: str, line: Line) -> Iterator[str]:
        colour = _COLOURS[number % len(_COLOURS)]
        points = [(self._x(x), self._y(y)) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
        y = _TOP + 10 + 18 * number
        yield f'<text x="{_WIDTH - _RIGHT + 12}" y="{y}" fill="{colour}">{escape(name)}</text>'

    def _bounds(self, side: int) -> tuple[float, float]:
        """The largest and the smallest value on an axis."""
        values = [point[side] for line in self.lines.values() for point in line]
        return max(values), min(values)

    def _x(self, value: float) -> float:
        return _LEFT + self.x.at(value, *self._bounds(0)) * (_WIDTH - _RIGHT - _LEFT)

    def _y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - self.y.at(value, *self._bounds(1)) * (_HEIGHT - _BOTTOM - _TOP)
