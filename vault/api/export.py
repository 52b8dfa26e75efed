"""The reveal plane over HTTP: a copy of everything about one person."""

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import Body, decode
from vault.api.operation import Operation
from vault.errors import BadRequest
from vault.model.names import read_id
from vault.model.secret import Secret
from vault.service.authenticate import Authenticator
from vault.service.export import AGE, Copying, Exported, ExportRequest, export

SHORTEST, LONGEST = 12, 1024
_SUFFIX = {"application/json": "json", "text/html; charset=utf-8": "html"}


class ExportBody(Body, frozen=True):
    """`POST /v1/export`. With a passphrase the answer is an age file that it opens."""

    subject: str
    reference: str
    case: str | None = None
    format: Literal["json", "html"] = "json"
    passphrase: str | None = None


class ExportApi:
    """`POST /v1/export`"""

    def __init__(self, authenticator: Authenticator, parts: Copying) -> None:
        self._authenticator = authenticator
        self._parts = parts

    async def export(self, request: Request) -> Response:
        """Everything about one subject: on record first."""
        caller, raw = await edge.received(request, self._authenticator)
        body: ExportBody = decode(raw, ExportBody)
        asked = ExportRequest(
            caller,
            edge.checked_reference(body.subject, "subject") or "",
            edge.checked_reference(body.reference, "reference") or "",
            _case_id(body.case),
            body.format,
            _passphrase(body.passphrase),
            edge.visit(request).charge,
        )
        return _answer(await export(asked, self._parts))


def _case_id(text: str | None) -> bytes | None:
    """Raises: BadRequest."""
    try:
        return None if text is None else read_id("cas", text)
    except ValueError:
        raise BadRequest("bad_request", "case is an identifier such as cas_….") from None


def _passphrase(text: str | None) -> Secret[str] | None:
    """Raises: BadRequest."""
    if text is None:
        return None
    if not SHORTEST <= len(text) <= LONGEST or not text.isprintable():
        raise BadRequest(
            "bad_passphrase", f"A passphrase has {SHORTEST} to {LONGEST} printable characters, on one line."
        )
    return Secret(text)


def _answer(done: Exported) -> Response:
    """A file to be kept: a browser must not show it as a page of the vault's own."""
    suffix = "age" if done.media == AGE else _SUFFIX[done.media]
    headers = {
        "content-disposition": f'attachment; filename="copy.{suffix}"',
        "strongroom-receipt": done.receipt,
    }
    return Response(done.content.reveal(), 200, headers, done.media)


EXAMPLE = {
    "format": "strongroom-export/1",
    "tenant": "acme",
    "subject": "cust-8472",
    "made": "2026-11-25T10:15:00.000000Z",
    "made_by": {"credential": "acme.officer", "person": "Farah Khan"},
    "reference": "request-118",
    "case": None,
    "receipt": "rcp_AQZBuk…",
    "policy": "43ef627877d0baa88ac31adb6c69b1af30385f45acd8ba4ee5a1087964206a58",
    "account": {"state": "closed", "since": "2026-11-20"},
    "records": [
        {
            "token": "tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g",
            "type": "pan",
            "title": "Permanent account number (India)",
            "class": "tax",
            "state": "archived",
            "collected": "2026-11-07T09:30:00.000000Z",
            "version": 1,
            "notice": "2026-04/en",
            "kept_until": "2035-03-31",
            "kept_under": "Companies Act 2013 s.128(5)",
            "erased": None,
            "value": "ABCPE1234F",
            "without_value": None,
            "receipt": "rcp_AQZBuk…",
        }
    ],
    "purposes": [
        {
            "name": "marketing_display",
            "title": "Marketing",
            "basis": "consent",
            "basis_in_words": "your consent (GDPR Art. 6(1)(a))",
            "law": "GDPR Art. 6(1)(a)",
            "opens": {},
            "applies": False,
            "stopped_by": "consent_withdrawn",
        },
        {
            "name": "payment",
            "title": "Paying people",
            "basis": "contract",
            "basis_in_words": "the contract with you (GDPR Art. 6(1)(b))",
            "law": "GDPR Art. 6(1)(b)",
            "opens": {"payment": "plain", "tax": "plain"},
            "applies": True,
            "stopped_by": None,
        },
    ],
    "consents": [
        {
            "purpose": "marketing_display",
            "act": "withdraw",
            "source": "preference-page",
            "notice": "2026-04/en",
            "given": "2026-11-07T09:30:00.000000Z",
            "recorded": "2026-11-07T09:30:00.000000Z",
        }
    ],
    "notices": [
        {
            "notice": "2026-04/en",
            "title": "Privacy notice",
            "language": "en",
            "effective": "2026-11-07T09:30:00.000000Z",
            "sha256": "9f86d0819f86d0819f86d0819f86d0819f86d0819f86d0819f86d0819f86d081",
            "purposes": ["marketing_display", "payment"],
        }
    ],
    "disclosures": [
        {
            "time": "2026-11-07T09:30:00.000000Z",
            "token": "tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g",
            "type": "pan",
            "recipient": "payroll",
            "recipient_title": "Payroll Services Ltd",
            "country": "IN",
            "reference": "contract-7",
            "in_log": True,
        }
    ],
    "accesses": [
        {
            "time": "2026-11-07T09:30:00.000000Z",
            "verb": "detokenize",
            "token": "tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g",
            "type": "pan",
            "credential": "acme.payments",
            "person": "Ravi Kumar",
            "purpose": "payment",
            "form": "plain",
            "outcome": "done",
        }
    ],
    "accesses_complete": True,
}
OPERATIONS = (
    Operation(
        "export",
        "export",
        "POST",
        "/v1/export",
        "A copy of everything about one person: JSON, a page, or either as an age file",
        ExportBody,
        statuses=(400, 401, 403, 404, 409, 413, 415, 503),
        example={"subject": "cust-8472", "reference": "request-118", "format": "json"},
        answer=EXAMPLE,
        also=("text/html", AGE),
    ),
)
