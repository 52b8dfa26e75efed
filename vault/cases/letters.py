"""The answer to a person, in plain words and plain text of at most 76 columns. Pure.

A letter knows references, titles, dates and sentences, and no value. Whatever comes in is flattened to
printable text on one line first, so nothing in it can steer a terminal or break out of its paragraph.
"""

import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from vault.cases.decisions import ArchiveUntil, EraseNow, Refuse, Verdict

COLUMNS = 76
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_JOINERS = "\u200c\u200d"
"""Scripts of India are written with them."""


@dataclass(frozen=True, slots=True)
class Heading:
    """Whom a letter is about, and which request it answers."""

    case: str
    subject: str
    """The pseudonymous reference."""
    on: date


@dataclass(frozen=True, slots=True)
class Told:
    """One field of an erasure: its type's title, and what became of it."""

    title: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class GoesOn:
    """A purpose that an objection does not stop, and why."""

    purpose: str
    why: str


def erasure_letter(heading: Heading, fields: Sequence[Told], *, final_after: date | None) -> str:
    """What was erased, what is kept until when under which law, what was refused and why.

    `final_after`: the day after which not even a backup can bring an erased value back.
    """
    erased = [told for told in fields if isinstance(told.verdict, EraseNow)]
    kept = [told for told in fields if isinstance(told.verdict, ArchiveUntil)]
    refused = [told for told in fields if isinstance(told.verdict, Refuse)]
    parts = [_paragraph("You asked us to erase your data. We looked at each field by itself.")]
    if erased:
        parts.append(_section("Erased", _erased(final_after), *map(_field, erased)))
    if kept:
        parts.append(_section("Kept, because a law demands it", _paragraph(_KEPT), *map(_field, kept)))
    if refused:
        parts.append(_section("Not erased", *map(_field, refused)))
    return _letter("Your request to erase your data", heading, parts)


def access_letter(heading: Heading, titles: Sequence[str]) -> str:
    """That the copy of a person's data comes with this letter, and which kinds of data it holds."""
    parts = [
        _paragraph(
            "You asked for a copy of your data. It comes with this letter. Beside the data it tells for "
            "which purposes we use it, on what legal ground, to whom we gave it, and who opened it when."
        )
    ]
    if titles:
        parts.append(_section("What it holds", *map(_point, titles)))
    else:
        parts.append(_paragraph("We hold no field of yours in our vault."))
    return _letter("Your request for a copy of your data", heading, parts)


def correction_letter(heading: Heading, titles: Sequence[str], *, informed: Sequence[str] = ()) -> str:
    """Which fields were corrected, and which recipients were told. `informed`: their titles."""
    parts = [_paragraph("You asked us to correct your data.")]
    if titles:
        parts.append(_section("Corrected", _paragraph(_CORRECTED), *map(_point, titles)))
    else:
        parts.append(_paragraph("We found nothing to correct. Your data stays as it is."))
    if informed:
        parts.append(_section("Whom we told of it", *map(_point, informed)))
    return _letter("Your request to correct your data", heading, parts)


def objection_letter(heading: Heading, *, stops: Sequence[str], goes_on: Sequence[GoesOn]) -> str:
    """What stops, what goes on, and why. `stops`: titles of purposes."""
    parts = [_paragraph("You objected to our use of your data.")]
    if stops:
        parts.append(_section("What has stopped", *map(_point, stops)))
    if goes_on:
        entries = [_entry(one.purpose, one.why) for one in goes_on]
        parts.append(_section("What goes on, and why", *entries))
    if not stops and not goes_on:
        parts.append(_paragraph("We do not use your data for anything you could object to."))
    return _letter("Your objection", heading, parts)


def grievance_letter(heading: Heading, answer: str) -> str:
    """What the officer says to a grievance."""
    parts = [
        _paragraph("You complained about how we handle your data. This is our answer."),
        _paragraph(answer),
    ]
    return _letter("Your complaint", heading, parts)


def rejected_letter(heading: Heading, reason: str) -> str:
    """That the request was not carried out, since we could not be sure who made it."""
    parts = [
        _paragraph(
            "Somebody, perhaps you, made a request about the data under the reference above. We could not be "
            "sure that the request is yours, so we did nothing: no data was given out, changed or erased."
        ),
        _entry("Why", reason),
        _paragraph("You may ask again, with what it takes to show that it is you."),
    ]
    return _letter("Your request was not carried out", heading, parts)


_KEPT = (
    "These fields are locked. Nobody uses them any more. They open only to give you a copy, or to an "
    "authority that may demand them. After the date they are erased without your asking."
)
_CORRECTED = "The new value has taken the place of the old one, which is destroyed."


def _letter(title: str, heading: Heading, parts: Sequence[str]) -> str:
    facts = [
        f"Request: {flat(heading.case)}",
        f"About: {flat(heading.subject)}",
        f"Date: {_day(heading.on)}",
    ]
    head = "\n".join(textwrap.fill(fact, COLUMNS) for fact in facts)
    end = _paragraph(
        "If you think this is wrong, answer this letter and a person will look at it again. If that does not "
        "help either, you may complain to the data protection authority."
    )
    return "\n\n".join([f"{title}\n{'=' * len(title)}", head, *parts, end]) + "\n"


def _erased(final_after: date | None) -> str:
    """What being erased means."""
    for_good = "The key to each of these values is destroyed. Nobody can read them again, not even we."
    if final_after is None:
        return _paragraph(for_good)
    backups = f"After {_day(final_after)} this holds for every backup as well."
    return _paragraph(f"{for_good} {backups}")


def _field(told: Told) -> str:
    match told.verdict:
        case EraseNow():
            return _point(told.title)
        case ArchiveUntil(until, law):
            return _entry(told.title, f"Until {_day(until)}. The law: {flat(law)}")
        case Refuse(reason):
            return _entry(told.title, f"Because: {flat(reason)}")


def _section(title: str, *lines: str) -> str:
    return "\n".join([title, "-" * len(title), *lines])


def _paragraph(text: str) -> str:
    return textwrap.fill(flat(text), COLUMNS)


def _point(text: str) -> str:
    return textwrap.fill(flat(text), COLUMNS, initial_indent="- ", subsequent_indent="  ")


def _entry(title: str, text: str) -> str:
    below = textwrap.fill(flat(text), COLUMNS, initial_indent="  ", subsequent_indent="  ")
    return f"{_point(title)}\n{below}"


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def flat(text: str) -> str:
    """Text on one line: what is no letter, mark, number, sign or joiner becomes a space."""
    kept = (char if _shows(char) else " " for char in unicodedata.normalize("NFC", text))
    return " ".join("".join(kept).split()) or "(nothing)"


def _shows(char: str) -> bool:
    return char in _JOINERS or unicodedata.category(char)[0] in "LMNPS"
