"""The auditor's HTML report as a browser shows it, on screen and on paper."""

import base64
import re

import pytest
from strongroom_audit.check import check_mirror
from strongroom_audit.plain import clean, markup
from strongroom_audit.report.collect import Collector
from strongroom_audit.report.html import page
from strongroom_audit.report.model import Wanted
from strongroom_audit.reporting import build
from strongroom_audit.store import Store

from tests.fakes.audit_log import FakeLog
from tests.fakes.audit_source import mirror

WATERMARK = "Exported by Lena Fox on 2027-02-01"
NASTY = (
    '"><img src=http://127.0.0.1:9/x onerror=alert(1)><script>document.title="owned"</script></style>\u202e'
)
TEXTS = ("actor", "person", "purpose", "reason", "reference", "token", "field_type", "subject", "form")
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def write(folder, log, watermark=WATERMARK):
    """The report on a log as a file; `log` has events already."""
    mirror(log, folder / "mirror")
    collector = Collector(Wanted())
    verdict = check_mirror(Store(folder / "mirror"), on_body=collector.take)
    file = folder / "report.html"
    file.write_text(page(build(verdict, collector, exported=watermark)), encoding="utf-8")
    return file


@pytest.fixture
def report(tmp_path):
    """Some weeks of reveals and refusals by two credentials."""
    log = FakeLog()
    for day in range(1, 29):
        time = f"2027-01-{day:02}T10:15:00.000000Z"
        log.write(3, time=time, subject=f"cust-{day}")
        log.write(1, time=time, actor="acme.desk", person="Mira Sen", decision="deny", reason="forbidden")
    return write(tmp_path, log)


def test_report_shows_its_numbers_and_stays_alone(browser, report):
    """The page shows what was counted and draws each bar, complains of nothing and asks for nothing."""
    shown = browser.show(report)
    assert shown.said == []
    assert shown.asked == [report.as_uri()]
    text = browser.ask("document.body.innerText")
    for part in ("Access report: acme", WATERMARK, "84\nvalues opened", "28\nattempts denied", "Mira Sen"):
        assert part in text
    drawn = "[...document.querySelectorAll('svg rect')].filter(r => r.getBoundingClientRect().height > 0)"
    assert browser.ask(f"{drawn}.length") == 28 * 2 + 2 + 2 + 2
    assert browser.ask(f"getComputedStyle({drawn}[0]).fill") == "rgb(31, 79, 143)"


def test_hostile_log_does_nothing_in_a_browser(browser, tmp_path):
    """A log in which every text is an attack, opened by a browser: text on the page and no more."""
    log = FakeLog()
    log.write(2, **dict.fromkeys(TEXTS, NASTY))
    log.write(1, **dict.fromkeys(TEXTS, NASTY), decision="deny")
    file = write(tmp_path, log, watermark=NASTY)
    shown = browser.show(file)
    assert (shown.said, shown.asked) == ([], [file.as_uri()])
    assert browser.ask("document.title") == "Access report: acme"
    assert browser.ask("document.querySelectorAll('script, img').length") == 0
    assert clean(NASTY) in browser.ask("document.querySelector('#opened td').textContent")


def test_browser_would_have_noticed(browser, report):
    """A text let through as markup is held by the page's policy, and we hear of it; without one it runs."""
    marked = report.read_text("utf-8").replace("Mira Sen", NASTY)
    report.write_text(marked, encoding="utf-8")
    held = browser.show(report)
    assert any("Content Security Policy" in line for line in held.said)
    assert browser.ask("document.title") == "Access report: acme"
    report.write_text(re.sub(r"<meta http-equiv[^>]*>", "", marked), encoding="utf-8")
    let = browser.show(report)
    assert any(address.startswith("http://127.0.0.1:9/") for address in let.asked)
    assert browser.ask("document.title") == "owned"


@pytest.mark.parametrize("width", [1280, 420])
def test_nothing_is_cut_off_on_screen(browser, tmp_path, width):
    """With names as long as they may be, the page is no wider than a desk's screen or a telephone's."""
    log = FakeLog()
    log.write(2, **dict.fromkeys(TEXTS, "a" * 60))
    browser.do(
        "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
    )
    browser.show(write(tmp_path, log))
    assert browser.ask(WIDE) is False
    outside = "[...document.querySelectorAll('svg text')].filter(t => t.getBBox().x < 0).length"
    assert browser.ask(outside) == 0


def test_each_sheet_of_paper_says_who_exported_it(browser, report):
    """Printed, the report has several sheets; the rule that names exporter and page holds for each."""
    browser.show(report)
    printed = base64.b64decode(browser.do("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert printed.startswith(b"%PDF-")
    sheets = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert sheets >= 2
    rules = "[...document.styleSheets[0].cssRules].map(rule => rule.cssText).join('\\n')"
    assert f'@bottom-left {{ content: "{markup(WATERMARK)}"' in browser.ask(rules)
