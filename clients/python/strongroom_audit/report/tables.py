"""Makes the report's tables and charts from what was collected."""

from collections import Counter
from datetime import date, timedelta

from strongroom_audit.report.collect import Collector, Key, Tally
from strongroom_audit.report.model import Cell, Chart, Table

Rows = list[tuple[Cell, ...]]
_KINDS = ("opened", "denied")
_MOST_BARS = 62
_TOP = 12
WHO = ("credential", "person")
SPAN = ("first", "last")


def tables(seen: Collector) -> tuple[Table, ...]:
    """Every table, in the order an auditor asks."""
    listed = [
        _opened(seen),
        _denied(seen),
        _firsts(seen),
        _credentials(seen),
        _purposes(seen),
        _hours(seen),
        _subjects(seen),
        _late(seen),
        _reads(seen),
        _changes(seen),
    ]
    if seen.wanted.credential is not None:
        listed.insert(7, _one(seen))
    return tuple(listed)


def charts(seen: Collector) -> tuple[Chart, ...]:
    """The pictures: over time, over the day, by purpose, by credential."""
    hours = tuple(f"{hour:02}" for hour in range(24))
    by_hour = tuple((kind, tuple(seen.hours[hour][kind] for hour in range(24))) for kind in _KINDS)
    labels, by_day = _over_time(seen)
    zone = seen.wanted.zone.key
    return (
        Chart("Over time", f"Values opened and attempts denied; {zone}.", labels, by_day),
        Chart("Over the day", f"By hour, {zone}. Office hours: {seen.wanted.hours}.", hours, by_hour),
        _ranking("By purpose", {key[0]: kinds for key, kinds in seen.purposes.items()}),
        _ranking("By credential", {key[0]: kinds for key, kinds in seen.verbs.items()}),
    )


def _opened(seen: Collector) -> Table:
    columns = (*WHO, "purpose", "field type", "form", "opened", "subjects", "tokens", *SPAN)
    rows: Rows = [
        (*key, tally.count, len(tally.subjects), len(tally.tokens), *_span(tally))
        for key, tally in _most(seen.opened)
    ]
    note = "Each value that went out, in the clear or masked."
    if seen.failures:
        note += f" {seen.failures:,} of them were allowed and then did not open."
    return Table("opened", "Who opened what, and for which purpose", note, columns, rows)


def _denied(seen: Collector) -> Table:
    columns = (*WHO, "verb", "purpose", "reason", "denied", "tokens", *SPAN)
    rows: Rows = [(*key, tally.count, len(tally.tokens), *_span(tally)) for key, tally in _most(seen.denied)]
    note = "Attempts the vault turned away; failed logins have the verb authenticate."
    return Table("denied", "Denied attempts", note, columns, rows)


def _firsts(seen: Collector) -> Table:
    columns = ("first", "credential", "verb", "decision", "purpose", "field type", "form", "event")
    wanted = seen.wanted
    rows: Rows = [
        (_moment(time), *key, event_id)
        for key, (time, event_id) in sorted(seen.firsts.items(), key=lambda item: item[1], reverse=True)
        if wanted.since <= time < wanted.until
    ]
    note = "What a credential did in this period that it had never done in the whole log before."
    return Table("first-time", "First-time combinations", note, columns, rows)


def _credentials(seen: Collector) -> Table:
    verbs = ("opened", "denied", "tokenize", "search", "inspect", "erase", "events")
    rows: Rows = [
        (*key, *(kinds[verb] for verb in verbs), kinds.total())
        for key, kinds in sorted(seen.verbs.items(), key=lambda item: -item[1].total())
    ]
    columns = (*WHO, "opened", "denied", "sealed", "searched", "inspected", "erased", "log reads", "all")
    return Table("by-credential", "Volume by credential", "Events of each credential.", columns, rows)


def _purposes(seen: Collector) -> Table:
    rows: Rows = [
        (*key, kinds["opened"], kinds["denied"], kinds.total())
        for key, kinds in sorted(seen.purposes.items(), key=lambda item: -item[1].total())
    ]
    columns = ("purpose", "opened", "denied", "all")
    return Table("by-purpose", "Volume by purpose", "Purposes come from grants.", columns, rows)


def _hours(seen: Collector) -> Table:
    rows: Rows = [
        (f"{hour:02}:00", seen.hours[hour]["opened"], seen.hours[hour]["denied"], seen.hours[hour].total())
        for hour in range(24)
    ]
    note = f"All days together, {seen.wanted.zone.key}."
    return Table("by-hour", "Volume by hour", note, ("hour", "opened", "denied", "all"), rows)


def _subjects(seen: Collector) -> Table:
    ranked = sorted(seen.per_credential.items(), key=lambda item: -len(item[1].subjects))
    rows: Rows = [(*key, len(t.subjects), len(t.tokens), t.count, *_span(t)) for key, t in ranked]
    columns = (*WHO, "subjects", "tokens", "opened", *SPAN)
    note = "How many people's data each credential opened. The option --credential lists them for one."
    return Table("subjects", "Subjects opened, by credential", note, columns, rows)


def _one(seen: Collector) -> Table:
    rows: Rows = [
        (*key, tally.count, len(tally.tokens), len(tally.references), *_span(tally))
        for key, tally in _most(seen.subjects)
    ]
    columns = ("subject", "opened", "tokens", "references", *SPAN)
    title = f"Subjects opened by {seen.wanted.credential}"
    return Table("subjects-of-one", title, "Each subject whose values it opened.", columns, rows)


def _late(seen: Collector) -> Table:
    rows: Rows = [(*key, tally.count, len(tally.subjects), *_span(tally)) for key, tally in _most(seen.late)]
    columns = (*WHO, "purpose", "what", "events", "subjects", *SPAN)
    note = f"Values opened and attempts denied outside {seen.wanted.hours}. Holidays are not known here."
    return Table("outside-hours", "Outside office hours", note, columns, rows)


def _reads(seen: Collector) -> Table:
    rows: Rows = [(*key, tally.count, *_span(tally)) for key, tally in _most(seen.reads)]
    columns = (*WHO, "decision", "asked for", "reads", *SPAN)
    return Table("log-reads", "Reads of the log", "Reading the log is itself an event.", columns, rows)


def _changes(seen: Collector) -> Table:
    columns = ("time", *WHO, "verb", "decision", "reason", "what")
    rows: Rows = [(_moment(row[0]), *row[1:]) for row in sorted(seen.changes, reverse=True)]
    note = "Credentials and policy: asked for, made, refused."
    return Table("authority", "Changes of authority", note, columns, rows)


def _over_time(seen: Collector) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[int, ...]], ...]]:
    """By day, or in steps of several days so that the bars stay readable; days without events count."""
    days = sorted(day for day in seen.days if day != "?")
    if not days:
        return (), tuple((kind, ()) for kind in _KINDS)
    start, end = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    step = -(-((end - start).days + 1) // _MOST_BARS)
    sums: dict[str, Counter[str]] = {
        str(start + timedelta(days=at)): Counter() for at in range(0, (end - start).days + 1, step)
    }
    for day in days:
        since = (date.fromisoformat(day) - start).days // step * step
        sums[str(start + timedelta(days=since))].update(seen.days[day])
    return tuple(sums), tuple((kind, tuple(one[kind] for one in sums.values())) for kind in _KINDS)


def _ranking(title: str, counts: dict[str, Counter[str]]) -> Chart:
    busiest = sorted(counts.items(), key=lambda item: -(item[1]["opened"] + item[1]["denied"]))
    top = [(name, kinds) for name, kinds in busiest if kinds["opened"] + kinds["denied"]][:_TOP]
    series = tuple((kind, tuple(kinds[kind] for _, kinds in top)) for kind in _KINDS)
    note = f"The {len(top)} busiest." if len(busiest) > _TOP else ""
    return Chart(title, note, tuple(name for name, _ in top), series, sideways=True)


def _most(tallies: dict[Key, Tally]) -> list[tuple[Key, Tally]]:
    return sorted(tallies.items(), key=lambda item: (-item[1].count, item[0]))


def _span(tally: Tally) -> tuple[str, str]:
    return _moment(tally.first), _moment(tally.last)


def _moment(time: str) -> str:
    """To the second: `2027-01-15 08:00:00`, UTC."""
    return time[:19].replace("T", " ")
