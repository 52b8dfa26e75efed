"""A customer leaves: withdraws consent, asks for deletion, and gets what the law allows. Acts over HTTP.

The customer signed up fourteen months ago. No role of the vault can write such a date, so the demonstration,
as the owner of its own database, sets it there.
"""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from vault.cli.home import Home
from vault.cli.http import Api, Problem
from vault.log import certificates

MONTHS = 14
_DAY = 86_400_000_000
_VALUES = (
    ("email", "asha@example.com"),
    ("pan", "ABCPE1234F"),
    ("bank_account", {"number": "123456789012", "ifsc": "HDFC0000123", "holder": "Asha Traders"}),
)


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who signed up long ago: the reference, and the token of each type."""

    subject: str
    tokens: Mapping[str, str]
    """{token: field type}"""


@dataclass(frozen=True, slots=True)
class Decided:
    """What the officer saw and decided: the case, the decision's hash, and each field's row."""

    case: str
    decision: str
    fields: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Farewell:
    """What the customer gets: the letter, and the certificate in its file."""

    letter: str
    certificate: Path
    holds: bool
    """Whether the certificate verifies under the published key."""
    outcomes: Mapping[str, str]
    """{field type: erased, archived or refused}"""


def long_ago(signup: Api, home: Home, run: int) -> Customer:
    """Sign a customer up, fourteen months ago."""
    subject = f"cust-leaves-run{run}"
    items = [{"type": name, "value": value} for name, value in _VALUES]
    made = signup.post("/v1/tokenize", {"subject": subject, "items": items}, plane="ingest")["items"]
    tokens = {str(one["token"]): str(one["type"]) for one in made}
    then = time.time_ns() // 1000 - MONTHS * 31 * _DAY
    with closing(sqlite3.connect(home.folder / "data.db", timeout=10)) as database, database:
        database.executemany(
            "UPDATE record SET created_at = ? WHERE tenant = 'demo' AND token = ?",
            [(then, token) for token in tokens],
        )
    return Customer(subject, tokens)


def invoice(office: Api, customer: Customer, day: str) -> None:
    """Tell the vault of the customer's invoice."""
    fact = {"subject": customer.subject, "fact": "invoiced", "on": day}
    office.post("/v1/subjects", {"items": [fact]}, plane="office")


def withdraw(office: Api, customer: Customer) -> Sequence[Mapping[str, Any]]:
    """Marketing consent, given at sign-up, is withdrawn; answers both acts."""
    said = {"subject": customer.subject, "purpose": "marketing_display"}
    acts = [
        {**said, "act": "grant", "source": "sign-up-form"},
        {**said, "act": "withdraw", "source": "preference-page"},
    ]
    return list(office.post("/v1/consents", {"items": acts}, plane="office")["items"])


def decide(officer: Api, customer: Customer) -> Decided:
    """The officer takes the request up, verifies who asks, sees what the law allows, and decides."""
    opened = officer.post("/v1/cases", {"kind": "erasure", "subject": customer.subject}, plane="office")
    case = str(opened["case"])
    _act(officer, case, "verify", how="Called back on the number of the contract")
    _act(officer, case, "evaluate")
    decided = _act(officer, case, "decide")
    rows = decided["acts"][0]["document"]["items"]
    return Decided(case, str(decided["decision"]), list(rows))


def release_alone(officer: Api, decided: Decided) -> str:
    """The officer tries to release what they decided; answers the refusal."""
    try:
        _act(officer, decided.case, "release", decision=decided.decision)
    except Problem as problem:
        return f"{problem.http_status} {problem.code}"
    return "200: this must not happen"


def release(approver: Api, decided: Decided) -> None:
    """A second person releases the very decision, and it is carried out."""
    _act(approver, decided.case, "release", decision=decided.decision)


def answer(officer: Api, customer: Customer, decided: Decided, home: Home) -> Farewell:
    """The letter and the certificate, which is checked as anybody can check it."""
    document = _act(officer, decided.case, "answer")["acts"][0]["document"]
    folder = home.folder / "certificates"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{decided.case}.txt"
    path.write_text(document["certificate"])
    signed = certificates.parse(path.read_bytes())
    return Farewell(
        str(document["letter"]),
        path,
        signed.verify(_key(officer, signed.key_version)),
        {customer.tokens[item.token]: item.outcome for item in signed.certificate.items},
    )


def afterwards(payout: Api, customer: Customer) -> list[tuple[str, str]]:
    """(field type, what has become of it): its state, and what a payment run gets of the bank account."""
    asked = {"tokens": list(customer.tokens)}
    found = payout.post("/v1/inspect", asked, plane="reveal")["items"]
    states = {str(one["token"]): str(one["state"]) for one in found}
    return [
        (
            name,
            f"{states[token]}; payment: {_tried(payout, token)}" if name == "bank_account" else states[token],
        )
        for token, name in customer.tokens.items()
    ]


def _tried(payout: Api, token: str) -> str:
    body = {"purpose": "payment", "reference": "after-farewell", "items": [{"token": token}]}
    try:
        payout.post("/v1/detokenize", body, plane="reveal")
    except Problem as problem:
        return f"{problem.http_status} {problem.code}"
    return "200: opened"


def _act(api: Api, case: str, kind: str, **given: str) -> dict[str, Any]:
    return dict(api.post(f"/v1/cases/{case}/{kind}", given, plane="office"))


def _key(api: Api, version: int) -> bytes:
    """The public key `cert`, as the log publishes it."""
    keys = orjson.loads(api.fetch("/v1/log/demo/keys", plane="audit"))["cert"]
    found = {int(one["version"]): str(one["public_key"]) for one in keys}
    return bytes.fromhex(found[version])
