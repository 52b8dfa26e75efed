"""Bars as inline SVG: no script, no font, readable in grey on paper. Every label is escaped."""

from strongroom_audit.plain import clean, markup
from strongroom_audit.report.model import Chart

_WIDTH, _LEFT, _RIGHT = 500, 44, 16
_HEIGHT, _TOP, _BOTTOM = 180, 12, 28
_MOST_LABELS = 8
_ROW, _NAME = 24, 160


def svg(chart: Chart) -> str:
    """The picture of a chart; a line of text when there is nothing in it."""
    totals = [sum(values) for values in zip(*(values for _, values in chart.series), strict=True)]
    if not any(totals):
        return "<p class=none>none</p>"
    return _sideways(chart, totals) if chart.sideways else _upright(chart, totals)


def _upright(chart: Chart, totals: list[int]) -> str:
    top, ticks = _scale(max(totals))
    inner, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    step = inner / len(totals)
    parts = [_tick(value, _TOP + tall - tall * value / top) for value in ticks]
    for number, label in enumerate(chart.labels):
        x, base = _LEFT + number * step, float(_TOP + tall)
        for name, values in chart.series:
            high = tall * values[number] / top
            base -= high
            at = (x + step * 0.1, base, step * 0.8, high)
            parts.append(_bar(name, f"{label}: {values[number]:,} {name}", at))
        if number % -(-len(totals) // _MOST_LABELS) == 0:
            place = f'x="{x + step / 2:.1f}" y="{_HEIGHT - 10}" text-anchor="middle"'
            parts.append(f"<text {place}>{markup(_brief(label))}</text>")
    return _frame(chart, _HEIGHT, parts)


def _sideways(chart: Chart, totals: list[int]) -> str:
    top, inner = max(totals), _WIDTH - _NAME - 60
    parts = []
    for number, label in enumerate(chart.labels):
        y, x = 4 + number * _ROW, float(_NAME)
        named = markup(_short(clean(label)))
        parts.append(f'<text x="{_NAME - 8}" y="{y + 15}" text-anchor="end">{named}</text>')
        for name, values in chart.series:
            wide = inner * values[number] / top
            parts.append(_bar(name, f"{label}: {values[number]:,} {name}", (x, y + 3, wide, _ROW - 8)))
            x += wide
        parts.append(f'<text x="{x + 6:.1f}" y="{y + 15}">{totals[number]:,}</text>')
    return _frame(chart, 8 + _ROW * len(totals), parts)


def _scale(largest: int) -> tuple[int, list[int]]:
    """A round number at or above the largest, and the lines to draw up to it."""
    step = 10 ** (len(str(largest)) - 1)
    for part in (step // 5, step // 2, step, step * 2):
        if part and largest <= part * 5:
            step = part
            break
    top = -(-largest // step) * step
    return top, list(range(0, top + 1, step))


def _tick(value: int, y: float) -> str:
    line = f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'{line}<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,}</text>'


def _bar(name: str, said: str, at: tuple[float, float, float, float]) -> str:
    x, y, wide, high = at
    if wide <= 0 or high <= 0:
        return ""
    box = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"'
    return f'<rect class="{markup(name)}" {box}><title>{markup(said)}</title></rect>'


def _brief(label: str) -> str:
    """A date without its year: the title of its bar has it in full."""
    return label[5:] if len(label) == 10 else label


def _short(label: str) -> str:
    """Without its middle: credentials of one tenant begin alike. The title of the bar has it in full."""
    return label if len(label) <= 20 else f"{label[:6]}…{label[-12:]}"


def _frame(chart: Chart, height: int, parts: list[str]) -> str:
    head = f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{markup(chart.title)}">'
    return head + "".join(parts) + "</svg>"
