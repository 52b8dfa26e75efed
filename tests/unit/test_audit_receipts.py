"""`strongroom-audit receipts`: a ledger against a verified mirror, as the service's own finds it."""

import csv
import json

import pytest
from strongroom_audit.cli import main
from strongroom_audit.faults import Malformed
from strongroom_audit.ledger import rows
from strongroom_audit.reconcile import FINDINGS

from tests.fakes.audit_log import FakeLog
from tests.fakes.audit_source import mirror
from tests.fakes.till import CASES, A, Till
from vault.cli.receipts.match import FINDINGS as OURS


@pytest.fixture
def run(capsys, tmp_path):
    """Mirrors a till's log, checks its ledger: (exit code, JSON, everything said)."""

    def run(till, form="csv", *, log=None, more=()):
        assert mirror(till.log, tmp_path / "m").faults == []
        ledger, out = getattr(till, form)(tmp_path / f"l.{form}"), tmp_path / "out.json"
        with pytest.raises(SystemExit) as end:
            main(["receipts", str(ledger), str(tmp_path / "m"), "--json", str(out), *map(str, more)])
        said = capsys.readouterr()
        return end.value.code or 0, json.loads(out.read_text()), said.out + said.err

    return run


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_same_cases_same_findings(name, form, run):
    """Two implementations that share no code find the same, case by case."""
    happens, findings, unpaid = CASES[name]
    till = Till()
    happens(till)
    till.log.write(1, verb="events", purpose=None, token=None, reference=None)
    code, found, said = run(till, form)
    shift = 1 if form == "jsonl" else 0
    words = {code: text for text, code in FINDINGS.items()}
    assert {one["line"]: words[one["finding"]] for one in found["found"] if "finding" in one} == {
        line - shift: finding for line, finding in findings.items()
    }
    reveals = [one for one in found["found"] if one["kind"] == "reveal without a payment"]
    assert [(one["reference"], one["token"], one["times"]) for one in reveals] == unpaid
    assert found["rows_reconciled"] == len(till.rows) - len(findings)
    assert code == (1 if findings or unpaid else 0), said
    assert ("NOT RECONCILED" in said) == bool(code)


def test_findings_have_the_same_names():
    """What the service's command calls a finding is called the same here; only time is no matter offline."""
    assert set(OURS) - set(FINDINGS) == {"overdue"}
    assert set(FINDINGS) <= set(OURS)


def test_receipt_younger_than_the_mirror(run):
    """A receipt of after the mirror's end is told apart from one that the log does not have."""
    till = Till()
    till.pay("p1", A, till.open("p1"))
    run(till)
    late = Till(FakeLog(), list(till.rows))
    late.log.write(9)
    late.pay("p2", A, late.open("p2"))
    till.rows = late.rows
    code, found, said = run(till)
    assert (code, found["rows_reconciled"], "1 younger than the mirror" in said) == (0, 1, True)


def test_period(run):
    """Only reveals of the period need a payment."""
    till = Till()
    till.open("p1")
    assert run(till)[0] == 1
    assert run(till, more=["--until", "2026-01-01T00:00:00Z"])[0] == 0
    assert run(till, more=["--since", "2028-01-01T00:00:00+05:30"])[0] == 0


def test_altered_mirror_is_not_reconciled_with(run, tmp_path, capsys):
    """A mirror that does not verify ends the command with the fault's own code, whatever the ledger says."""
    till = Till()
    CASES["paid"][0](till)
    run(till)
    bundle = next((tmp_path / "m" / "bodies").glob("*.bundle"))
    bundle.write_bytes(bundle.read_bytes().replace(b'"reference":"p2"', b'"reference":"p3"'))
    with pytest.raises(SystemExit) as end:
        main(["receipts", str(till.csv(tmp_path / "l.csv")), str(tmp_path / "m")])
    assert end.value.code == 12
    assert "event altered" in capsys.readouterr().err


def test_csv_that_comes_out_is_safe(run, tmp_path):
    """No formula, no control character, and only its owner reads it."""
    till = Till()
    till.open("-1-cmd", actor="=acme\x1b.pay")
    till.pay("=1+1", A, "")
    out = tmp_path / "out.csv"
    run(till, more=["--csv", out])
    table = list(csv.reader(out.read_text(encoding="utf-8-sig").splitlines()))
    assert (table[1][1], table[1][3]) == (FINDINGS["malformed_row"], "")
    assert (table[2][3], table[2][6]) == ("'-1-cmd", "'=acme\\u{1b}.pay")
    assert table[-1][0].startswith("Exported by ")
    assert out.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"reference,token\n", b'reference,token,receipt\n"p1,x\n', b"reference,token,receipt\n\xff\n",
     b"reference,token,receipt\n" + b"x" * 70_000],
)  # fmt: skip
def test_file_that_is_no_ledger(content, tmp_path):
    """A file that cannot be read as a table is malformed, with its line."""
    path = tmp_path / "l.csv"
    path.write_bytes(content)
    with pytest.raises(Malformed):
        list(rows(path))


@pytest.mark.parametrize("line", ["{", "[]", "7", '{"reference": 7}', "[" * 5000])
def test_json_line_that_is_no_row(line, tmp_path):
    """Whatever a line holds, it is one malformed row."""
    path = tmp_path / "l.jsonl"
    path.write_text(f"{line}\n\n")
    assert [(one.line, one.finding) for one in rows(path)] == [(1, "malformed_row")]
