"""Claims about `strongroom retention` and `replace` as commands: what is sent, told, counted and refused."""

import functools
import io
import json
import stat

import httpx
import pytest

from vault.cli.failures import CommandError, UsageFault
from vault.cli.http import Api
from vault.cli.keep import announcing, paging, running, verifying
from vault.cli.main import main
from vault.cli.replacing import read_value
from vault.retention import load

TOKEN = "tok_email_1m3vqxq3b9w0zk7a8ph2n5rcyd5g"
MINE = {"STRONGROOM_URL": "http://127.0.0.1:1", "STRONGROOM_CLIENT_ID": "acme.desk"}


def item(fate, *, due="2026-11-01", number=0):
    return {
        "token": f"{TOKEN}{number}", "subject": "cust-1", "type": "email", "fate": fate, "due": due,
        "erase_after": "2026-11-09T00:00:00.000000Z" if fate in ("announce", "wait") else None,
        "why": "Words.",
    }  # fmt: skip


def page(*items, following=None, checked=10, rules="ab" * 32):
    counts = {
        fate: sum(one["fate"] == fate for one in items) for fate in ("erase", "archive", "announce", "wait")
    }
    kept = {"keep": checked - len(items), "held": 0}
    return {
        "checked": checked, "counts": counts | kept, "items": list(items), "next": following,
        "total": 20, "today": "2026-11-07", "rules": rules, "receipt": f"rcp_{following}",
    }  # fmt: skip


class Office:
    """Answers a run page by page, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __call__(self, request):
        if request.url.path == "/oauth2/token":
            return httpx.Response(200, json={"access_token": "t", "expires_in": 300, "scope": "office"})
        self.asked.append(json.loads(request.content))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Runs a command against an office; answers (status, output, errors)."""
    monkeypatch.setenv("STRONGROOM_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("STRONGROOM_CLIENT_SECRET", "x")
    for name, value in MINE.items():
        monkeypatch.setenv(name, value)

    def run(office, *arguments):
        connected = functools.partial(Api, transport=httpx.MockTransport(office))
        for module in (running, verifying):
            monkeypatch.setattr(module, "Api", connected)
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        return (int(end.value.code or 0), *capsys.readouterr())

    return run


def test_a_run_is_dry_and_reads_every_page(command):
    """Without --apply no page is told to act; counts and types of all pages are in the report."""
    office = Office(page(item("erase"), following="c1"), page(item("erase", number=1), item("archive")))
    status, out, _ = command(office, "retention", "run", "--run", "retention-7", "--json")
    told = json.loads(out)
    assert status == 0
    assert [(one["apply"], one.get("cursor")) for one in office.asked] == [(False, None), (False, "c1")]
    assert {one["run"] for one in office.asked} == {"retention-7"}
    assert (told["checked"], told["types"]) == (20, {"archive": {"email": 1}, "erase": {"email": 2}})
    assert told["receipts"] == ["rcp_c1", "rcp_None"]
    shown = command(Office(page(item("erase"))), "retention", "run")[1]
    assert "nothing was changed" in shown
    assert item("erase")["token"] in shown


def test_an_interrupted_run_says_how_to_go_on(command):
    """Ctrl-C is status 130 with the report so far; a failure says the same and keeps its own status."""
    office = Office(page(item("erase"), following="c1"), KeyboardInterrupt())
    status, out, err = command(office, "retention", "run", "--apply")
    assert status == 130
    assert "run the same command again" in err
    assert "erased for ever" in out
    gone = httpx.Response(403, json={"code": "no_grant", "detail": "no such right"})
    status, _, err = command(Office(page(following="c1"), gone), "retention", "run", "--apply")
    assert status == 1
    assert "10 records" in err
    assert "no_grant" in err


def test_announcements_go_to_the_file_first(command, monkeypatch, tmp_path):
    """A webhook that fails leaves them in the file, 0600, and the run ends with status 3."""
    asked = []

    def broken(request):
        asked.append(request)
        return httpx.Response(302, headers={"location": "http://elsewhere.test/"})

    hook = functools.partial(announcing.webhook, transport=httpx.MockTransport(broken))
    monkeypatch.setattr(running.announcing, "webhook", hook)
    office = Office(
        page(item("announce"), item("wait", number=1), following="c1"), page(item("announce", number=2))
    )
    options = (
        "--announce-hours",
        "48",
        "--outbox",
        str(tmp_path / "out"),
        "--webhook",
        "https://hook.test/x",
    )
    status, _, err = command(office, "retention", "run", "--apply", "--run", "r-1", *options)
    assert status == 3
    assert "answered 302" in err
    assert "2 announcements" in err
    file = tmp_path / "out" / "r-1.jsonl"
    told = [json.loads(line) for line in file.read_text().splitlines()]
    assert [one["token"][-1] for one in told] == ["0", "2"]
    assert {"run", "token", "subject", "type", "due", "erase_after", "why"} == set(told[0])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(asked) == 1
    assert [one["announce_hours"] for one in office.asked] == [48, 48]


def test_what_waits_is_told_again_on_demand(command, monkeypatch):
    """--resend tells of announcements that are on record and not ripe."""
    sent = []

    def heard(request):
        sent.append(json.loads(request.content))
        return httpx.Response(204)

    hook = functools.partial(announcing.webhook, transport=httpx.MockTransport(heard))
    monkeypatch.setattr(running.announcing, "webhook", hook)
    options = ("--announce-hours", "48", "--webhook", "http://127.0.0.1:9/x", "--resend")
    status, _, _ = command(Office(page(item("wait"), item("erase"))), "retention", "run", "--apply", *options)
    assert status == 0
    assert [[one["token"] for one in body["announcements"]] for body in sent] == [[item("wait")["token"]]]


def test_a_dry_run_tells_nobody(command, tmp_path):
    """What was not announced is not told either: no file, no request."""
    options = (
        "--announce-hours",
        "48",
        "--outbox",
        str(tmp_path / "out"),
        "--webhook",
        "https://127.0.0.1:1/",
    )
    assert command(Office(page(item("announce"))), "retention", "run", *options)[0] == 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--apply", "--announce-hours", "48"),
        ("--webhook", "https://hook.test/"),
        ("--resend",),
        ("--announce-hours", "48", "--webhook", "http://hook.test/"),
        ("--announce-hours", "48", "--webhook", "https://me:pw@hook.test/"),
        ("--announce-hours", "48", "--webhook", "https://hook.test/?key=1"),
        ("--announce-hours", "48", "--webhook", "file:///etc/passwd"),
        ("--run", "a b"),
        ("--run", "../../x"),
    ],
)
def test_a_run_asked_wrongly_asks_nothing(command, options):
    """Announcements nobody hears, addresses that tell others, names no log would hold: status 2."""
    office = Office()
    assert command(office, "retention", "run", *options)[0] == 2
    assert office.asked == []


def test_a_file_that_others_read_takes_no_announcement(tmp_path):
    """An outbox that is already there and readable by others, or a link, is refused."""
    box = announcing.outbox(tmp_path / "box", "r-1")
    box.path.write_text("")
    box.path.chmod(0o644)
    with pytest.raises(CommandError, match="chmod 600"):
        box.put([{"a": 1}])
    link = announcing.outbox(tmp_path / "box", "r-2")
    link.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"symbolic|loop"):
        link.put([{"a": 1}])
    assert not (tmp_path / "elsewhere").exists()


def test_verify_fails_on_what_is_overdue_beyond_the_grace(command, tmp_path):
    """One day beyond the grace is exit 1 and stands in the report; the last day of grace is none."""
    out = tmp_path / "report.json"
    late = page(
        item("erase", due="2026-10-06"), item("archive", due="2026-10-07", number=1), item("held", number=2)
    )
    status, _, _ = command(Office(late), "retention", "verify", "--out", str(out))
    report = json.loads(out.read_text())
    assert (status, report["ok"], report["overdue"]) == (1, False, 1)
    assert report["listed"] == [{"token": TOKEN + "0", "type": "email", "fate": "erase", "due": "2026-10-06"}]
    assert (report["rules"], report["receipts"]) == (["ab" * 32], ["rcp_None"])
    office = Office(page(item("erase", due="2026-10-07")))
    status, shown, _ = command(office, "retention", "verify")
    assert status == 0
    assert "nothing is overdue" in shown
    assert office.asked[0]["apply"] is False


def test_verify_does_not_mix_rules(command):
    """When the rules change between two pages nothing is proven."""
    office = Office(page(following="c1"), page(rules="cd" * 32))
    status, _, err = command(office, "retention", "verify")
    assert status == 1
    assert "run it again" in err


def test_the_rate_is_shown_from_the_first_page_on():
    """A bar without a speed yet says nothing, and does not fail."""
    with paging._bar() as (bar, task):
        assert paging._Rate().render(bar.tasks[task]).plain == ""


def test_shipped_rules_are_shown_and_checked_offline(command, tmp_path):
    """A shipped file can be taken, checked and read; what is no rule is refused with its place."""
    toml = command(Office(), "retention", "show", "--profile", "in", "--toml")[1]
    file = tmp_path / "retention.toml"
    file.write_text(toml)
    status, out, _ = command(Office(), "retention", "check", str(file), "--json")
    assert (status, json.loads(out)["hash"]) == (0, load.profiles()["in"].hash)
    assert "Companies Act 2013" in command(Office(), "retention", "show", "--profile", "in")[1]
    file.write_text(toml.replace("years = 8", "years = 800"))
    status, _, err = command(Office(), "retention", "check", str(file))
    assert status == 1
    assert "keep." in err


class Stdin(io.TextIOWrapper):
    """Standard input that is a pipe."""

    def __init__(self, raw):
        super().__init__(io.BytesIO(raw))


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"ABCPE1234F\n", "ABCPE1234F"),
        (b"ABCPE1234F", "ABCPE1234F"),
        (b'"ABCPE1234F"\n', "ABCPE1234F"),
        (b'{"number": "1", "ifsc": "2"}\n', {"number": "1", "ifsc": "2"}),
        (b" two words \r\n", " two words "),
        (b"[1]", "[1]"),
    ],
)
def test_a_new_value_is_read_as_text_or_json(monkeypatch, raw, value):
    """One line break at the end belongs to the pipe, everything else to the value; it prints as ***."""
    monkeypatch.setattr("sys.stdin", Stdin(raw))
    read = read_value()
    assert read.reveal() == value
    assert "1234" not in repr(read)


@pytest.mark.parametrize(
    "raw", [b"", b"\n", b'{"number": 1', b'{"a": "1", "a": "2"}', b"\xff\xfe", b"x" * 70_000]
)
def test_what_is_no_value_is_refused_without_repeating_it(monkeypatch, raw):
    """Nothing, broken JSON, members that stand twice, bytes, too much: refused, and not quoted."""
    monkeypatch.setattr("sys.stdin", Stdin(raw))
    with pytest.raises((CommandError, UsageFault)) as refused:
        read_value()
    assert '"a"' not in str(refused.value)
    assert "number" not in str(refused.value)
    assert (refused.value.__cause__, refused.value.__context__) == (None, None)
