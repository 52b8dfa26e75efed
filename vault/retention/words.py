"""What a clock says of a value, as one sentence for whoever answers for data protection. Decides nothing."""

from vault.retention.calendar import written
from vault.retention.facts import Run
from vault.retention.rules import Anchor, Clock, Keep

_NOT_YET: dict[Anchor, str] = {
    "relationship_ended": "the relationship has not ended",
    "invoice_year": "there is no invoice",
}
"""Why a clock has not started. What is held was collected, and with that processed: those always run."""

_SINCE: dict[Anchor, str] = {
    "collected": "it was collected",
    "last_processed": "it was last processed",
    "relationship_ended": "the relationship ended",
}


def running(clock: Clock, run: Run, *, over: bool) -> str:
    """For a clock that runs, or has run out."""
    end, why = written(run.end), f"{clock.law}, {_length(clock)} {_after(clock, run)}"
    if isinstance(clock, Keep):
        return f"No longer kept; it was until {end}: {why}." if over else f"Kept until {end}: {why}."
    was = "Was to" if over else "To"
    return f"{was} be erased by {end}, unless a law keeps it longer: {why}."


def waiting(clock: Clock, *, blocks: bool) -> str:
    """For a clock whose anchor has not happened."""
    if blocks:
        return (
            f"Kept while the relationship lasts: {clock.law}. The {_length(clock)} start when it has ended."
        )
    return f"Does not run yet: {_NOT_YET[clock.anchor]} ({clock.law}, {_length(clock)})."


def apart(clock: Clock) -> str:
    """For a clock that is about other subjects."""
    others = "with an invoice" if clock.when == "invoiced" else "without an invoice"
    return f"Does not apply: {clock.law} is counted here for subjects {others} only."


def _after(clock: Clock, run: Run) -> str:
    if run.year is None:
        return f"after {_SINCE[clock.anchor]} on {written(run.start)}"
    if clock.due is None:
        return f"after the year of the last invoice ({run.year})"
    return f"after {written(run.start)}, the due date for the year of the last invoice ({run.year})"


def _length(clock: Clock) -> str:
    """8 financial years; 1 year and 6 months."""
    by_the_books = clock.anchor == "invoice_year" and clock.due is None
    year = "financial year" if by_the_books else "year"
    parts = [_count(clock.years, year), _count(clock.months, "month")]
    return " and ".join(filter(None, parts))


def _count(number: int, unit: str) -> str:
    if not number:
        return ""
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
