"""The document of a copy and its page: what docs/EXPORT.md shows is what is written."""

import copy
import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import orjson
import pytest

from tests.fakes.inside import FIELDS, caller
from vault.api.export import EXAMPLE
from vault.errors import RecordTampered
from vault.model.ask import Allowed, Ask, Denied
from vault.model.secret import Secret
from vault.policy.rules import Policy, Purpose
from vault.service.about import About, Access, Given
from vault.service.asked import Item
from vault.service.export_document import Copy, Made, document
from vault.service.export_page import clean, page
from vault.store.consents import Said
from vault.store.lives import KeptAs
from vault.store.notices import Notice
from vault.store.recipients import Disclosure
from vault.store.records import Stored
from vault.store.standing import Standing
from vault.store.subjects import Facts

EXPORT_MD = Path(__file__).parents[2] / "docs" / "EXPORT.md"
TOKEN = "tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g"
AT = 1_794_043_800_000_000
LATER = 1_795_601_700_000_000
NOTICE = "2026-04/en"
HOSTILE = (
    '"><img src=http://127.0.0.1:9/x onerror=alert(1)><script>document.title="owned"</script></style>\u202e'
)
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def show(value: Secret[bytes]) -> object:
    return orjson.loads(value.reveal())


def the_copy(**changed) -> Copy:
    """The copy that EXAMPLE is one of."""
    policy = Policy(
        {
            "marketing_display": Purpose("marketing_display", "Marketing", "consent", "GDPR Art. 6(1)(a)"),
            "payment": Purpose("payment", "Paying people", "contract", "GDPR Art. 6(1)(b)"),
        },
        {("payment", "payment"): "plain", ("tax", "payment"): "plain"},
    )
    officer = replace(caller("acme", "officer", "export"), person="Farah Khan")
    ask = Ask(officer, "export", "pan", "tax", token=TOKEN)
    stored = Stored(
        TOKEN, 1, "cust-8472", "pan", b"d", b"s", AT, None, notice=NOTICE, standing=Standing("archived")
    )
    item = Item(ask, Allowed("export"), stored, receipt="rcp_AQZBuk…", outcome=Secret(b'"ABCPE1234F"'))
    about = About(
        Facts(2, "closed", date(2026, 11, 20)),
        {TOKEN: KeptAs(1, "archived", "2035-03-31", "Companies Act 2013 s.128(5)", "case-7", AT)},
        [Said("cust-8472", "marketing_display", 1, "withdraw", "preference-page", NOTICE, AT,
              recorded_at=AT)],
        [Notice("2026-04", "en", "Privacy notice", AT, "9f86d081" * 8, ("marketing_display", "payment"))],
        [Given(Disclosure("cust-8472", b"e", TOKEN, "pan", "payroll", "IN", "contract-7", sealed=False,
                          recorded_at=AT), "Payroll Services Ltd", in_log=True)],
        [Access("2026-11-07T09:30:00.000000Z", "detokenize", TOKEN, "pan", "acme.payments", "Ravi Kumar",
                "payment", "plain", "done")],
        complete=True,
    )  # fmt: skip
    made = Made(officer, "cust-8472", "request-118", None, LATER, "rcp_AQZBuk…")
    return Copy(
        **{"made": made, "policy": policy, "fields": FIELDS, "items": [item], "about": about} | changed
    )


def test_the_documented_example_is_what_is_written():
    """The format's page, the OpenAPI example and the code say the same."""
    text = EXPORT_MD.read_text("utf-8")
    [block] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    written = document(the_copy(), show)
    assert json.loads(block) == written
    assert written == EXAMPLE


def test_every_member_is_documented():
    """docs/EXPORT.md names each member of each object."""
    text = EXPORT_MD.read_text("utf-8")
    written = document(the_copy(), show)
    members = set(written)
    for value in written.values():
        for one in value if isinstance(value, list) else [value]:
            members |= set(one) if isinstance(one, dict) else set()
    assert [name for name in sorted(members) if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("decision", "outcome", "code"),
    [
        (Denied("no_grant"), Secret(b'"x"'), "no_grant"),
        (Denied("erased"), Secret(b'"x"'), "erased"),
        (Allowed("export"), RecordTampered(), "record_tampered"),
    ],
)
def test_what_did_not_come_out_says_why(decision, outcome, code):
    """A record that was withheld or did not open is listed with the code, and without a value."""
    [item] = the_copy().items
    item.decision, item.outcome = decision, outcome
    [record] = document(the_copy(items=[item]), show)["records"]
    assert (record["value"], record["without_value"]) == (None, code)


def test_a_denied_value_is_never_shown():
    """Even if something had opened it: what was denied has no value in the document or on the page."""
    [item] = the_copy().items
    item.decision, item.outcome = Denied("no_grant"), Secret(b'"leaked"')
    written = document(the_copy(items=[item]), show)
    assert "leaked" not in json.dumps(written)
    assert b"leaked" not in page(written).reveal()


def hostile() -> dict:
    """A document in which every text of people is an attack."""
    made = copy.deepcopy(EXAMPLE)
    for member in ("subject", "tenant", "reference", "receipt", "policy"):
        made[member] = HOSTILE
    made["made_by"]["person"] = HOSTILE
    for member in ("records", "purposes", "consents", "notices", "disclosures", "accesses"):
        for one in made[member]:
            one.update({name: HOSTILE for name, value in one.items() if isinstance(value, str)})
    made["records"].append(made["records"][0] | {"value": {HOSTILE: HOSTILE}})
    made["records"].append(made["records"][0] | {"value": "W" * 300})
    made["purposes"][0]["opens"] = {HOSTILE: HOSTILE}
    return made


def test_a_hostile_copy_does_nothing_in_a_browser(browser, tmp_path):
    """Opened by a browser it is text on a page: no script runs, nothing is asked for, nothing is said."""
    file = tmp_path / "copy.html"
    file.write_bytes(page(hostile()).reveal())
    shown = browser.show(file)
    assert (shown.said, shown.asked) == ([], [file.as_uri()])
    assert browser.ask("document.title") == "A copy of your data"
    assert browser.ask("document.querySelectorAll('script, img, link, a').length") == 0
    assert clean(HOSTILE) in browser.ask("document.querySelector('td.value').textContent")


@pytest.mark.parametrize("width", [1280, 420])
def test_the_page_fits_a_screen(browser, tmp_path, width):
    """Even with names as long as they may be, it is no wider than a desk's screen or a telephone's."""
    file = tmp_path / "copy.html"
    file.write_bytes(page(hostile()).reveal())
    browser.do(
        "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
    )
    browser.show(file)
    assert browser.ask(WIDE) is False


def test_the_page_keeps_scripts_of_india_and_shows_what_hides():
    """Joiners and line breaks stay; a character that turns the text around is written out."""
    assert clean("ക്\u200dഷ\nline two") == "ക്\u200dഷ\nline two"
    assert clean("a\u202eb\x07") == "a\\u{202e}b\\u{7}"
