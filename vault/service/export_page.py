"""A person's copy as one HTML page that needs nothing else, for a screen and for paper. Pure.

No script, no address of anything outside. Every text is escaped, and characters that steer or hide are
written out, so that nothing a person once typed can do more than be read.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from vault.model.secret import Secret

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = Path(__file__).with_name("export_page.css").read_text("utf-8")
_KEPT = "\n\u200c\u200d"
"""Lines of an address; and the joiners that scripts of India are written with."""

_STATES = {
    "active": "In use.",
    "restricted": "Kept, and used for nothing.",
    "archived": "Kept only because a law demands it.",
    "erasing": "Erased.",
    "shredded": "Erased.",
}
_VERBS = {
    "detokenize": "Opened",
    "search": "Looked for by its value",
    "disclose": "Given to a recipient",
    "export": "Copied for you",
    "replace": "Corrected",
    "erase": "Erased",
}
_ACTS = {"grant": "You agreed", "withdraw": "You withdrew your consent", "object": "You objected"}
_WITHOUT = {
    "no_grant": "Not part of this copy.",
    "erased": "Erased.",
    "record_tampered": "Could not be opened: its seal does not hold.",
}
_OUTCOMES = {"done": "", "failed": "It did not open.", "withheld": "Nothing came out."}


def page(document: Mapping[str, Any]) -> Secret[bytes]:
    """The page of a `strongroom-export/1` document."""
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>A copy of your data</title><style>{_STYLE}</style></head>"
    )
    body = "".join(
        (
            _opening(document),
            _section("Your data", _RECORDS_NOTE, _RECORDS, map(_record, document["records"])),
            _section("What we use it for", "", _PURPOSES, map(_purpose, document["purposes"])),
            _section("What you told us", "", _CONSENTS, map(_consent, document["consents"])),
            _section("Privacy notices you were shown", "", _NOTICES, map(_notice, document["notices"])),
            _section("Who received it", "", _GIVEN, map(_disclosure, document["disclosures"])),
            _section("Who did what with it", _log_note(document), _DONE, map(_access, document["accesses"])),
            _closing(document),
        )
    )
    return Secret(f"{head}<body><main>{body}</main></body></html>\n".encode())


def clean(text: str) -> str:
    """Control, direction and other invisible characters as `\\u{…}`; all others as they are."""
    return "".join(char if char.isprintable() or char in _KEPT else f"\\u{{{ord(char):x}}}" for char in text)


def markup(value: object) -> str:
    """Text inside HTML, in an element or an attribute."""
    return escape(clean(str(value)), quote=True)


_RECORDS = ("What", "Value", "State", "Since")
_RECORDS_NOTE = "Each value by itself, as we keep it."
_PURPOSES = ("Purpose", "On what ground", "What it sees", "Now")
_CONSENTS = ("When (UTC)", "What", "Purpose", "Where", "Notice")
_NOTICES = ("Notice", "Title", "In force since", "SHA-256 of its text")
_GIVEN = ("When (UTC)", "Recipient", "Country", "What", "On what ground")
_DONE = ("When (UTC)", "What", "Field", "Who", "Purpose")


def _opening(document: Mapping[str, Any]) -> str:
    account = document["account"]
    said = f"{account['state']}, since {account['since']}" if account["since"] else account["state"]
    facts = (
        ("About", document["subject"]),
        ("Kept by", document["tenant"]),
        ("Made", f"{_time(document['made'])} UTC, by {document['made_by']['person']}"),
        ("Reference", document["reference"]),
        ("Request", document["case"] or "–"),
        ("Account", said),
    )
    listed = "".join(f"<dt>{markup(name)}</dt><dd>{markup(value)}</dd>" for name, value in facts)
    return (
        "<h1>A copy of your data</h1><p>This is what our vault holds about you, what we use it for and on "
        f"what legal ground, who received it, and who did what with it.</p><dl>{listed}</dl>"
    )


def _closing(document: Mapping[str, Any]) -> str:
    return (
        "<footer class=soft><p>What the law orders us to keep confidential is not shown here.</p>"
        f"<p>Format {markup(document['format'])} · policy <code>{markup(document['policy'])}</code> · "
        f"receipt <code>{markup(document['receipt'])}</code></p></footer>"
    )


def _log_note(document: Mapping[str, Any]) -> str:
    note = "The newest first, as far back as our access log keeps its entries."
    return note if document["accesses_complete"] else f"{note} There is more than this list holds."


def _section(title: str, note: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`rows` hold finished cells."""
    head = f"<section><h2>{title}</h2>" + (f"<p class=soft>{note}</p>" if note else "")
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    if not body:
        return f"{head}<p class=none>Nothing.</p></section>"
    titles = "".join(f"<th>{name}</th>" for name in columns)
    grid = f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
    return f"{head}<div class=wide>{grid}</div></section>"


def _cell(value: object, note: object = "") -> str:
    small = f"<br><small>{markup(note)}</small>" if note else ""
    return f"<td><bdi>{markup(value)}</bdi>{small}</td>"


def _record(one: Mapping[str, Any]) -> Sequence[str]:
    state = _STATES.get(one["state"], one["state"])
    law = f"Until {one['kept_until']}: {one['kept_under']}" if one["kept_until"] else ""
    erased = f"On {_day(one['erased'])}" if one["erased"] else ""
    return _cell(one["title"], one["token"]), _value(one), _cell(state, law or erased), _since(one)


def _value(one: Mapping[str, Any]) -> str:
    code = one["without_value"]
    if code is not None:
        return f"<td class=without>{markup(_WITHOUT.get(code, 'Could not be opened.'))}</td>"
    return f"<td class=value>{_shown(one['value'])}</td>"


def _shown(value: object) -> str:
    """A value as it is: a text, or its parts by name."""
    if isinstance(value, Mapping):
        named = ((str(name).replace("_", " "), part) for name, part in value.items())
        return (
            f"<dl>{''.join(f'<dt>{markup(name)}</dt><dd>{_shown(part)}</dd>' for name, part in named)}</dl>"
        )
    return f"<bdi>{markup(value)}</bdi>"


def _since(one: Mapping[str, Any]) -> str:
    version = f"corrected {one['version'] - 1} times" if one["version"] > 2 else "corrected once"
    return _cell(_day(one["collected"]), version if one["version"] > 1 else "")


def _purpose(one: Mapping[str, Any]) -> Sequence[str]:
    opens = ", ".join(f"{name} ({form})" for name, form in one["opens"].items()) or "nothing"
    now = "It goes on." if one["applies"] else "It does not happen."
    return _cell(one["title"], one["name"]), _cell(one["basis_in_words"]), _cell(opens), _cell(now)


def _consent(one: Mapping[str, Any]) -> Sequence[str]:
    act = _ACTS.get(one["act"], one["act"])
    told = (_time(one["given"]), act, one["purpose"], one["source"], one["notice"] or "–")
    return [_cell(value) for value in told]


def _notice(one: Mapping[str, Any]) -> Sequence[str]:
    digest = f"<td><code>{markup(one['sha256'])}</code></td>"
    return _cell(one["notice"]), _cell(one["title"]), _cell(_day(one["effective"])), digest


def _disclosure(one: Mapping[str, Any]) -> Sequence[str]:
    recipient = _cell(one["recipient_title"], one["recipient"])
    when, country = _cell(_time(one["time"])), _cell(one["country"])
    return when, recipient, country, _cell(one["type"], one["token"]), _cell(one["reference"])


def _access(one: Mapping[str, Any]) -> Sequence[str]:
    done = _VERBS.get(one["verb"], one["verb"])
    outcome = _OUTCOMES.get(one["outcome"], one["outcome"])
    note = outcome or ("masked" if one["form"] == "masked" else "")
    field = _cell(one["type"] or "–", one["token"] or "")
    who = _cell(one["person"], one["credential"])
    return _cell(_time(one["time"])), _cell(done, note), field, who, _cell(one["purpose"] or "–")


def _time(text: str) -> str:
    return text[:16].replace("T", " ")


def _day(text: str) -> str:
    return text[:10]
