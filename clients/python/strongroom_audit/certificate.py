"""`strongroom-audit certificate`: an erasure certificate under a key, and its events in a verified mirror."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from strongroom_audit.check import Verdict, check_mirror
from strongroom_audit.faults import Altered, Fault, Gap, exit_code
from strongroom_audit.keyring import read_pinned, read_public
from strongroom_audit.plain import clean
from strongroom_audit.progress import progress_bar
from strongroom_audit.store import Store
from strongroom_audit.verifier.bodies import parse, show_id
from strongroom_audit.verifier.certificate import Certificate, Item, read_certificate
from strongroom_audit.verifier.finality import Finality, read_finality
from strongroom_audit.verifier.tree import ENTRY_BYTES

_STEP = 4096
_LARGEST = 8_000_001
_NAMED = re.compile(rb'"event_id":"(evt_[0-9a-hjkmnp-tv-z]{26})"')
_out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
_err = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, stderr=True)


def certificate(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An erasure certificate.", exists=True, dir_okay=False)
    ],
    key: Annotated[
        str | None, typer.Option(help="The vault's public key cert, 32 bytes in hexadecimal or base64.")
    ] = None,
    mirror: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A mirror of the log, to find its events in.")
    ] = None,
    finality: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A statement of finality: is what was erased beyond every copy?"),
    ] = None,
) -> None:
    """Check an erasure certificate without a network, and say what it says.

    Without --key the key is the one that the mirror has pinned under the version the certificate names. With
    --mirror the whole mirror is verified first; then every event that the certificate names must be in it,
    with that commitment, and must speak of the same field. A statement of finality is checked the same way.
    """
    with file.open("rb") as stream:
        read = read_certificate(stream.read(_LARGEST))
    read.verify(_trusted(read.key_version, key, mirror))
    stated = [_stated(one, read, key, mirror) for one in finality or []]
    faults: list[Fault] = []
    if mirror is not None:
        faults = _against(Store(mirror), read, stated)
    for line in (*_words(read), *(line for one in stated for line in _final_words(read, one))):
        _say(_out, line)
    for fault in faults:
        _say(_err, str(fault))
    if faults:
        _say(_out, "NOT VERIFIED: signed, but the log does not bear it out")
        raise SystemExit(exit_code(faults))
    held = f"its events are in the verified log {read.facts['log']}" if mirror else "not held against the log"
    _say(_out, f"verified: signed by the vault under version {read.key_version} of its key; {held}")


class Events:
    """Looks for the events of a certificate in a log that goes by."""

    def __init__(self, read: Certificate, stated: Sequence[Finality] = ()) -> None:
        self.faults: list[Fault] = []
        self._subject = read.facts["subject"]
        self._wanted = {show_id("evt", item.event_id).encode(): item for item in read.items}
        self._by_id: dict[bytes, list[Item]] = {}
        for item in read.items:
            self._by_id.setdefault(item.event_id, []).append(item)
        named: list[Item | Finality] = [*read.items, *stated]
        self._missing: dict[bytes, list[Item | Finality]] = {}
        for one in named:
            self._missing.setdefault(one.event_id, []).append(one)
        self._stated = {show_id("evt", one.event_id).encode(): one for one in stated}

    def take(self, number: int, body: bytes) -> None:
        """A verified body: if it is of an event that is named, does it speak of that field?"""
        for name in _NAMED.findall(body):
            if name in self._wanted:
                self._compare(number, name.decode(), parse(body))
            if name in self._stated:
                self._compare_trim(number, self._stated[name], parse(body))

    def entries(self, first: int, raw: bytes) -> None:
        """The next verified entries, beginning with number `first`."""
        for at in range(0, len(raw), ENTRY_BYTES):
            entry = raw[at : at + ENTRY_BYTES]
            for item in self._missing.pop(entry[1:17], ()):
                if item.entry != entry:
                    where = f"{show_id('evt', item.event_id)} (#{first + at // ENTRY_BYTES})"
                    what = "the log has another commitment than the certificate"
                    self.faults.append(Altered(what, where=where))

    def close(self, size: int) -> list[Fault]:
        """Nothing follows: all that was found wrong."""
        for event_id in self._missing:
            what = f"not among the {size:,} events of the mirror; if it is younger, mirror again"
            self.faults.append(Gap(what, where=show_id("evt", event_id)))
        return self.faults

    def _compare_trim(self, number: int, stated: Finality, body: dict[str, object]) -> None:
        name = show_id("evt", stated.event_id)
        if body.get("event_id") == name and not _says_so(stated, body):
            what = "this event does not say what the statement of finality says"
            self.faults.append(Altered(what, where=f"{name} (#{number})"))

    def _compare(self, number: int, name: str, body: dict[str, object]) -> None:
        if body.get("event_id") != name:
            return  # a detail that mentions the event, not the event
        for item in self._by_id[self._wanted[name.encode()].event_id]:
            denied = item.outcome != "refused" and body.get("decision") != "allow"
            other = body.get("token", item.token) != item.token
            if denied or other or body.get("subject", self._subject) != self._subject:
                what = f"this event does not say that {item.token} was {item.outcome}"
                self.faults.append(Altered(what, where=f"{name} (#{number})"))


def _says_so(stated: Finality, body: dict[str, object]) -> bool:
    """Whether an event's body says what a statement of finality says."""
    facts = stated.facts
    told = {
        "verb": "keys",
        "action": "trimmed",
        "decision": "allow",
        "key": facts["key"],
        "to_version": stated.version,
        "erased_before": facts["erased_before"],
        "begun_by": facts["begun_by"],
        "person": facts["trimmed_by"],
    }
    return all(body.get(name) == value for name, value in told.items())


def _stated(file: Path, read: Certificate, key: str | None, mirror: Path | None) -> Finality:
    """A statement that is signed and about this certificate's tenant. Raises: Malformed, BadSignature."""
    with file.open("rb") as stream:
        stated = read_finality(stream.read(_LARGEST))
    stated.verify(_trusted(stated.key_version, key, mirror))
    if stated.facts["log"] != read.facts["log"]:
        raise typer.BadParameter(
            f"the statement is of {stated.facts['log']}, the certificate of {read.facts['log']}"
        )
    return stated


def _trusted(key_version: int, key: str | None, mirror: Path | None) -> bytes:
    if key is not None:
        return read_public(key, "--key")
    if mirror is None:
        raise typer.BadParameter(
            "say which key to trust: --key, or --mirror with a mirror that has pinned it"
        )
    pinned = read_pinned(Store(mirror).read("keys.json")).cert.get(key_version)
    if pinned is None:
        raise typer.BadParameter(f"the mirror has pinned no version {key_version} of the key cert: --key")
    return pinned


def _against(store: Store, read: Certificate, stated: Sequence[Finality]) -> list[Fault]:
    """Verify the mirror, then look for the events. Raises: the gravest fault of the mirror but gaps."""
    events = Events(read, stated)
    with progress_bar("verifying", Console(stderr=True)) as progress:
        verdict = check_mirror(store, on_body=events.take, progress=progress)
    _check_log(verdict, read)
    for first in range(0, verdict.size, _STEP):
        events.entries(first, store.entries(first, min(first + _STEP, verdict.size)))
    return verdict.faults + events.close(verdict.size)


def _check_log(verdict: Verdict, read: Certificate) -> None:
    worse: list[Fault] = [fault for fault in verdict.faults if not isinstance(fault, Gap)]
    if worse:
        raise min(worse, key=lambda fault: fault.rank)
    if verdict.origin != read.facts["log"]:
        raise typer.BadParameter(f"the mirror is of {verdict.origin}, the certificate of {read.facts['log']}")


def _words(read: Certificate) -> Iterator[str]:
    """What the certificate says."""
    facts = read.facts
    yield f"Erasure certificate of {facts['tenant']}: case {facts['case']}, about {facts['subject']}"
    yield f"issued {facts['issued_at']}, decided by {facts['decided_by']}, released by {facts['released_by']}"
    for item in read.items:
        yield f"- {item.field_type} {item.token}: {_outcome(item)} ({show_id('evt', item.event_id)})"
    if "final_after" in facts:
        yield f"What was erased cannot come back from any backup after {facts['final_after']}."
    yield f"SHA-256 of the decision: {facts['decision']}"


def _final_words(read: Certificate, stated: Finality) -> Iterator[str]:
    """Which fields are beyond every copy of the databases by this statement, and which are not."""
    facts = stated.facts
    yield f"Statement of finality: versions before {stated.version} are no more since {facts['trimmed_at']}"
    yield f"(begun by {facts['begun_by']}, trimmed by {facts['trimmed_by']})."
    yield f"Final is what was erased before {facts['erased_before']}:"
    for item in read.items:
        if item.outcome == "erased":
            final = stated.covers(item.more["at"])
            yield f"- {item.token}: " + ("final" if final else "NOT final: erased later, by the next trim")
    yield f"After {facts['final_after']} no snapshot of the key server can undo it either."


def _outcome(item: Item) -> str:
    if item.outcome == "erased":
        return f"erased at {item.more['at']}"
    if item.outcome == "archived":
        return f"kept until {item.more['until']}, as the law asks: {item.more['law']}"
    return f"not erased, because: {item.more['reason']}"


def _say(console: Console, line: str) -> None:
    console.print(Text(clean(line)))
