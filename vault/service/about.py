"""Everything on record about one subject beside its values: what it said and was told, who received what,
and who opened what. What the law keeps confidential is left out, as if it were not there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from vault.alarms import raise_alarm
from vault.model.names import show_id
from vault.service.parts import Reveal
from vault.service.provenance import Provenance
from vault.store.consents import Said
from vault.store.events import Filter, Page, StoredEvent, read_events
from vault.store.lives import KeptAs
from vault.store.notices import Notice
from vault.store.recipients import Disclosure, Wanted
from vault.store.records import Stored
from vault.store.subjects import Facts

TOLD = frozenset({"detokenize", "search", "disclose", "export", "replace", "erase"})
"""Verbs that a person is told about: they open, give away, change or end a value."""
PAGE = 1_000
MOST_EVENTS = 20_000
"""Of the newest events about a subject, so many are looked at."""


@dataclass(frozen=True, slots=True)
class Access:
    """One thing that was done with a value. `outcome`: done, withheld or failed."""

    time: str
    verb: str
    token: str | None
    field_type: str | None
    credential: str
    person: str
    purpose: str | None
    form: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Given:
    """One field that a recipient received."""

    disclosure: Disclosure
    title: str
    """Of the recipient."""
    in_log: bool
    """Whether the log still has the event, signed."""


@dataclass(frozen=True, slots=True)
class About:
    """The whole of it."""

    account: Facts
    states: Mapping[str, KeptAs]
    consents: Sequence[Said]
    notices: Sequence[Notice]
    disclosures: Sequence[Given]
    accesses: Sequence[Access]
    complete: bool
    """False when there were more events than are looked at, or some that no worker signed."""


async def about(
    tenant: str, subject: str, records: Iterable[Stored], parts: Reveal, happened: Provenance
) -> About:
    """Gather it. `happened` judges events of the planes whose workers act on values. Raises: Unavailable."""
    ledger, records = parts.ledger, list(records)
    states = await ledger.lives.states(tenant, [one.token for one in records])
    consents = await ledger.consents.history(tenant, subject)
    shown = {one.notice for one in records} | {one.notice for one in consents}
    notices = [one for one in await ledger.notices.listing(tenant) if one.name in shown]
    events, complete = await _events(tenant, subject, parts, happened)
    return About(
        (await ledger.subjects.facts(tenant, [subject])).get(subject, Facts()),
        states,
        consents,
        notices,
        await _disclosures(tenant, subject, events, parts),
        _accesses(events.values()),
        complete,
    )


async def _events(
    tenant: str, subject: str, parts: Reveal, happened: Provenance
) -> tuple[dict[bytes, dict[str, Any]], bool]:
    """The bodies of what is genuine, the newest first, and whether that is all there is."""
    wanted, after, sound = Filter(subject=subject, decision="allow"), None, True
    found: dict[bytes, dict[str, Any]] = {}
    for _ in range(MOST_EVENTS // PAGE):
        page = await read_events(
            parts.store.engine, tenant, wanted, Page(limit=PAGE, after=after), sealed=False
        )
        told = [one for one in page if _body(one).get("verb") in TOLD]
        genuine = await happened.genuine(tenant, told) if told else {}
        good = {one.event_id: _body(one) for one in told if one.event_id in genuine}
        good = {event_id: body for event_id, body in good.items() if _is_about(body, subject)}
        if len(good) != len(told):
            raise_alarm("event_tampered", tenant)
            sound = False
        found |= good
        if len(page) < PAGE:
            return found, sound
        after = page[-1].event_id
    return found, False


def _body(event: StoredEvent) -> dict[str, Any]:
    """What an event says; nothing, when it is not even JSON."""
    try:
        found = orjson.loads(event.body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_about(body: Mapping[str, Any], subject: str) -> bool:
    """A row is found by its columns, which anyone who can write the database can change."""
    return body.get("subject") == subject and body.get("decision") == "allow"


def _accesses(events: Iterable[Mapping[str, Any]]) -> list[Access]:
    """Each event once: a second one that says how the first ended is folded into it."""
    bodies = list(events)
    ended = _ended(bodies)
    return [
        Access(
            time=body["time"],
            verb=body["verb"],
            token=body.get("token"),
            field_type=body.get("field_type"),
            credential=body["actor"],
            person=body["person"],
            purpose=body.get("purpose"),
            form=body.get("form"),
            outcome=ended.get(body["event_id"], str(body.get("result", "done"))),
        )
        for body in bodies
        if "first_event" not in body
    ]


def _ended(bodies: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """{the first event: how it ended}, for what was allowed and did not come out."""
    return {body["first_event"]: str(body.get("result")) for body in bodies if "first_event" in body}


async def _disclosures(
    tenant: str, subject: str, events: Mapping[bytes, Mapping[str, Any]], parts: Reveal
) -> list[Given]:
    """The register's rows about a subject, the newest first; not those whose value did not come out."""
    given: list[Disclosure] = []
    after = None
    while True:
        page = await parts.ledger.disclosures.listing(
            tenant, Wanted(subject=subject), sealed=False, after=after, limit=PAGE
        )
        given += page
        if len(page) < PAGE:
            break
        after = page[-1].event_id
    ended = _ended(events.values())
    given = [one for one in given if show_id("evt", one.event_id) not in ended]
    titles = await _titles(tenant, {one.recipient for one in given}, parts)
    return [Given(one, titles.get(one.recipient, one.recipient), _told(one, events)) for one in given]


def _told(one: Disclosure, events: Mapping[bytes, Mapping[str, Any]]) -> bool:
    body = events.get(one.event_id, {})
    named = (body.get("verb"), body.get("token"), body.get("event_id"))
    return named == ("disclose", one.token, show_id("evt", one.event_id))


async def _titles(tenant: str, names: set[str], parts: Reveal) -> dict[str, str]:
    """{name: title} of recipients."""
    if not names:
        return {}
    latest = await parts.ledger.recipients.latest(tenant, names)
    return {one.name: str(orjson.loads(one.document).get("title", one.name)) for one in latest}
