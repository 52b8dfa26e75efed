"""The demonstration: the main job on the real service, before the user's eyes."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Console

from vault.cli.home import Home
from vault.cli.http import Api
from vault.demo import acts, book, cast, farewell, farewell_report
from vault.demo.report import Report
from vault.demo.signups import SignUp, generate

_MOST_SAMPLES = 3
_INVOICED = "2025-06-30"
"""The day of the invoice of the customer who leaves."""


def demonstrate(home: Home, url: str, *, count: int, console: Console) -> None:
    """Run every act against the service at `url`. Raises: CommandError when the service fails."""
    report = Report(console)
    runs = book.read(home)
    with ExitStack() as stack:
        people = cast.gather(home, url, stack, report.took_two)
        reference = f"payout-{datetime.now(UTC):%Y-%m-%d}"
        if runs:
            _look_back(people["payout"], runs, reference, report)
        signed = _sign_up(people["signup"], _samples(count, len(runs)), report)
        book.add(home, runs, values=signed.kept, tokens=list(signed.accounts))
        _pay_out(people["payout"], signed, reference, report)
        token = next(iter(signed.accounts))
        _trespass(people, token, reference, report)
        report.act(
            "The access log of one token", "The auditor asks who did what with it, allowed and denied."
        )
        report.accessed(token, acts.accesses(people["auditor"], token))
        _farewell(people, home, len(runs) + 1, report)
        report.act("Your turn", "The service is the real one; so are OpenBao, the keys and the log.")
        report.closing(home, url, token)


def _samples(count: int, run: int) -> list[SignUp]:
    """The sign-ups of this run: other ones, under other references, at every start."""
    found = generate(count, seed=run)
    return [replace(one, reference=f"{one.reference}-run{run + 1}") for one in found]


def _look_back(api: Api, runs: Sequence[book.Run], reference: str, report: Report) -> None:
    report.act("Yesterday's tokens", "The vault was stopped and started again since.")
    token = runs[0].tokens[0]
    report.earlier(runs, token, acts.reveal(api, [token], reference, form="masked")[0])


def _sign_up(api: Api, signups: Sequence[SignUp], report: Report) -> acts.SignedUp:
    values = sum(len(one.items) for one in signups)
    dirty = sum(bool(one.dirty) for one in signups)
    report.act(
        "Sign-ups",
        f"The sign-up service tokenizes {values:,} values of {len(signups):,} invented Indian businesses.",
    )
    with report.progress("tokenizing", values) as advance:
        signed = acts.sign_up(api, signups, secrets.token_hex(6), advance)
    report.signed_up(signed, len(signups), dirty)
    return signed


def _pay_out(api: Api, signed: acts.SignedUp, reference: str, report: Report) -> None:
    report.act(
        "A payout run",
        "The payment module opens every bank account. Each access is on record before its key is unwrapped.",
    )
    with report.progress("opening", len(signed.accounts)) as advance:
        paid = acts.pay_out(api, signed, reference, advance)
    tokens = list(signed.accounts)[:_MOST_SAMPLES]
    masked = acts.reveal(api, tokens, reference, form="masked")
    samples = [(signed.accounts[token], item) for token, item in zip(tokens, masked, strict=True)]
    report.paid_out(paid, reference, samples)


def _farewell(people: Mapping[str, Api], home: Home, run: int, report: Report) -> None:
    report.act(
        "A customer leaves",
        f"Signed up {farewell.MONTHS} months ago and invoiced; withdraws consent, and asks to be deleted. "
        "(That date the demonstration wrote into its own database: no role of the vault could.)",
    )
    customer = farewell.long_ago(people["signup"], home, run)
    office, officer, console = people["office"], people["officer"], report.console
    farewell.invoice(office, customer, _INVOICED)
    farewell_report.withdrawn(console, farewell.withdraw(office, customer))
    decided = farewell.decide(officer, customer)
    farewell_report.decided(console, customer, decided)
    farewell_report.refused(console, farewell.release_alone(officer, decided))
    farewell.release(people["approver"], decided)
    farewell_report.released(console, farewell.afterwards(people["payout"], customer))
    farewell_report.answered(console, farewell.answer(officer, customer, decided, home))


def _trespass(people: Mapping[str, Api], token: str, reference: str, report: Report) -> None:
    report.act("Anybody else", "Marketing and the sign-up service itself try to open a bank account.")
    report.trespassed(acts.trespass(people, token, reference))
