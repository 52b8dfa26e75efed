"""What a client can tell a vault about people, each call once, as flows. Run as those of `verbs.py` are.

None of the writes has an idempotency key: whether one was heard that got no answer, only a look can tell.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Generic, TypeVar

from strongroom import people_items as items
from strongroom.answers import Document, objects
from strongroom.calls import Call, Caller
from strongroom.errors import Misused
from strongroom.flow import Flow
from strongroom.lists import Batch, Unit, in_batches
from strongroom.people_results import Act, Consent, Fact, Hold, Notice, OutdatedConsent, Subject
from strongroom.values import encode
from strongroom.verbs import moment

T = TypeVar("T")
_HOLD = re.compile(r"hld_[0-7][0-9a-hjkmnp-tv-z]{25}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Leaf(Generic[T]):
    """Some items of a long answer, and where the next ones begin."""

    items: tuple[T, ...]
    next: str | None


class People:
    """The verbs about people, over a Caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def consent(self, said: Mapping[str, object]) -> Flow[Consent]:
        """One act of one person."""
        who = said["subject"], said["purpose"], said["act"]

        def read(item: Document) -> Consent:
            one = items.consent(item)
            return items.about(one, who, (one.subject, one.purpose, one.act))

        return self._one("/v1/consents", said, read)

    def history(self, subject: str) -> Flow[list[Consent]]:
        """Everything a person ever said."""
        return self._caller.call(
            Call("office", "/v1/consents/history", encode({"subject": subject})),
            lambda answer: [
                items.about(items.consent(one), subject, one.get("subject"))
                for one in objects(answer, "items")
            ],
        )

    def outdated(self, notice: str, purpose: str | None, cursor: str | None) -> Flow[Leaf[OutdatedConsent]]:
        """One page of the consents that are older than a notice."""
        asked = given(notice=notice, purpose=purpose)
        return self._page("/v1/consents/outdated", asked, cursor, "items", items.outdated)

    def publish(self, new: Mapping[str, object]) -> Flow[Notice]:
        """A version of the notice."""
        call = Call("office", "/v1/notices", encode(dict(new)), safety="once")
        return self._caller.call(call, items.notice)

    def notices(self) -> Flow[list[Notice]]:
        """Every version of the notice."""
        call = Call("office", "/v1/notices", method="GET")
        return self._caller.call(
            call, lambda answer: [items.notice(one) for one in objects(answer, "notices")]
        )

    def fact(self, kind: str, subject: str, on: date | None, reference: str | None) -> Flow[Fact]:
        """One fact about one subject."""
        told = given(subject=subject, fact=kind, on=day_of(on), reference=reference)

        def read(item: Document) -> Fact:
            one = items.fact(item)
            return items.about(one, (subject, kind), (one.subject, one.fact))

        return self._one("/v1/subjects", told, read)

    def subjects(self, names: Iterable[str]) -> Flow[list[Subject]]:
        """What is known of each, with all of its records."""
        if isinstance(names, str):
            raise Misused("not_a_list", "Pass a list of subjects, not one text.")
        listed = list(dict.fromkeys(names))

        def run(batch: Batch) -> Flow[list[Subject]]:
            return self._known(listed[batch.start : batch.start + len(batch.units)])

        return in_batches([Unit((encode(name),)) for name in listed], run, None)

    def hold(self, new: Mapping[str, object]) -> Flow[Hold]:
        """Put a hold on."""

        def read(item: Document) -> Hold:
            one = items.hold(item)
            return items.about(one, (new["subject"], new.get("token")), (one.subject, one.token))

        return self._one("/v1/holds", new, read)

    def lift(self, hold_id: str, reason: str) -> Flow[Hold]:
        """End a hold."""
        if not _HOLD.fullmatch(hold_id):
            raise Misused("bad_hold_id", "A hold is named hld_…, as `hold` and `holds` answer it.")
        call = Call("office", f"/v1/holds/{hold_id}/lift", encode({"reason": reason}), safety="once")

        def read(answer: Document) -> Hold:
            one = items.hold(answer)
            return items.about(one, hold_id, one.hold_id)

        return self._caller.call(call, read)

    def holds(self, which: Mapping[str, object], cursor: str | None) -> Flow[Leaf[Hold]]:
        """One page of the holds."""
        return self._page("/v1/holds/query", which, cursor, "holds", items.hold)

    def _known(self, names: list[str]) -> Flow[list[Subject]]:
        found: dict[str, Subject] = {}
        cursor: str | None = None
        while True:
            leaf = yield from self._page(
                "/v1/subjects/query", {"subjects": names}, cursor, "subjects", items.subject
            )
            items.about(None, names, [one.subject for one in leaf.items])
            for one in leaf.items:
                before = found[one.subject].records if one.subject in found else ()
                found[one.subject] = replace(one, records=(*before, *one.records))
            cursor = leaf.next
            if cursor is None:
                return list(found.values())

    def _one(self, path: str, item: Mapping[str, object], read: Callable[[Document], T]) -> Flow[T]:
        """A list of one: what the vault takes is always a list."""
        call = Call("office", path, encode({"items": [dict(item)]}), safety="once")
        return self._caller.call(call, lambda answer: read(objects(answer, "items", 1)[0]))

    def _page(
        self,
        path: str,
        asked: Mapping[str, object],
        cursor: str | None,
        member: str,
        read: Callable[[Document], T],
    ) -> Flow[Leaf[T]]:
        body = dict(asked) | ({"cursor": cursor} if cursor is not None else {})
        return self._caller.call(
            Call("office", path, encode(body)),
            lambda answer: Leaf(
                tuple(read(one) for one in objects(answer, member)), items.following(answer, cursor)
            ),
        )


def said(
    subject: str, purpose: str, act: Act, source: str, *, notice: str | None, at: datetime | None
) -> dict[str, object]:
    """An act as the vault takes it. Raises: Misused."""
    return given(subject=subject, purpose=purpose, act=act, source=source, notice=notice, at=moment(at))


def published(
    name: tuple[str, str], title: str, effective: datetime, sha256: str, purposes: Iterable[str]
) -> dict[str, object]:
    """A notice as the vault takes it. `name` is its version and language. Raises: Misused."""
    if isinstance(purposes, str):
        raise Misused("not_a_list", "Pass a list of purposes, not one text.")
    return given(
        version=name[0],
        language=name[1],
        title=title,
        effective=moment(effective),
        sha256=sha256,
        purposes=list(purposes),
    )


def given(**members: object) -> dict[str, object]:
    """The members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def day_of(on: date | None) -> str | None:
    """A day as the vault takes it. Raises: Misused for a time."""
    if isinstance(on, datetime):
        raise Misused("not_a_day", "A day is a date, without a time.")
    return on.isoformat() if on is not None else None
