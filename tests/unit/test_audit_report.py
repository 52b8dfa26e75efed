"""The report: what it counts, that it counts verified events only, and that nothing in it can do harm."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console
from strongroom_audit.check import check_mirror
from strongroom_audit.cli import main
from strongroom_audit.plain import cell, clean
from strongroom_audit.report.charts import svg
from strongroom_audit.report.collect import Collector
from strongroom_audit.report.files import as_csv, as_json
from strongroom_audit.report.html import page
from strongroom_audit.report.model import Chart, Wanted
from strongroom_audit.report.terminal import show
from strongroom_audit.reporting import build
from strongroom_audit.store import Store

from tests.fakes.audit_log import FakeLog
from tests.fakes.audit_source import mirror

NASTY = '=HYPERLINK("http://x","y")<script>alert(1)</script>\x1b]0;pwned\x07[bold red]\u202e&amp;\r\n@SUM(1)'
WATERMARK = "Exported by Lena Fox on 2027-02-01"


@pytest.fixture
def log():
    """Reveals by two credentials, refusals, a read of the log, a change of grants; three days."""
    log = FakeLog()
    log.write(3, time="2027-01-11T10:15:00.000000Z", subject="cust-1")
    log.write(
        2,
        time="2027-01-12T22:15:00.000000Z",
        subject="cust-2",
        actor="acme.desk",
        person="Mira Sen",
        purpose="support",
        form="masked",
    )
    log.write(
        2,
        time="2027-01-13T12:00:00.000000Z",
        decision="deny",
        reason="forbidden",
        actor="acme.desk",
        person="Mira Sen",
        form=None,
        subject=None,
        field_type=None,
    )
    log.write(1, time="2027-01-13T12:00:01.000000Z", result="withheld")
    log.write(
        1,
        time="2027-01-13T13:00:00.000000Z",
        verb="events",
        actor="acme.audit",
        person="Lena Fox",
        asked_purpose="payment",
        form=None,
        purpose=None,
        subject=None,
        token=None,
        field_type=None,
    )
    log.write(
        1,
        time="2027-01-13T14:00:00.000000Z",
        verb="credentials",
        actor="acme.admin",
        person="Olu Ade",
        credential="acme.desk",
        grants=["inspect"],
        form=None,
        purpose=None,
        subject=None,
        token=None,
        field_type=None,
    )
    return log


def report_of(log, folder, **wanted):
    mirror(log, folder)
    collector = Collector(Wanted(**wanted))
    verdict = check_mirror(Store(folder), on_body=collector.take)
    return build(verdict, collector, exported=WATERMARK)


def table(report, slug):
    found = next(table for table in report.tables if table.slug == slug)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_who_opened_what_for_which_purpose(log, tmp_path):
    """Only values that went out count as opened: not what was denied, nor what was withheld."""
    rows = table(report_of(log, tmp_path), "opened")
    assert [
        (row["credential"], row["purpose"], row["form"], row["opened"], row["subjects"]) for row in rows
    ] == [
        ("acme.pay", "payment", "plain", 3, 1),
        ("acme.desk", "support", "masked", 2, 1),
    ]
    assert rows[0]["first"] == "2027-01-11 10:15:00"


def test_denied_attempts(log, tmp_path):
    """Denied attempts are counted by who, what, and the rule that denied."""
    (row,) = table(report_of(log, tmp_path), "denied")
    assert (row["credential"], row["reason"], row["denied"]) == ("acme.desk", "forbidden", 2)


def test_first_time_combinations_look_at_the_whole_log(log, tmp_path):
    """In a period, only what never happened before it is new."""
    log.write(1, time="2027-01-20T10:00:00.000000Z")
    log.write(1, time="2027-01-20T11:00:00.000000Z", field_type="pan")
    rows = table(report_of(log, tmp_path, since="2027-01-20"), "first-time")
    assert [(row["credential"], row["field type"]) for row in rows] == [("acme.pay", "pan")]


def test_outside_office_hours_in_the_reports_zone(log, tmp_path):
    """Late is late by the clock of the office, weekends are outside, and only accesses count."""
    rows = table(report_of(log, tmp_path), "outside-hours")
    assert [(row["credential"], row["what"], row["events"]) for row in rows] == [("acme.desk", "opened", 2)]
    rows = table(report_of(log, tmp_path, zone=ZoneInfo("Asia/Kolkata")), "outside-hours")
    assert [row["events"] for row in rows] == [2]  # 03:45 the next morning
    rows = table(report_of(log, tmp_path, zone=ZoneInfo("America/Los_Angeles")), "outside-hours")
    assert {row["credential"] for row in rows} == {"acme.pay", "acme.desk"}  # 02:15 and 04:00


def test_reads_of_the_log_and_changes_of_authority(log, tmp_path):
    """Who read the log and what they asked for; who changed rights and which."""
    report = report_of(log, tmp_path)
    (read,) = table(report, "log-reads")
    (change,) = table(report, "authority")
    assert (read["credential"], read["asked for"]) == ("acme.audit", "purpose=payment")
    assert (change["credential"], change["what"]) == (
        "acme.admin",
        'credential=acme.desk; grants=["inspect"]',
    )


def test_subjects_of_one_credential(log, tmp_path):
    """The subjects that one credential opened are listed when asked for."""
    report = report_of(log, tmp_path, credential="acme.desk")
    assert [row["subject"] for row in table(report, "subjects-of-one")] == ["cust-2"]
    assert {row["credential"]: row["subjects"] for row in table(report, "subjects")} == {
        "acme.pay": 1,
        "acme.desk": 1,
    }


def test_volumes(log, tmp_path):
    """Volumes by credential, purpose and hour add up to the events."""
    report = report_of(log, tmp_path)
    assert sum(row["all"] for row in table(report, "by-credential")) == 10
    assert sum(row["all"] for row in table(report, "by-hour")) == 10
    assert {row["purpose"]: row["opened"] for row in table(report, "by-purpose")} == {
        "payment": 3,
        "support": 2,
    }


def test_altered_event_is_not_reported_on(log, tmp_path, capsys):
    """No report is made of a mirror with an altered event; the exit code says why."""
    mirror(log, tmp_path / "m")
    bundle = tmp_path / f"m/bodies/{0:015}.bundle"
    bundle.write_bytes(bundle.read_bytes().replace(b"Ravi", b"Xavi", 1))
    assert run("report", tmp_path / "m", "--html", tmp_path / "r.html") == 12
    assert not (tmp_path / "r.html").exists()


def test_gap_is_reported_with_a_warning(log, tmp_path):
    """A mirror with a gap is reported on, under a warning in every form and with exit code 13."""
    log.events = [event for event in log.events if event.listed is not log.events[3].listed]
    mirror(log, tmp_path / "m")
    files = {name: tmp_path / name for name in ("csv", "json", "html")}
    assert (
        run("report", tmp_path / "m", *(part for n, path in files.items() for part in (f"--{n}", path))) == 13
    )
    texts = [
        files["json"].read_text(),
        files["html"].read_text(),
        *(p.read_text() for p in files["csv"].iterdir()),
    ]
    assert len(texts) == 12
    assert all("NOT VERIFIED: gap" in text for text in texts)


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    return ended.value.code or 0


class Strict(HTMLParser):
    """Every element and attribute that a browser would see."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.fixture
def hostile(tmp_path):
    """A report on a log in which every text that could be typed is an attack."""
    log = FakeLog()
    texts = ("actor", "person", "purpose", "reason", "reference", "token", "field_type", "subject", "form")
    log.write(2, **dict.fromkeys(texts, NASTY))
    log.write(1, **dict.fromkeys(texts, NASTY), decision="deny")
    log.write(1, **dict.fromkeys(texts, NASTY), verb="events", asked_subject=NASTY)
    log.write(1, **dict.fromkeys(texts, NASTY), verb="policy", note=NASTY, time=NASTY)
    return report_of(log, tmp_path, credential=NASTY)


def test_csv_holds_no_formula(hostile):
    """No cell begins as a formula in any spreadsheet, and no cell ends its row."""
    for content in as_csv(hostile).values():
        for row in csv.reader(io.StringIO(content)):
            for value in row:
                assert not value.lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))
                assert value.isprintable()


def test_html_holds_no_markup_of_the_log(hostile):
    """Nothing of the log becomes an element or an attribute, and the file asks for nothing from outside."""
    text = page(hostile)
    parser = Strict()
    parser.feed(text)
    assert not parser.tags & {"script", "img", "iframe", "object", "link", "base", "form", "b x"}
    assert not {name for name in parser.attributes if name.startswith("on")} | parser.attributes & {
        "src",
        "style",
    }
    assert "default-src 'none'" in text
    assert not re.search(r'(?:href|src)="(?!#)', text)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_exporters_name_stays_within_its_rule_of_style(log, tmp_path):
    """Whoever exports cannot break out of the line of style that puts his name under every sheet."""
    mirror(log, tmp_path)
    verdict = check_mirror(Store(tmp_path))
    text = page(build(verdict, Collector(Wanted()), exported='";}</style><script>alert(1)</script>\\'))
    ((style,),) = [re.findall("<style>(.*?)</style>", text, re.DOTALL)]
    (content,) = re.findall(r'@bottom-left\{content:"(.*?)"', style)
    assert re.fullmatch(r"(\\[0-9a-f]+ )+", content)
    assert bytes(int(one, 16) for one in content.replace("\\", "").split()).startswith(b'";}</style>')


def test_terminal_gets_no_escape_of_the_log(hostile):
    """Nothing of the log steers the terminal, and rich reads none of it as markup."""
    out = io.StringIO()
    show(hostile, Console(file=out, force_terminal=True, width=300, color_system="truecolor"))
    text = out.getvalue()
    assert "\x07" not in text
    assert "\x1b]" not in text
    assert "\u202e" not in text
    assert "[bold red]" in text


def test_json_is_json(hostile):
    """The JSON holds the same rows, its invisible characters spelled out."""
    document = json.loads(as_json(hostile))
    assert document["tables"]["opened"]["rows"][0]["credential"] == clean(NASTY)


def test_every_form_says_who_exported_it(log, tmp_path):
    """Terminal, CSV, JSON and HTML carry who exported them and when."""
    report, out = report_of(log, tmp_path), io.StringIO()
    show(report, Console(file=out, width=200))
    for text in (out.getvalue(), as_json(report), page(report), *as_csv(report).values()):
        assert WATERMARK in text


def test_command_prints_the_report(log, tmp_path, capsys):
    """Without a file the report is printed, with the period's own days."""
    mirror(log, tmp_path)
    assert (
        run("report", tmp_path, "--since", "2027-01-12", "--until", "2027-01-12", "--exported-by", "Lena")
        is not None
    )
    said = capsys.readouterr().out
    assert "2 events, 2 values opened" in said
    assert "Exported by Lena on" in said


@pytest.mark.parametrize(
    "wrong",
    [
        ("--timezone", "Mars/Base"),
        ("--office-hours", "9-5"),
        ("--workdays", "noday"),
        ("--since", "1.1.2027"),
    ],
)
def test_options_that_cannot_be_read(log, tmp_path, wrong):
    """An option that cannot be read is asked wrongly."""
    mirror(log, tmp_path)
    assert run("report", tmp_path, *wrong) == 2


@pytest.mark.parametrize("value", ["=1", "+1", "-1", "@x", " =1", "＝1", "\t=1", "\r=1"])
def test_formula_beginnings(value):
    """Every way a formula begins is taken its effect; numbers of ours stay numbers."""
    assert not cell(value).lstrip().startswith(("=", "+", "-", "@", "＝"))
    assert cell(-5) == "-5"


@pytest.mark.parametrize("count", [0, 1, 2, 24, 62, 500])
def test_charts_of_any_length(count):
    """A chart of any number of bars is well-formed, and says what each bar stands for."""
    values = tuple(number * 37 % 11 for number in range(count))
    labels = tuple(f"day {number}" for number in range(count))
    for sideways in (False, True):
        picture = svg(Chart("A < B", "", labels, (("opened", values), ("denied", values)), sideways=sideways))
        assert picture.count("<rect") == picture.count("</rect>") == 2 * sum(1 for value in values if value)


def test_empty_log_has_a_report(tmp_path):
    """A log without events has a report that says so."""
    report = report_of(FakeLog(), tmp_path)
    assert dict(report.headline)["events"] == 0
    assert "none" in page(report)
