"""What the vault itself does in a case: it proposes, carries out, and writes the answer. People decide.

Each function gives the document of one act, by kind of case.
"""

from collections.abc import Mapping

import orjson

from vault.cases import letters
from vault.cases.documents import Document
from vault.cases.due import civil_day
from vault.cases.letters import GoesOn, Heading, Told
from vault.errors import BadRequest
from vault.fields.catalogue import Catalogue
from vault.model.ask import Caller
from vault.policy.consents import basis_in_words, effect, explain
from vault.policy.rules import Policy
from vault.service import case_erasure
from vault.service.case_acts import Known
from vault.service.catalogue import catalogue
from vault.service.consent import NewAct, record_acts
from vault.service.parts import Office


async def evaluated(caller: Caller, known: Known, policy: Policy, parts: Office) -> Document:
    """What an officer decides by. Raises: NotFound (`nothing_held`), Unavailable."""
    tenant, subject = caller.tenant, known.case.subject
    if known.case.kind == "erasure":
        rules = (await parts.registers.of(tenant)).retention
        return await case_erasure.proposals(tenant, subject, rules, policy, parts)
    if known.case.kind == "objection":
        return {"v": 1, "purposes": [_effect(policy, name) for name in sorted(policy.purposes)]}
    if known.case.kind in ("access", "correction"):
        tokens = await parts.ledger.lives.of_subjects(tenant, [subject], limit=case_erasure.MOST + 1)
        loaded = await parts.store.load(tenant, tokens) if tokens else {}
        rows = [{"token": t, "field_type": one.field_type} for t, one in sorted(loaded.items())]
        return {"v": 1, "records": rows}
    return {"v": 1}


async def carried_out(caller: Caller, known: Known, policy: Policy, parts: Office) -> Document:
    """Do what was decided, as far as it is the office's to do. Raises: Conflict, Unavailable."""
    if known.case.kind == "erasure":
        return await case_erasure.carry_out(caller, known, policy, parts)
    if known.case.kind == "objection":
        return await _objected(caller, known, policy, parts)
    if known.case.kind == "correction":
        return await _corrected(caller.tenant, known, parts)
    return {"v": 1}


async def answered(caller: Caller, known: Known, policy: Policy, parts: Office) -> Document:
    """The letter to the person, and the certificate of an erasure. Raises: Unavailable."""
    heading = Heading(known.name, known.case.subject, civil_day(parts.now(), known.case.zone))
    fields = catalogue(policy)
    if known.case.kind == "disclosure":
        return {"v": 1}
    if known.case.kind != "erasure" or known.case.state == "rejected":
        return {"v": 1, "letter": _letter(heading, known, policy, fields)}
    certificate, final_after = await case_erasure.certify(known, caller.tenant, parts)
    done = known.document("carry_out") or {}
    told = [Told(_title(fields, name), verdict) for name, verdict in case_erasure.verdicts(done)]
    letter = letters.erasure_letter(heading, told, final_after=final_after)
    return {"v": 1, "letter": letter, "certificate": certificate}


def _letter(heading: Heading, known: Known, policy: Policy, fields: Catalogue) -> str:
    """The letter of every case but a carried-out erasure."""
    if known.case.state == "rejected":
        return letters.rejected_letter(heading, _text(known, "reject", "reason"))
    match known.case.kind:
        case "access":
            rows = _rows(known, "evaluate", "records")
            titles = sorted({_title(fields, row["field_type"]) for row in rows})
            return letters.access_letter(heading, titles)
        case "correction":
            rows = _rows(known, "carry_out", "corrected")
            return letters.correction_letter(heading, [_title(fields, row["field_type"]) for row in rows])
        case "objection":
            return _objection(heading, known, policy)
        case _:
            return letters.grievance_letter(heading, _text(known, "decide", "answer"))


async def _objected(caller: Caller, known: Known, policy: Policy, parts: Office) -> Document:
    """Record the objection to each purpose that was decided on."""
    decided = [str(name) for name in _rows(known, "decide", "purposes")]
    acts = [NewAct(known.case.subject, name, "object", known.name) for name in decided]
    if not set(decided) <= set(policy.purposes):
        raise BadRequest("unknown_purpose", "The policy has no such purpose any more.")
    done = await record_acts(caller, acts, policy, parts) if acts else []
    return {"v": 1, "purposes": [{"purpose": o.said.purpose, "effect": o.effect} for o in done]}


async def _corrected(tenant: str, known: Known, parts: Office) -> Document:
    """Which fields of the person were replaced under this case's name."""
    rows = _rows(known, "evaluate", "records")
    about = await parts.ledger.cases.events_about(tenant, [row["token"] for row in rows], "replace")
    done = {
        token
        for token, events in about.items()
        if any(_replaced(orjson.loads(event.body), known.name) for event in events)
    }
    return {"v": 1, "corrected": [dict(row) for row in rows if row["token"] in done]}


def _replaced(body: Mapping[str, object], case: str) -> bool:
    return body.get("reference") == case and body["decision"] == "allow" and "version" in body


def _objection(heading: Heading, known: Known, policy: Policy) -> str:
    done = {str(row["purpose"]): row["effect"] for row in _rows(known, "carry_out", "purposes")}
    purposes = {name: policy.purposes[name] for name in done if name in policy.purposes}
    return letters.objection_letter(
        heading,
        stops=[one.title for name, one in purposes.items() if done[name] == "stops"],
        goes_on=[
            GoesOn(one.title, f"It rests on {basis_in_words(one)}.")
            for name, one in purposes.items()
            if done[name] != "stops"
        ],
    )


def _effect(policy: Policy, name: str) -> dict[str, str]:
    purpose = policy.purposes[name]
    return {
        "purpose": name,
        "basis": purpose.basis,
        "effect": effect(purpose, "object"),
        "explanation": explain(purpose, "object"),
    }


def _title(fields: Catalogue, name: str) -> str:
    return fields.get(name).title if name in fields else name


def _rows(known: Known, act: str, member: str) -> list[dict[str, str]]:
    """A list in the document of an act; empty when there is none."""
    found = (known.document(act) or {}).get(member, [])
    return found if isinstance(found, list) else []


def _text(known: Known, act: str, member: str) -> str:
    return str((known.document(act) or {}).get(member, ""))
