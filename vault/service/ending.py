"""How a record ends: shredded at once, or archived until the law lets go of it; and what the log says."""

from vault.service.keeping import UNJUDGED, Kept
from vault.store.lives import NewState


def archived(kept: Kept, reason: str, event_id: bytes) -> NewState | None:
    """The state of a record that the law keeps; None when it has that state already."""
    until, law = shown_until(kept)
    before = kept.kept_as
    if before is not None and (before.state, before.until, before.law) == ("archived", until, law):
        return None
    number = before.number + 1 if before is not None else 1
    return NewState(kept.stored.token, number, "archived", reason, event_id, until, law)


def detail_of(kept: Kept) -> dict[str, str | int]:
    """The outcome as the event of it says: never more than the law and a date."""
    if kept.may_erase:
        return {"outcome": "shredded"}
    until, law = shown_until(kept)
    detail: dict[str, str | int] = {"outcome": "archived", "law": law}
    return detail | ({"until": until} if until is not None else {})


def shown_until(kept: Kept) -> tuple[str | None, str]:
    """(last civil day, law) of what keeps it. Where nothing could be judged there is no day."""
    law = kept.archive_until
    if law is None:
        return None, UNJUDGED
    return (law.until.isoformat() if law.until is not None else None), law.law
