"""The acts of a case, a command each: what it takes, and nothing is released unseen."""

import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from vault.cli import access
from vault.cli.cases import shown
from vault.cli.console import AsJson, screen
from vault.cli.failures import CommandError, UsageFault
from vault.cli.http import Api
from vault.cli.pages import OFFICE

OFFICER, APPROVER = "officer", "approver"
_LARGEST = 8192

CaseId = Annotated[str, typer.Argument(metavar="CASE", help="cas_…, as `cases list` shows it.")]
How = Annotated[str, typer.Option(help="How the identity was verified, in one line without personal data.")]
Reason = Annotated[str, typer.Option(help="Why, in one line of plain words without personal data.")]
AsProposed = Annotated[
    bool, typer.Option("--as-proposed", help="Erasure: as the rules propose. So it is when nothing is said.")
]
RefuseField = Annotated[
    list[str] | None, typer.Option("--refuse", metavar="TOKEN=REASON", help="Erasure: leave this field be.")
]
ArchiveField = Annotated[
    list[str] | None,
    typer.Option(
        "--archive", metavar="TOKEN=DAY:LAW", help="Erasure: archive it until this day, by this law."
    ),
]
FourEyes = Annotated[bool, typer.Option("--four-eyes", help="Access: a second person releases the copy.")]
Tokens = Annotated[
    list[str] | None, typer.Option("--token", help="Correction, disclosure: a field it is about.")
]
Purposes = Annotated[
    list[str] | None, typer.Option("--purpose", help="Objection: a purpose that it is about.")
]
Answer = Annotated[
    Path | None,
    typer.Option("--answer-file", help="Grievance: a file with the answer, one line; - is standard input."),
]
Recipient = Annotated[str | None, typer.Option(help="Disclosure: who receives, of the register.")]
Legal = Annotated[str | None, typer.Option("--legal-reference", help="Disclosure: the order or contract.")]
Sealed = Annotated[bool, typer.Option("--sealed", help="Disclosure: the order says that it stays secret.")]
Decision = Annotated[
    str | None,
    typer.Option(
        metavar="SHA256", help="Of the decision you agreed on; without it, it is shown, and you confirm."
    ),
]


def verify(case: CaseId, how: How, as_json: AsJson = False) -> None:
    """Record that the person is who they say.

    Example: strongroom cases verify cas_01j3vqxq3b9w0zk7a8ph2n5rcy --how "Called back"
    """
    _act(case, "verify", {"how": how}, as_json)


def reject(case: CaseId, reason: Reason, as_json: AsJson = False) -> None:
    """End a request of somebody who could not be verified; then answer it.

    Example: strongroom cases reject cas_01j3vqxq3b9w0zk7a8ph2n5rcy --reason "No answer to the call"
    """
    _act(case, "reject", {"reason": reason}, as_json)


def evaluate(case: CaseId, as_json: AsJson = False) -> None:
    """Let the vault propose: what the law and the holds allow for each field.

    Example: strongroom cases evaluate cas_01j3vqxq3b9w0zk7a8ph2n5rcy
    """
    _act(case, "evaluate", {}, as_json)


def decide(
    *,
    case: CaseId,
    as_proposed: AsProposed = False,
    refuse: RefuseField = None,
    archive: ArchiveField = None,
    four_eyes: FourEyes = False,
    tokens: Tokens = None,
    purposes: Purposes = None,
    answer_file: Answer = None,
    recipient: Recipient = None,
    legal_reference: Legal = None,
    sealed: Sealed = False,
    as_json: AsJson = False,
) -> None:
    """Decide. An erasure is decided as proposed, but for the fields that are refused or archived longer.

    Example: strongroom cases decide cas_01j3vqxq3b9w0zk7a8ph2n5rcy
    --refuse "tok_email_1m3vqxq3b9w0zk7a8ph2n5rcyd5g=A complaint is open"
    """
    if as_proposed and (refuse or archive):
        raise UsageFault("--as-proposed is without --refuse and --archive")
    verdicts = _verdicts(refuse or [], archive or [])
    given = {
        "verdicts": verdicts or None,
        "four_eyes": four_eyes or None,
        "tokens": tokens,
        "purposes": purposes,
        "answer": _answer(answer_file) if answer_file is not None else None,
        "recipient": recipient,
        "legal_reference": legal_reference,
        "sealed": sealed or None,
    }
    _act(case, "decide", {name: value for name, value in given.items() if value}, as_json)


def send_back(case: CaseId, reason: Reason, as_json: AsJson = False) -> None:
    """Give a decision back to the officer, who decides anew. For whoever releases.

    Example: strongroom cases send-back cas_01j3vqxq3b9w0zk7a8ph2n5rcy --reason "Keep the invoice address"
    """
    _act(case, "send_back", {"reason": reason}, as_json, role=APPROVER)


def release(case: CaseId, decision: Decision = None, as_json: AsJson = False) -> None:
    """Release what another person decided, by its hash. An erasure is carried out at once.

    Example: strongroom cases release cas_01j3vqxq3b9w0zk7a8ph2n5rcy
    """
    if as_json and decision is None:
        raise UsageFault("--json does not ask: say what you agreed on with --decision")
    path = shown.path_of(case, "release")
    with Api(access.find(role=APPROVER)) as api:
        if decision is None:
            decision = _agreed(api, case)
        shown.outcome(api.post(path, {"decision": decision}, plane=OFFICE), as_json)


def carry_out(case: CaseId, as_json: AsJson = False) -> None:
    """Do what was decided, where releasing it has not done so already.

    Example: strongroom cases carry-out cas_01j3vqxq3b9w0zk7a8ph2n5rcy
    """
    _act(case, "carry_out", {}, as_json)


def answer(case: CaseId, as_json: AsJson = False) -> None:
    """Close a case: the letter is written, and for an erasure the certificate signed.

    Example: strongroom cases answer cas_01j3vqxq3b9w0zk7a8ph2n5rcy
    """
    _act(case, "answer", {}, as_json)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "verify": verify,
    "reject": reject,
    "evaluate": evaluate,
    "decide": decide,
    "send-back": send_back,
    "release": release,
    "carry-out": carry_out,
    "answer": answer,
}


def _act(case: str, act: str, given: dict[str, Any], as_json: bool, *, role: str = OFFICER) -> None:
    path = shown.path_of(case, act)
    with Api(access.find(role=role)) as api:
        shown.outcome(api.post(path, given, plane=OFFICE), as_json)


def _agreed(api: Api, case: str) -> str:
    """The hash of the decision that was shown now and agreed to. Raises: CommandError."""
    found = shown.find(api, case)
    shown.assert_same_decision(found)
    shown.whole(found)
    screen().print(f"\ndecision: {found['decision']}", markup=False, soft_wrap=True)
    if not typer.confirm("Release this decision?", default=False):
        raise CommandError("nothing was released")
    return str(found["decision"])


def _verdicts(refused: list[str], archived: list[str]) -> dict[str, dict[str, str]]:
    """Verdicts by token, each token once. Raises: UsageFault."""
    verdicts: dict[str, dict[str, str]] = {}
    for text in refused:
        token, found, reason = text.partition("=")
        if not (found and reason) or token in verdicts:
            raise UsageFault("--refuse is TOKEN=REASON, once for a token")
        verdicts[token] = {"verdict": "refuse", "reason": reason}
    for text in archived:
        token, _, rest = text.partition("=")
        until, found, law = rest.partition(":")
        if not (found and law) or token in verdicts or not _is_day(until):
            raise UsageFault("--archive is TOKEN=YYYY-MM-DD:LAW, once for a token")
        verdicts[token] = {"verdict": "archive_until", "until": until, "law": law}
    return verdicts


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _answer(file: Path) -> str:
    """The answer's one line: it may speak of the person, so that it is no argument. Raises: CommandError."""
    try:
        raw = sys.stdin.buffer.read(_LARGEST + 1) if str(file) == "-" else file.read_bytes()
        text = raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise CommandError("the answer is not UTF-8 text") from None
    if not text or len(raw) > _LARGEST or "\n" in text:
        raise CommandError("the answer is one line of at most 2,000 characters")
    return text
