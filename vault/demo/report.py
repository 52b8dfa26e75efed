"""How the demonstration looks: tables and counts, masked forms only, as readable in a pipe as on a screen."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from vault.cli.console import table
from vault.cli.home import Home, shown
from vault.demo.acts import Advance, Attempt, PaidOut, SignedUp
from vault.demo.book import Run
from vault.demo.cast import ROLES

Samples = Sequence[tuple[str, Mapping[str, Any]]]
"""(customer, item as detokenize answered it)"""

_TRY_VALUE = "ABCPE1234F"


class Report:
    """Writes to one console, act by act."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._number = 0

    def act(self, title: str, what: str) -> None:
        """A heading, and one sentence about what is going to happen."""
        self._number += 1
        self.console.print()
        self.console.rule(f"[bold]{self._number}. {title}", align="left")
        self.console.print(what, style="dim", markup=False)

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Advance]:
        """A bar while something runs; nothing in a pipe."""
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        quiet = not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=quiet) as bar:
            task = bar.add_task(what, total=total)
            yield lambda more: bar.advance(task, more)

    def took_two(self, role: str, proposal: str) -> None:
        """A credential that no administrator can make alone."""
        self._good(f"{role}: proposed by admin, approved by admin2 ({proposal})")

    def earlier(self, runs: Sequence[Run], token: str, item: Mapping[str, Any]) -> None:
        """Tokens of earlier starts are still good."""
        kept = sum(run.values for run in runs)
        self._good(f"{kept:,} values of {len(runs)} earlier run(s) are kept; the first was at {runs[0].at}")
        if "value" in item:
            self._good(f"a token of that first run still opens: {token}")
            self._plain(f"masked: {_masked(item['value'])}")
        else:
            self._bad(f"{token}: {item['problem']['code']}")

    def signed_up(self, signed: SignedUp, rows: int, dirty: int) -> None:
        """How many values went in, and which were refused for which rule."""
        self._good(f"{signed.kept:,} values of {rows:,} sign-ups became tokens", signed.kept, signed.seconds)
        if signed.same_tokens:
            self._good("the first request, sent again under its Idempotency-Key, got the same tokens")
        else:
            self._bad("the first request, sent again under its Idempotency-Key, got OTHER tokens")
        refused = sum(signed.refused.values())
        self._plain(
            f"{refused} values in {dirty} dirty rows were refused, by type and rule (no value is shown):"
        )
        rows_shown = [
            (kind, rule or code, str(count))
            for (kind, code, rule), count in sorted(signed.refused.items(), key=lambda one: (-one[1], one[0]))
        ]
        self._indented(table(("type", "rule", "values"), rows_shown))

    def paid_out(
        self, paid: PaidOut, reference: str, samples: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> None:
        """How many were opened, and a few of them masked."""
        words = f"{paid.opened:,} bank accounts opened for payment, reference {reference}"
        self._good(words, paid.opened, paid.seconds)
        equal = f"{paid.agreed:,} of {paid.opened:,} are what was signed up"
        (self._good if paid.agreed == paid.opened else self._bad)(equal)
        for code, count in paid.refused.items():
            self._bad(f"{count} could not be opened: {code}")
        self._plain("three of them, revealed masked:")
        rows = [(owner, *(str(part) for part in _parts(item))) for owner, item in samples]
        self._indented(table(("customer", "number", "ifsc", "holder"), rows))

    def trespassed(self, attempts: Sequence[Attempt]) -> None:
        """Who was refused, and why."""
        rows = [(one.who, one.tried, one.answer, one.reason) for one in attempts]
        self._indented(table(("who", "tried to", "answer", "reason"), rows))
        opened = sum(one.answer == "200" for one in attempts)
        if opened:
            self._bad(f"{opened} of {len(attempts)} opened it")
        else:
            self._good(f"{len(attempts)} of {len(attempts)} refused; nothing was opened")

    def accessed(self, token: str, events: Sequence[Mapping[str, Any]]) -> None:
        """The access log of one token."""
        self._plain(token)
        rows = [_access(event) for event in events]
        self._indented(table(("time (UTC)", "who", "verb", "purpose", "decision", "rule or reason"), rows))

    def closing(self, home: Home, url: str, token: str) -> None:
        """Address, credentials, and lines to copy."""
        rows = [(role.name, ", ".join(role.grants), shown(home.credential(role.name))) for role in ROLES]
        rows.append(("administrator", "credentials, policy", shown(home.credential("admin"))))
        self._plain(f"address: {url}")
        self._indented(table(("credential (demo.…)", "may", "client_id:secret, mode 0600"), rows))
        self._plain("copy and paste, from this folder:")
        self.console.print()
        for line in curl_lines(home, url, token):
            self.console.print(line, soft_wrap=True, markup=False)

    def _good(self, words: str, count: int = 0, seconds: float = 0.0) -> None:
        rate = f" in {seconds:.1f} s, {count / seconds:,.0f} a second" if seconds else ""
        self.console.print(Text.assemble(("✓ ", "green"), words, (rate, "bold")))

    def _bad(self, words: str) -> None:
        self.console.print(Text.assemble(("✗ ", "bold red"), (words, "red")))

    def _plain(self, words: str) -> None:
        self.console.print(words, markup=False)

    def _indented(self, what: Any) -> None:
        self.console.print(Padding(what, (0, 0, 0, 2)))


def curl_lines(home: Home, url: str, token: str) -> list[str]:
    """Lines for a shell that do the main job by hand. Secrets stay in their files."""
    folder = shown(home.credential("x").parent)
    post = "-H 'Content-Type: application/json' -d"
    return [
        f"URL={url}",
        f'token() {{ curl -s -u "$(cat {folder}/$1)" -d grant_type=client_credentials $URL/oauth2/token \\',
        """  | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/'; }""",
        "",
        f'curl -s $URL/v1/tokenize -H "Authorization: Bearer $(token signup)" {post} \\',
        f"""  '{{"subject":"cust-1","items":[{{"type":"pan","value":"{_TRY_VALUE}"}}]}}'""",
        "",
        f'curl -s $URL/v1/detokenize -H "Authorization: Bearer $(token payout)" {post} \\',
        f"""  '{{"purpose":"payment","reference":"by-hand","items":[{{"token":"{token}"}}]}}'""",
        "",
        f'curl -s $URL/v1/events/query -H "Authorization: Bearer $(token auditor)" {post} \\',
        f"""  '{{"token":"{token}"}}'""",
    ]


def _access(event: Mapping[str, Any]) -> tuple[str, ...]:
    who = str(event["actor"]).partition(".")[2]
    about = f" · {event['reference']}" if "reference" in event else ""
    time = str(event["time"])[11:23]
    purpose = str(event.get("purpose", ""))
    form = " masked" if event.get("form") == "masked" else ""
    return time, who, f"{event['verb']}{form}", purpose, str(event["decision"]), f"{event['reason']}{about}"


def _parts(item: Mapping[str, Any]) -> list[str]:
    value = item.get("value")
    if not isinstance(value, dict):
        return [str(item.get("problem", {}).get("code", "")), "", ""]
    return [str(value[part]) for part in ("number", "ifsc", "holder")]


def _masked(value: object) -> str:
    return "  ".join(map(str, value.values())) if isinstance(value, dict) else str(value)
