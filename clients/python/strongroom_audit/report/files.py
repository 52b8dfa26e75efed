"""The report as CSV files, one for each table, and as one JSON document."""

import csv
import io
import json

from strongroom_audit.plain import cell, clean
from strongroom_audit.report.model import Report, Table


def as_csv(report: Report) -> dict[str, str]:
    """File name → content. The last row of each file says who exported it, and when."""
    return {
        f"{number:02}-{table.slug}.csv": _csv(table, report)
        for number, table in enumerate(report.tables, start=1)
    }


def as_json(report: Report) -> str:
    """One document; text as it stands in the log, but for invisible characters."""
    document = {
        "title": report.title,
        "exported": report.watermark,
        "facts": dict(report.facts),
        "warnings": report.warnings,
        "headline": dict(report.headline),
        "tables": {
            table.slug: {
                "title": table.title,
                "note": table.note,
                "rows": [dict(zip(table.columns, map(_safe, row), strict=True)) for row in table.rows],
            }
            for table in report.tables
        },
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _csv(table: Table, report: Report) -> str:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([cell(name) for name in table.columns])
    writer.writerows([cell(value) for value in row] for row in table.rows)
    last = [report.watermark, *report.warnings]
    writer.writerow([cell(value) for value in last])
    return out.getvalue()


def _safe(value: str | int) -> str | int:
    return clean(value) if isinstance(value, str) else value
