"""`strongroom receipts`: two books compared, whatever a ledger or a log may hold."""

import csv
import io
import json
import tracemalloc

import pytest

from tests.fakes.audit_log import FakeLog
from tests.fakes.till import CASES, A, B, Till, flipped, raw, receipt_of, token
from vault.cli.failures import CommandError, UsageFault
from vault.cli.receipts import shown
from vault.cli.receipts.ledger import format_of, payments
from vault.cli.receipts.match import FINDINGS, Books
from vault.cli.receipts.prover import Prover
from vault.log.malformed import Malformed
from vault.log.notes import read_key
from vault.log.receipts import read_receipt, time_of
from vault.model.names import show_id

START = 1_800_000_000_000_000


class Source:
    """Shows a FakeLog up to its signed size, and counts what it is asked."""

    def __init__(self, log, signed=None):
        self.log, self.signed = log, len(log.events) if signed is None else signed
        self.asked = 0

    def proof(self, event_id):
        self.asked += 1
        index = next((i for i, event in enumerate(self.log.events) if event.id == event_id), None)
        if index is None:
            return "unknown"
        return "pending" if index >= self.signed else self.log.proof(index, self.signed)

    def entries(self, tile):
        self.asked += 1
        return self.log.tile(tile.number, tile.width)


def reconcile(till, path, *, signed=None, now=START, **period):
    """The whole way, but for HTTP."""
    books = Books("payment", **period)
    for payment in payments(path, format_of(path, None)):
        books.pay(payment)
    for event in sorted(till.log.events, key=lambda one: one.id):
        books.event(json.loads(event.body))
    standings = Prover(Source(till.log, signed), [read_key(till.log.vkey)]).standings(books.entries())
    return books.compare(standings, now)


def found(result):
    return {one.payment.line: one.code for one in result.findings}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_what_differs_is_found(name, form, tmp_path):
    """Each difference between ledger and log has its finding, in both forms of ledger; nothing else has."""
    happens, findings, unpaid = CASES[name]
    till = Till()
    happens(till)
    path = getattr(till, form)(tmp_path / f"ledger.{form}")
    result = reconcile(till, path)
    shift = 1 if form == "jsonl" else 0
    assert found(result) == {line - shift: code for line, code in findings.items()}
    assert [(one.reference, one.token, len(one.events)) for one in result.unpaid] == unpaid
    assert result.reconciled == len(till.rows) - len(findings)
    assert result.whole == (not findings and not unpaid)


def test_every_finding_has_a_case_and_a_sentence():
    """No finding can come up that has no sentence; all but the one of time are in the table."""
    assert {code for _, findings, _ in CASES.values() for code in findings.values()} == set(FINDINGS) - {
        "overdue"
    }


def test_what_was_no_reveal_is_counted_apart(tmp_path):
    """Denied, withheld, failed and masked accesses are told, and are nobody's missing payment."""
    till = Till()
    CASES["nothing left the vault"][0](till)
    result = reconcile(till, till.csv(tmp_path / "l.csv"))
    assert dict(result.not_opened) == {"denied": 1, "withheld": 1, "failed": 1, "masked": 1}


def test_young_receipts_wait_and_old_ones_are_found(tmp_path):
    """Not in a signed checkpoint yet: pending with its age at first, a finding after ten minutes."""
    till = Till()
    till.pay("p1", A, till.open("p1"))
    till.pay("p2", A, till.open("p2"))
    path = till.csv(tmp_path / "l.csv")
    early = reconcile(till, path, signed=1, now=START + 8_000_000)
    assert ([one.line for one in early.pending], early.reconciled, early.whole) == ([3], 1, True)
    assert shown.document(early, START + 8_000_000)["pending"][0]["seconds"] == 7
    late = reconcile(till, path, signed=1, now=START + 700_000_000)
    assert (found(late), late.whole) == ({3: "overdue"}, False)


def test_lost_receipt_is_told_from_a_missing_access(tmp_path):
    """Where the log has an opening of the pair, the finding names it."""
    till = Till()
    till.open("p1")
    till.pay("p1", A, "")
    till.pay("p2", A, "")
    lost, missing = reconcile(till, till.csv(tmp_path / "l.csv")).findings
    assert lost.says == "the row has no receipt, though the log has an opening for it, " + show_id(
        "evt", till.log.events[0].id
    )
    assert missing.says == "the row has no receipt"


def test_period_bounds_reveals_not_payments(tmp_path):
    """Reveals outside the period need no payment here; a row is judged whenever its receipt is of."""
    till = Till()
    before, inside, after = (till.open(f"p{number}") for number in range(3))
    times = [time_of(event.id) for event in till.log.events]
    till.pay("p0", A, before)
    result = reconcile(till, till.csv(tmp_path / "l.csv"), since=times[1], until=times[2])
    assert [one.reference for one in result.unpaid] == ["p1"]
    assert (result.reconciled, found(result)) == (1, {})
    assert inside != after


def test_events_are_asked_for_as_far_as_receipts_reach(tmp_path):
    """What is read of the log covers period, receipts, and the minute in which an opening may fail."""
    till = Till()
    till.pay("p0", A, till.open("p0"))
    books = Books("payment", since=START + 10**9, until=START + 2 * 10**9)
    books.pay(next(payments(till.csv(tmp_path / "l.csv"), "csv")))
    assert books.span() == (time_of(till.log.events[0].id), START + 2 * 10**9 + 60_000_000)
    assert Books("payment").span() == (None, None)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 700])
def test_neighbours_are_proven_together(size):
    """Every entry of a tree is proven, a full tile's at once, and an altered one among them is not."""
    log = FakeLog()
    log.write(size)
    source = Source(log)
    entries = [event.entry for event in log.events]
    bad = raw(flipped(log.receipt(size // 2), 20))[:49]
    standings = Prover(source, [read_key(log.vkey)]).standings([*entries, bad])
    assert standings == {**dict.fromkeys(entries, "proven"), bad: "altered"}
    assert source.asked <= size // 256 * 2 + size % 256 + 2


def test_tile_that_does_not_lead_to_the_root_is_refused():
    """A log that shows a tile with one entry exchanged is caught, not believed."""
    log = FakeLog()
    log.write(300)
    source = Source(log)
    honest = source.entries

    def lying(tile):
        tile_ = bytearray(honest(tile))
        tile_[40] ^= 1
        return bytes(tile_)

    source.entries = lying
    with pytest.raises(CommandError, match="does not lead to the root"):
        Prover(source, [read_key(log.vkey)]).standings([event.entry for event in log.events])


def test_checkpoint_of_another_key_is_refused():
    """Proofs count under the trusted key alone."""
    log, other = FakeLog(), FakeLog(name="elsewhere.example")
    log.write(2)
    with pytest.raises(CommandError, match="no key you trust signed it"):
        Prover(Source(log), [read_key(other.vkey)]).standings([log.events[0].entry])


def test_two_histories_are_refused():
    """Two roots signed for one size end the check."""
    log = FakeLog()
    log.write(2)
    source, prover = Source(log), Prover(Source(log), [read_key(log.vkey)])
    prover.standings([log.events[0].entry])
    log.events[1].body = log.events[1].body.replace(b"allow", b"deny ")
    log.events[1].recommit()
    with pytest.raises(CommandError, match="two different roots for its first 2 events"):
        prover.standings([log.events[0].entry])
    assert source.asked == 0


def test_proof_of_a_receipt_and_of_an_event():
    """A receipt's own entry is proven, for an event's id the one the log shows; a forged one is refused."""
    log = FakeLog()
    log.write(300)
    prover = Prover(Source(log, 299), [read_key(log.vkey)])
    for index in (0, 255, 256, 298):
        event = log.events[index]
        assert prover.proof_of(event.id, None) == prover.proof_of(event.id, event.entry)
        with pytest.raises(CommandError, match="does not lead from this receipt"):
            prover.proof_of(event.id, event.entry[:-1] + b"\x00")
    with pytest.raises(CommandError, match="in no signed checkpoint yet"):
        prover.proof_of(log.events[299].id, None)
    with pytest.raises(CommandError, match="no such event"):
        prover.proof_of(bytes(16), None)


@pytest.mark.parametrize(
    "text",
    ["", "rcp_", "rcp_" + "A" * 171, "rcp_" + "A" * 173, "rcp_" + "A" * 171 + "=", "rcp_" + "A" * 171 + "+",
     "rcp_" + "A" * 172, "rcp_" + "Ａ" * 172, "rcp_AQ" + "A" * 170 + "\n", " rcp_AQ" + "A" * 170],
)  # fmt: skip
def test_receipt_has_one_spelling(text):
    """Another length, alphabet, version or space around it is no receipt."""
    with pytest.raises(Malformed):
        read_receipt(text)


def test_receipt_reads_as_it_was_written():
    """Every byte of a receipt comes back."""
    log = FakeLog()
    log.write(1)
    read, event = read_receipt(log.receipt(0)), log.events[0]
    assert (read.entry, read.list_id, read.signature) == (
        event.entry,
        event.listed.id,
        event.listed.signature,
    )
    assert receipt_of(raw(log.receipt(0))) == log.receipt(0)


HOSTILE = [
    "=HYPERLINK(1)",
    "+1",
    "@x",
    "\x1b]0;pwned\x07",
    "\u202e",
    "[red]",
    "50100012345678",
    "a,b",
    "'",
    '"x',
]


@pytest.mark.parametrize("cell", HOSTILE)
def test_what_stands_in_the_wrong_cell_is_never_repeated(cell, tmp_path, capsys):
    """A malformed row shows its line only, on screen, in JSON and in CSV: it may hold an account number."""
    path, out = tmp_path / "ledger.csv", tmp_path / "out.csv"
    text = io.StringIO()
    csv.writer(text).writerows(
        [("reference", "token", "receipt", "memo"), (cell, A, cell, cell), ("p1", cell, "", "")]
    )
    path.write_text(text.getvalue(), encoding="utf-8")
    result = reconcile(Till(), path)
    shown.show(result, START)
    shown.write_csv(out, result, "Exported by acme.auditor")
    said = (
        capsys.readouterr().out
        + out.read_text()
        + json.dumps(shown.document(result, START), ensure_ascii=False)
    )
    assert cell == "'" or cell not in said
    assert found(result) == {2: "malformed_row", 3: "malformed_row"}


def test_csv_that_comes_out_holds_no_formula(tmp_path):
    """A reference may begin with a minus; what a log says of credentials is cleaned all the same."""
    till = Till()
    till.open("-1-cmd", actor="=acme\x1b.pay")
    result = reconcile(till, till.csv(tmp_path / "l.csv"))
    shown.write_csv(tmp_path / "out.csv", result, "=x")
    rows = list(csv.reader(io.StringIO((tmp_path / "out.csv").read_text(), newline="")))
    assert (rows[1][3], rows[1][7], rows[2]) == ("'-1-cmd", "'=acme\\u{1b}.pay", ["'=x"])
    assert (tmp_path / "out.csv").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "the first line names"), (b"reference,token\n", "the first line names"),
     (b"reference,token,receipt,token\n", "the first line names"),
     (b'reference,token,receipt\n"p1,x,y\n', "line 2 is not CSV"),
     (b"reference,token,receipt\n\xff\n", "line 2 is not UTF-8"),
     (b"reference,token,receipt\n" + b"x" * 70_000 + b"\n", "line 2 is longer than 64 KiB"),
     (b'reference,token,receipt\n"' + b"x\n" * 100_000, "is not CSV")],
)  # fmt: skip
def test_file_that_is_no_ledger(content, why, tmp_path):
    """A file that cannot be read as a table ends the command with the line, and without its content."""
    path = tmp_path / "ledger.csv"
    path.write_bytes(content)
    with pytest.raises(UsageFault, match=why):
        list(payments(path, "csv"))


def test_ledgers_as_programs_write_them(tmp_path):
    """Byte order mark, capitals, spaces, other columns, empty lines, CRLF and quotes are all understood."""
    till = Till()
    receipt = till.open()
    path = tmp_path / "ledger.CSV"
    path.write_bytes(
        b"\xef\xbb\xbfAmount, Receipt ,TOKEN,Reference\r\n\r\n"
        + f'"1,000",{receipt}, {A} ,"p1"\r\n,,,\r\n5\r\n'.encode()
    )
    rows = list(payments(path, format_of(path, None)))
    assert [(one.line, one.pair, one.finding) for one in rows] == [
        (3, ("p1", A), ""),
        (5, ("", ""), "malformed_row"),
    ]


@pytest.mark.parametrize("line", ["{", "[]", "null", "7", '{"reference": 7}', '{"token": {}}', "{}", '"' * 3])
def test_json_line_that_is_no_row(line, tmp_path):
    """A line that is no object with the three texts is one malformed row, and the next line is read."""
    till = Till()
    till.pay("p1", A, till.open())
    path = till.jsonl(tmp_path / "ledger.jsonl")
    path.write_text(line + "\n\n" + path.read_text())
    assert [(one.line, one.finding) for one in payments(path, "jsonl")] == [(1, "malformed_row"), (3, "")]


def test_form_is_told_or_seen():
    """The extension says the form; without one it has to be told."""
    assert [format_of(shown.Path(name), None) for name in ("a.csv", "a.NDJSON", "a.jsonl")] == [
        "csv",
        "jsonl",
        "jsonl",
    ]
    assert format_of(shown.Path("a.txt"), "csv") == "csv"
    with pytest.raises(UsageFault, match="--format"):
        format_of(shown.Path("a.txt"), None)


def test_huge_ledger_is_read_as_a_stream(tmp_path):
    """Reading a ledger takes the memory of one row, whatever its size, and tells how far it is."""
    path = tmp_path / "ledger.csv"
    receipt = Till().open()
    with path.open("w") as file:
        file.write("reference,token,receipt\n")
        for number in range(20_000):
            file.write(f"payout-{number},{B},{receipt}\n")
    told = []
    tracemalloc.start()
    try:
        count = sum(1 for _ in payments(path, "csv", lambda done, size: told.append((done, size))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (count, len(told), told[-1][1]) == (20_000, 20, path.stat().st_size)
    assert told == sorted(told)
    assert peak < 1 << 20


def test_token_of_a_till_is_a_token():
    """The fake's tokens are of the shape the service's have."""
    assert A != B
    assert token(1) == A
