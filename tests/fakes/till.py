"""A payment module beside a FakeLog: opens values, keeps receipts, writes a ledger.

The cases of what can differ are data for both implementations of the reconciliation, which share no code.
"""

import base64
import json
from dataclasses import dataclass, field

from tests.fakes.audit_log import FakeLog, digest, shown
from vault.model.token import mint

COLUMNS = ("reference", "token", "receipt")


def token(number):
    """A token, the same for the same number."""
    return mint("bank_account", digest(b"token", bytes([number]))[:17])


A, B = token(1), token(2)


@dataclass
class Till:
    """`open` and its kin write to the log and answer a receipt; `pay` writes to the ledger."""

    log: FakeLog = field(default_factory=FakeLog)
    rows: list = field(default_factory=list)

    def open(self, reference="p1", of=A, **members):
        self.log.write(1, reference=reference, token=of, **members)
        return self.log.receipt(len(self.log.events) - 1)

    def undo(self, receipt, reference="p1", of=A, result="failed"):
        """The second event, which says that the first came to nothing."""
        first = shown("evt", raw(receipt)[1:17])
        self.open(reference, of, form=None, result=result, failure="record_tampered", first_event=first)

    def pay(self, reference="p1", of=A, receipt=""):
        self.rows.append((reference, of, receipt))

    def csv(self, path):
        lines = [",".join(COLUMNS), *(",".join(row) for row in self.rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def jsonl(self, path):
        lines = [json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in self.rows]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path


def raw(receipt):
    return base64.urlsafe_b64decode(receipt.removeprefix("rcp_"))


def receipt_of(bytes_):
    return "rcp_" + base64.urlsafe_b64encode(bytes_).decode()


def flipped(receipt, at):
    """The receipt with one bit changed."""
    changed = bytearray(raw(receipt))
    changed[at] ^= 1
    return receipt_of(bytes(changed))


def paid(till):
    till.pay("p1", A, till.open("p1", A))
    till.pay("p2", A, till.open("p2", A))
    till.pay("p1", B, till.open("p1", B))


def retried(till):
    first = till.open()
    till.open()
    till.pay("p1", A, first)


def retried_and_kept_the_last(till):
    till.open()
    till.pay("p1", A, till.open())


def unpaid(till):
    paid(till)
    till.open("p3", A)
    till.open("p3", A)
    till.open(None, B)


def without_receipt(till):
    till.open()
    till.pay("p1", A, "")


def never_opened(till):
    till.pay("p9", B, "")


def malformed(till):
    good = till.open()
    for receipt in (
        good[:-1],
        good + "A",
        "RCP" + good[3:],
        good.replace("rcp_", ""),
        flipped(good, 0),
        "=1+1",
    ):
        till.pay("p1", A, receipt)


def forged(till):
    till.pay("p1", A, flipped(till.open("p1", A), 20))
    till.pay("p2", A, flipped(till.open("p2", A), 50))
    till.pay("p3", A, flipped(till.open("p3", A), 16))


def swapped(till):
    one, other, third = till.open("p1", A), till.open("p1", B), till.open("p2", A)
    till.pay("p1", A, other)
    till.pay("p1", B, one)
    till.pay("p2", A, one)
    assert third


def duplicated(till):
    receipt = till.open()
    till.pay("p1", A, receipt)
    till.pay("p1", A, receipt)
    till.pay("p1", A, till.open())


def denied(till):
    till.pay("p1", A, till.open(decision="deny", form=None))


def withheld(till):
    till.pay("p1", A, till.open(result="withheld"))
    till.pay("p2", A, again := till.open("p2"))
    till.undo(again, "p2", result="withheld")


def failed(till):
    till.pay("p1", A, receipt := till.open())
    till.undo(receipt)


def failed_and_retried(till):
    till.undo(till.open())
    till.pay("p1", A, till.open())


def nothing_left_the_vault(till):
    till.open("p1", A, decision="deny", form=None)
    till.open("p2", A, result="withheld")
    till.undo(till.open("p3"), "p3")
    till.open("p4", A, form="masked")
    till.open("p5", A, purpose="support")
    till.open("p6", A, verb="inspect", purpose=None, form=None)


def masked(till):
    till.pay("p1", A, till.open(form="masked"))


def for_something_else(till):
    till.pay("p1", A, till.open(purpose="support"))
    till.pay("p2", A, till.open("p2", verb="tokenize", purpose=None, form=None))


def rows_that_are_none(till):
    receipt = till.open()
    for reference, of in (
        ("", A),
        ("p1", ""),
        ("9123456789", A),
        ("p1", A[:-1] + "0"),
        ("p 1", A),
        ("=p1", A),
    ):
        till.pay(reference, of, receipt)


CASES = {
    # name: (what happens, {line of the CSV: finding}, [(reference, token, times)] without a payment)
    "paid": (paid, {}, []),
    "retried": (retried, {}, []),
    "retried, last receipt kept": (retried_and_kept_the_last, {}, []),
    "unpaid": (unpaid, {}, [("p3", A, 2), ("", B, 1)]),
    "no receipt": (without_receipt, {2: "no_receipt"}, []),
    "never opened": (never_opened, {2: "no_receipt"}, []),
    "malformed": (malformed, dict.fromkeys(range(2, 8), "malformed_receipt"), []),
    "forged": (forged, {2: "altered", 3: "altered", 4: "unknown_event"}, []),
    "swapped": (swapped, {2: "wrong_token", 3: "wrong_token", 4: "wrong_reference"}, []),
    "duplicated": (duplicated, {3: "duplicate", 4: "duplicate"}, []),
    "denied": (denied, {2: "denied"}, []),
    "withheld": (withheld, {2: "withheld", 3: "withheld"}, []),
    "failed": (failed, {2: "failed"}, []),
    "failed, then retried": (failed_and_retried, {}, []),
    "nothing left the vault": (nothing_left_the_vault, {}, []),
    "masked": (masked, {2: "masked"}, []),
    "for something else": (for_something_else, {2: "other_event", 3: "other_event"}, []),
    "rows that are none": (rows_that_are_none, dict.fromkeys(range(2, 8), "malformed_row"), [("p1", A, 1)]),
}
