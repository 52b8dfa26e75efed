"""The report as one HTML file that needs nothing else: style and pictures are inside, without script."""

import re
from importlib.resources import files

from strongroom_audit.plain import clean, markup
from strongroom_audit.report.charts import svg
from strongroom_audit.report.model import Cell, Chart, Report, Table

_MOST_ROWS = 200
_EVENT = re.compile(r"evt_[0-9a-z]{26}", re.ASCII)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = files("strongroom_audit.report").joinpath("style.css").read_text("utf-8")


def page(report: Report) -> str:
    """The whole file."""
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{markup(report.title)}</title><style>{_STYLE}{_sheets(report.watermark)}</style></head>"
    )
    body = "".join(
        (
            f"<h1>{markup(report.title)}</h1><p class=soft>{markup(report.watermark)}</p>",
            _basis(report),
            _tiles(report),
            _pictures(report.charts),
            _contents(report.tables),
            *(_section(table) for table in report.tables),
            f"<footer>{markup(report.watermark)}</footer>",
        )
    )
    return f"{head}<body><main>{body}</main></body></html>\n"


def _sheets(watermark: str) -> str:
    """Style that puts who exported it, when, and the page's number under every printed sheet."""
    # Every character by its number: none can end the string, the rule or the element.
    text = "".join(f"\\{ord(character):x} " for character in clean(watermark))
    font = "font:8px system-ui,sans-serif;color:#5b6675"
    number = 'counter(page) " / " counter(pages)'
    return f'@page{{@bottom-left{{content:"{text}";{font}}}@bottom-right{{content:{number};{font}}}}}'


def _basis(report: Report) -> str:
    facts = "".join(f"<dt>{markup(name)}</dt><dd>{markup(value)}</dd>" for name, value in report.facts)
    warnings = "".join(f"<p><strong>{markup(warning)}</strong></p>" for warning in report.warnings)
    return f'<section class="{"bad" if report.warnings else "good"}">{warnings}<dl>{facts}</dl></section>'


def _tiles(report: Report) -> str:
    tiles = "".join(f"<div><b>{count:,}</b><span>{markup(n)}</span></div>" for n, count in report.headline)
    return f"<div class=tiles>{tiles}</div>"


def _pictures(charts: tuple[Chart, ...]) -> str:
    key = "<p class='soft key'><i class=opened></i>opened<i class=denied></i>denied</p>"
    figures = "".join(
        f"<figure><figcaption>{markup(chart.title)}<small>{markup(chart.note)}</small></figcaption>"
        f"{svg(chart)}</figure>"
        for chart in charts
    )
    return f"{key}<div class=charts>{figures}</div>"


def _contents(tables: tuple[Table, ...]) -> str:
    links = "".join(f'<a href="#{markup(table.slug)}">{markup(table.title)}</a>' for table in tables)
    return f"<nav>{links}</nav>"


def _section(table: Table) -> str:
    head = f'<section id="{markup(table.slug)}"><h2>{markup(table.title)}</h2>'
    head += f"<p class=soft>{markup(table.note)}</p>"
    if not table.rows:
        return f"{head}<p class=none>none</p></section>"
    numbers = [isinstance(value, int) for value in table.rows[0]]
    titles = "".join(
        f"<th{' class=n' if number else ''}>{markup(name)}</th>"
        for name, number in zip(table.columns, numbers, strict=True)
    )
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows[:_MOST_ROWS])
    more = len(table.rows) - _MOST_ROWS
    rest = f"<p class=soft>and {more:,} more: --csv and --json have them all</p>" if more > 0 else ""
    grid = f"<div class=wide><table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table></div>"
    return f"{head}{grid}{rest}</section>"


def _cell(value: Cell) -> str:
    if isinstance(value, int):
        return f"<td class=n>{value:,}</td>"
    short = len(value) <= 20 or _EVENT.fullmatch(value)
    return f"<td{' class=t' if short else ''}>{markup(value) or '–'}</td>"
