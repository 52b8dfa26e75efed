"""Drafts of the notices that a breach takes: what the log knows is filled in, what people must say is marked.

CERT-In Directions of 28 April 2022 (within 6 hours of noticing); DPDP Rules 2025, rule 7 (data principals and
the Board without delay, details to the Board within 72 hours). Drafts, not legal advice. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from vault.cli.breach.scope import Scope
from vault.cli.console import clean

INDIA = ZoneInfo("Asia/Kolkata")
SEALED = "counted only if the credential that read the log holds events_sealed"
_TO_DO = "[FILL IN: {}]"


@dataclass(frozen=True, slots=True)
class Known:
    """What the drafts are filled in with."""

    scope: Scope
    titles: Mapping[str, str]
    """{field type: what people call it}"""
    asked: str
    """Which credentials and period were asked about, in words."""
    aware: datetime | None
    """When the breach was noticed: the clocks start there."""
    written: str
    """Who made the drafts, and when."""
    gap: str | None
    """What the log could not tell, in words."""


def drafts(known: Known) -> dict[str, str]:
    """{file name: text}"""
    return {
        "cert-in-6-hours.txt": _cert_in(known),
        "dpdp-board.txt": _board(known),
        "letter-to-data-principals.txt": _letter(known),
    }


def _cert_in(known: Known) -> str:
    return _text(
        "DRAFT - INCIDENT REPORT TO CERT-IN",
        f"Due: {_due(known, 6)} (within 6 hours of noticing; Directions of 28 April 2022)",
        "To: incident@cert-in.org.in. Check the address and the current form before sending.",
        "",
        "1. Reporter: " + _gap("name, role, telephone, e-mail"),
        "2. Affected organisation: " + _gap("name, sector, address, registration"),
        "3. Type of incident: unauthorised access to data through a credential; possible data breach. "
        + _gap("confirm the type as Annexure I names it"),
        f"4. Noticed: {_when(known.aware)}",
        f"5. Occurred: {_period(known.scope)}",
        "6. Affected systems: the vault of personal data (API, reveal plane), its log; "
        + _gap("hosts, IP addresses, location"),
        "7. What is known so far:",
        *_facts(known),
        "8. How it was noticed, symptoms: " + _gap("who noticed what"),
        "9. Done so far: " + _gap("credentials revoked, at what time; keys rotated; networks closed"),
        "10. Logs: every access is in a signed, append-only log that can be handed over and verified. "
        + _gap("since when logs of the other systems are kept, and where"),
        "",
        known.written,
    )


def _board(known: Known) -> str:
    return _text(
        "DRAFT - INTIMATION TO THE DATA PROTECTION BOARD OF INDIA (DPDP Rules 2025, rule 7(2))",
        "",
        "PART A - WITHOUT DELAY",
        "Data fiduciary: " + _gap("name, address, contact of the person who can answer"),
        f"Became aware: {_when(known.aware)}",
        "Nature: " + _gap("what happened, in one or two sentences"),
        f"Timing: {_period(known.scope)}",
        "Location: " + _gap("where the systems and the people are"),
        "Extent:",
        *_facts(known),
        "Likely impact: " + _gap("what may happen to the data principals, by type of data above"),
        "",
        "PART B - DETAILS",
        f"Due: {_due(known, 72)} (within 72 hours of becoming aware, unless the Board allows longer)",
        "1. What is new since part A: " + _gap("run strongroom breach scope again and compare"),
        "2. Events, circumstances and reasons that led to the breach: " + _gap("facts, as far as found out"),
        "3. Measures taken or proposed to mitigate the risk: " + _gap("what, by whom, when"),
        "4. Findings on who caused the breach: " + _gap("as far as found out"),
        "5. Remedial measures against recurrence: " + _gap("what, by when"),
        "6. Report on intimations to data principals: of "
        f"{len(known.scope.subjects):,} to be told, " + _gap("how many were told, how, when"),
        "",
        known.written,
    )


def _letter(known: Known) -> str:
    return _text(
        "DRAFT - LETTER TO EACH DATA PRINCIPAL (DPDP Rules 2025, rule 7(1)): WITHOUT DELAY",
        "One for each row of data-principals.csv. {TYPES}, {FIRST} and {LAST} are columns of that file; who",
        "each SUBJECT is, your own systems know. Send it through the account or by a registered way.",
        "",
        "Subject: What happened to your data, and what you can do",
        "",
        "Dear " + _gap("name") + ",",
        "",
        "Somebody was able to open data about you who should not have been. " + _gap("what happened"),
        "It is about: {TYPES}.",
        "It happened between {FIRST} and {LAST}.",
        "What may follow for you: " + _gap("consequences likely for this person, by type of data"),
        "What we have done and are doing: " + _gap("measures against the risk"),
        "What you can do: " + _gap("measures of safety, such as watching account statements"),
        "Whom you can ask: " + _gap("name, telephone, e-mail of a person who can answer"),
        "",
        _gap("signature"),
        "",
        f"-- Not part of the letter: {len(known.scope.subjects):,} data principals. {known.written}",
    )


def _facts(known: Known) -> list[str]:
    scope, names = known.scope, known.titles
    tokens = {one.token for one in scope.touched.values()}
    plain = {one.token for one in scope.touched.values() if one.plain}
    given = sorted({name for one in scope.touched.values() for name in one.recipients})
    lines = [
        f"asked about: {known.asked}",
        f"data principals: {len(scope.subjects):,}",
        f"fields opened: {len(tokens):,}, of them masked only: {len(tokens - plain):,}",
        f"openings: {sum(one.times for one in scope.touched.values()):,}",
        f"credentials: {', '.join(map(clean, scope.credentials())) or 'none'}",
    ]
    for name, (fields, subjects) in scope.types().items():
        lines.append(f"{clean(names.get(name, name))}: {fields:,} fields of {subjects:,} data principals")
    if given:
        lines.append(f"disclosed to: {', '.join(map(clean, given))}")
    if scope.searches:
        found = f"{sum(scope.searches.values()):,}"
        lines.append(f"searches by value: {found}; whom they found is not in the log")
    lines.append("openings that an order keeps confidential: " + SEALED)
    if known.gap is not None:
        lines.append(f"NOT COMPLETE: {known.gap}")
    return [f"   - {line}" for line in lines]


def _period(scope: Scope) -> str:
    if scope.period is None:
        return "nothing was opened"
    first, last = (_when(datetime.fromisoformat(one)) for one in scope.period)
    return f"first opening {first}, last {last}"


def _when(moment: datetime | None) -> str:
    if moment is None:
        return _gap("when it was noticed")
    return f"{moment.astimezone(INDIA):%Y-%m-%d %H:%M} IST"


def _due(known: Known, hours: int) -> str:
    if known.aware is None:
        return _gap(f"{hours} hours after it was noticed")
    return _when(known.aware + timedelta(hours=hours))


def _gap(what: str) -> str:
    return _TO_DO.format(what)


def _text(*lines: str) -> str:
    return "\n".join(lines) + "\n"
