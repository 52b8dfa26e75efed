"""The control plane over HTTP: what waits for a second person, and that person's answer."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import Body, decode
from vault.api.operation import Operation
from vault.api.shown import change, issued
from vault.errors import BadRequest
from vault.log.event import timestamp
from vault.model.register import show_key
from vault.service import proposals
from vault.service.amend import Control
from vault.service.authenticate import Authenticator
from vault.service.proposals import Approved, Waiting
from vault.service.proposed import Open

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_STATUSES = (400, 401, 403, 404, 409, 413, 415, 503)


class DecisionBody(Body, frozen=True):
    """`POST /v1/proposals/{proposal}/approve` and `/reject`: `sha256` is of the document that was read."""

    sha256: str


class ProposalsApi:
    """`GET /v1/proposals`, `POST /v1/proposals/{proposal}/approve` and `/reject`"""

    def __init__(self, authenticator: Authenticator, control: Control) -> None:
        self._authenticator = authenticator
        self._control = control

    async def list_proposals(self, request: Request) -> Response:
        """Everything that waits for a second person."""
        caller = await edge.caller(request, self._authenticator)
        found = await proposals.listing(caller, self._control)
        return edge.answer({"proposals": [waiting(one) for one in found]})

    async def approve_proposal(self, request: Request) -> Response:
        """Carry it out. A new secret is in this answer and nowhere else."""
        caller, raw = await edge.received(request, self._authenticator)
        sha256, name = _read(raw), request.path_params["proposal"]
        return edge.answer(_approved(await proposals.approve(name, sha256, caller, self._control)))

    async def reject_proposal(self, request: Request) -> Response:
        """End it for good."""
        caller, raw = await edge.received(request, self._authenticator)
        sha256, name = _read(raw), request.path_params["proposal"]
        done = await proposals.reject(name, sha256, caller, self._control)
        return edge.answer({"proposal_id": done.name, "state": "rejected"})


def waiting(one: Waiting) -> dict[str, object]:
    """A proposal as its second person must see it before approving."""
    changes = {"changes": [change(each) for each in one.changes]} if one.changes else {}
    return _shown(one.open) | {"approvers": list(one.approvers)} | changes


def _shown(one: Open) -> dict[str, object]:
    proposal = one.proposal
    expires = timestamp(proposal.expires_at) if proposal.expires_at is not None else None
    return {
        "proposal_id": one.name,
        "sha256": proposal.sha256,
        "state": "waiting",
        "action": proposal.action,
        "credential": proposal.credential,
        "person": proposal.person,
        "grants": [str(grant) for grant in proposal.grants],
        "credential_expires": expires,
        "public_key": show_key(proposal.public_key) if proposal.public_key else None,
        "proposed_by": one.credential,
        "proposed_by_person": one.person,
        "until": timestamp(one.expires_at),
    }


def _approved(done: Approved) -> dict[str, object]:
    head: dict[str, object] = {
        "proposal_id": done.open.name, "state": "approved", "action": done.open.proposal.action
    }  # fmt: skip
    if done.issued is None:
        return head | {"hash": done.policy_hash, "changes": [change(one) for one in done.changes]}
    return head | issued(done.issued)


def _read(body: bytes) -> str:
    """Raises: BadRequest."""
    decision: DecisionBody = decode(body, DecisionBody)
    if _SHA256.fullmatch(decision.sha256) is None:
        raise BadRequest("bad_request", "sha256 is 64 hexadecimal characters.")
    return decision.sha256


_ID = "prp_0CQ8V5H2K9RZ4M7T1XJ6N3P8WB"
_HASH = "5f2b8c1e9a7d4036c2e1f0b9d8a7c6e5f4031221100ffeeddccbbaa998877665"
EXAMPLE: dict[str, Any] = {
    "proposal_id": _ID,
    "sha256": _HASH,
    "state": "waiting",
    "action": "create",
    "credential": "acme.payouts",
    "person": "Vikram Shah",
    "grants": ["detokenize:payment@payment"],
    "credential_expires": None,
    "public_key": None,
    "proposed_by": "acme.admin",
    "proposed_by_person": "Asha Rao",
    "until": "2026-11-14T09:30:00.000000Z",
    "approvers": ["acme.admin2"],
}
"""What a change that takes two persons is answered with, 202."""
_DECISION = {"sha256": _HASH}
OPERATIONS = (
    Operation(
        "proposals",
        "list_proposals",
        "GET",
        "/v1/proposals",
        "What waits for a second person",
        statuses=(401, 403, 503),
        answer={"proposals": [EXAMPLE]},
    ),
    Operation(
        "proposals",
        "approve_proposal",
        "POST",
        "/v1/proposals/{proposal}/approve",
        "Carry out what another person proposed; a new secret is shown once",
        DecisionBody,
        statuses=_STATUSES,
        example=_DECISION,
        answer={
            "proposal_id": _ID,
            "state": "approved",
            "action": "create",
            "credential": "acme.payouts",
            "person": "Vikram Shah",
            "grants": ["detokenize:payment@payment"],
            "status": "active",
            "created": "2026-11-07T10:02:11.000000Z",
            "expires": None,
            "authentication": "client_secret",
            "client_secret": "srs_…",
        },
    ),
    Operation(
        "proposals",
        "reject_proposal",
        "POST",
        "/v1/proposals/{proposal}/reject",
        "End a proposal for good",
        DecisionBody,
        statuses=_STATUSES,
        example=_DECISION,
        answer={"proposal_id": _ID, "state": "rejected"},
    ),
)
