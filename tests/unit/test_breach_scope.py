"""Claims about the scope of a breach: what the log says was opened, and the drafts made of it."""

import csv
import json
import stat
from datetime import UTC, datetime

import pytest

from vault.cli.breach import commands, drafts, shown
from vault.cli.breach.scope import fold
from vault.cli.failures import CommandError, UsageFault
from vault.cli.newfile import write_new

TITLES = {"pan": "Permanent account number (PAN)"}


def event(number, **more):
    return {
        "event_id": f"evt_{number}", "time": f"2026-11-0{number}T09:30:00.000000Z", "actor": "acme.payouts",
        "verb": "detokenize", "decision": "allow", "subject": "cust-1", "token": "tok_pan_1",
        "field_type": "pan", "dek_id": "ab", "form": "plain", **more,
    }  # fmt: skip


def known(scope, **more):
    told = {"aware": datetime(2026, 11, 7, 20, 0, tzinfo=UTC), "gap": None} | more
    return drafts.Known(scope, TITLES, "acme.payouts", written="Made by acme.auditor", **told)


def test_what_was_opened_is_folded_by_credential_and_field():
    """Times, forms, verbs and recipients of one field are one line; another credential's are another."""
    scope = fold(
        [
            event(2, form="masked"),
            event(1),
            event(3, verb="disclose", recipient="mailer"),
            event(4, actor="acme.other", form="masked"),
        ]
    )
    mine = scope.touched["acme.payouts", "tok_pan_1"]
    assert (mine.first[:10], mine.last[:10], mine.times, mine.plain) == ("2026-11-01", "2026-11-03", 3, True)
    assert (sorted(mine.verbs), mine.recipients) == (["detokenize", "disclose"], {"mailer"})
    assert not scope.touched["acme.other", "tok_pan_1"].plain
    assert (scope.subjects, scope.types()) == (["cust-1"], {"pan": (1, 1)})


def test_what_did_not_come_out_is_not_counted():
    """Neither what was withheld nor what a second event says failed; the rest of it counts."""
    scope = fold(
        [
            event(1),
            event(2, token="tok_pan_2", result="withheld", dek_id=None),
            event(3, result="failed", first_event="evt_1"),
            event(4),
        ]
    )
    assert scope.kept_in == 2
    assert [(one.times, one.first[:10]) for one in scope.touched.values()] == [(1, "2026-11-04")]


def test_a_search_names_no_subject_and_is_counted():
    """Searches by value stand beside what was opened: by credential and type, without a subject."""
    search = {
        "event_id": "evt_1",
        "time": "t",
        "actor": "acme.payouts",
        "verb": "search",
        "field_type": "pan",
    }
    scope = fold([search, search])
    assert scope.searches == {("acme.payouts", "pan"): 2}
    assert (scope.subjects, scope.period, list(scope.credentials())) == ([], None, ["acme.payouts"])


def test_the_drafts_know_the_counts_and_the_clocks():
    """Six and seventy-two hours from when it was noticed, in India; what people must say is marked."""
    scope = fold([event(1), event(2, subject="cust-2", token="tok_pan_2")])
    texts = drafts.drafts(known(scope))
    cert, board, letter = texts.values()
    assert "Due: 2026-11-08 07:30 IST" in cert
    assert "Due: 2026-11-11 01:30 IST" in board
    for text in (cert, board):
        assert "data principals: 2" in text
        assert "Permanent account number (PAN): 2 fields of 2 data principals" in text
        assert "first opening 2026-11-01 15:00 IST, last 2026-11-02 15:00 IST" in text
    assert "{TYPES}" in letter
    assert all("[FILL IN: " in text for text in texts.values())
    assert "tok_pan" not in "".join(texts.values())


def test_the_drafts_say_what_they_do_not_know():
    """No time of noticing, a log that was dropped in part, nothing opened: each is said, none guessed."""
    texts = drafts.drafts(known(fold([]), aware=None, gap="what events before 2025 say was dropped"))
    assert "Due: [FILL IN: 6 hours after it was noticed]" in texts["cert-in-6-hours.txt"]
    assert "nothing was opened" in texts["dpdp-board.txt"]
    assert "NOT COMPLETE: what events before 2025" in texts["dpdp-board.txt"]


HOSTILE = "=HYPERLINK(1)\x1b[31m\u202e"


def test_a_log_steers_neither_spreadsheet_nor_terminal(tmp_path, capsys):
    """Names that a dishonest service makes up are no formula in a file and no command to a terminal."""
    scope = fold([event(1, subject=HOSTILE, actor=HOSTILE, field_type=HOSTILE, recipient=HOSTILE)])
    shown.show(scope, None)
    shown.write_csv(tmp_path / "scope.csv", scope, "acme.auditor")
    texts = [capsys.readouterr().out, shown.principals(scope, {}), *drafts.drafts(known(scope)).values()]
    texts.append((tmp_path / "scope.csv").read_text("utf-8"))
    assert not [text for text in texts if "\x1b" in text or "\u202e" in text]
    for text in (texts[1], texts[-1]):
        cells = [one for row in csv.reader(text.splitlines()) for one in row]
        assert not [one for one in cells if one.lstrip().startswith("=")]
        assert any("HYPERLINK" in one for one in cells)


def test_files_are_their_owners_and_are_not_overwritten(tmp_path):
    """A draft that people have worked on stays; whose data it is about only its owner reads."""
    path = tmp_path / "notice.txt"
    write_new(path, "first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(CommandError, match="is there already"):
        write_new(path, "second")
    assert path.read_text() == "first"


class Log:
    """An API whose answers are given."""

    def __init__(self, pages):
        self.pages, self.asked = pages, []

    def post(self, path, body, *, plane, patient):
        self.asked.append((path, plane, body))
        empty = {"events": [], "next": None, "dropped_before": None}
        return self.pages.pop(0) if self.pages and body["verb"] == "detokenize" else empty


def test_every_page_is_read_and_a_gap_is_told():
    """Page after page of each verb, the oldest first; where events were dropped the scope says so."""
    first = {"events": [event(1)], "next": "evt_1", "dropped_before": "2025-01-01T00:00:00.000000Z"}
    second = {"events": [event(2)], "next": None, "dropped_before": None}
    log = Log([first, second])
    scope, gap = commands._read(log, ["acme.payouts"], {"since": "2024-01-01T00:00:00Z"})
    assert scope.touched["acme.payouts", "tok_pan_1"].times == 2
    assert "2025-01-01" in gap
    assert {(path, plane) for path, plane, _ in log.asked} == {("/v1/events/query", "audit")}
    assert {body["verb"] for _, _, body in log.asked} == {"detokenize", "disclose", "export", "search"}
    assert log.asked[1][2]["cursor"] == "evt_1"
    assert not json.dumps(shown.document(scope, gap)).count('"complete": true')


@pytest.mark.parametrize("text", ["yesterday", "2026-11-07", "2026-11-07T09:30:00"])
def test_a_time_names_its_zone(text):
    """Half a day more or less would be another breach."""
    with pytest.raises(UsageFault, match="zone"):
        commands._moment(text, "--from")
