"""The ingest plane over HTTP."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import NewItem, TokenizeBody, decode, refuse_forbidden_value
from vault.api.problems import item_problem
from vault.errors import BadRequest, InvalidValue, ServiceError
from vault.fields import catalogue as fields
from vault.fields.rule import InvalidValue as BrokenRule
from vault.model.ask import Caller
from vault.model.names import acceptable_reference
from vault.model.secret import Secret
from vault.service.authenticate import Authenticator
from vault.service.catalogue import UNKNOWN_CLASS, catalogue
from vault.service.gather import Gather
from vault.service.idempotency import Key, key_for
from vault.service.registers import Registers
from vault.service.slices import slices
from vault.service.tokenize import Answer, NewValue, Tokenized, TokenizeRequest
from vault.store.notices import Notices


class IngestApi:
    """`POST /v1/tokenize`"""

    def __init__(
        self,
        authenticator: Authenticator,
        registers: Registers,
        tokenize: Gather[TokenizeRequest, Answer],
        notices: Notices,
    ) -> None:
        self._authenticator = authenticator
        self._registers = registers
        self._notices = notices
        self._tokenize = tokenize

    async def tokenize(self, request: Request) -> Response:
        """Values in, tokens out."""
        caller, raw = await edge.received(request, self._authenticator)
        body: TokenizeBody = decode(raw, TokenizeBody)
        edge.count(request, body.items)
        policy = (await self._registers.of(caller.tenant)).policy
        items = await read_items(body, caller, catalogue(policy))
        key = idempotency_key(request, caller, "tokenize", raw)
        if body.notice is not None and caller.may("tokenize"):
            await self._assert_notice(caller.tenant, body.notice)
        asked = TokenizeRequest(
            caller, body.mode, items, key, body.notice if caller.may("tokenize") else None
        )
        done = await self._tokenize.submit(caller.tenant, caller.credential, asked, items=len(items))
        return edge.answer({"items": [_shown(one) for one in done]})

    async def _assert_notice(self, tenant: str, name: str) -> None:
        """Raises: BadRequest, when the notice that was shown is none."""
        if await self._notices.unknown(tenant, [name]):
            raise BadRequest("unknown_notice", "notice is version/language of a published notice.")


def idempotency_key(request: Request, caller: Caller, verb: str, body: bytes) -> Key | None:
    """The request's key, if it has one. Raises: BadRequest."""
    text = request.headers.get("idempotency-key")
    if text is None:
        return None
    if (
        not 1 <= len(text) <= 64
        or not all(char.isalnum() or char in "._:-" for char in text)
        or not text.isascii()
    ):
        raise BadRequest("invalid_idempotency_key", "Idempotency-Key is 1 to 64 of A-Z a-z 0-9 . _ : -")
    canonical = _canonical(body)
    if canonical is None:
        raise BadRequest("bad_request", "The body is nested too deeply or holds a number out of range.")
    return key_for(caller.credential, verb, text, canonical)


def _canonical(body: bytes) -> bytes | None:
    """The body with its members sorted: in another order they are the same body."""
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None


async def read_items(
    body: TokenizeBody, caller: Caller, known: fields.Catalogue
) -> list[NewValue | ServiceError]:
    """Normalise and validate each item. In mode `all` the first bad one ends the request here.

    Raises: InvalidValue, with every bad item's problem.
    """
    if not caller.may("tokenize"):
        return [_unread(item, known) for item in body.items]
    items: list[NewValue | ServiceError] = []
    async for some in slices(body.items):
        items += [_read(item, item.subject or body.subject, known) for item in some]
    problems = [(i, one) for i, one in enumerate(items) if isinstance(one, ServiceError)]
    if problems and body.mode == "all":
        raise ServiceError.of_items(problems)
    return items


def _read(item: NewItem, subject: str | None, known: fields.Catalogue) -> NewValue | ServiceError:
    if subject is None:
        return BadRequest("missing_subject", "Name the subject of the item or of the request.")
    try:
        edge.checked_reference(subject, "subject")
        refuse_forbidden_value(item.value)
        kind = known.get(item.type)
        plain = kind.normalise(item.value)
    except ServiceError as problem:
        return problem
    except fields.UnknownType:
        return InvalidValue("unknown_type", "There is no such field type; GET /v1/fields lists them.")
    except BrokenRule as broken:
        return invalid(broken)
    return NewValue(kind.name, kind.field_class, subject, Secret(orjson.dumps(plain)), kind.mask(plain))


def invalid(broken: BrokenRule) -> InvalidValue:
    """The problem for a value that broke a rule of its type."""
    code = "type_disabled" if broken.rule == "disabled" else "invalid_value"
    part = {"part": broken.part} if broken.part else {}
    return InvalidValue(code, broken.detail, field_type=broken.type, rule=broken.rule, **part)


def _unread(item: NewItem, known: fields.Catalogue) -> NewValue:
    """An item of a caller without the right: it will be refused, so its value is not even looked at."""
    kind = known.get(item.type) if item.type in known else None
    subject = item.subject if item.subject and acceptable_reference(item.subject) else "malformed"
    return NewValue(
        kind.name if kind else UNKNOWN_CLASS,
        kind.field_class if kind else UNKNOWN_CLASS,
        subject,
        Secret(b""),
        None,
    )


def _shown(one: Tokenized | ServiceError) -> dict[str, object]:
    if isinstance(one, ServiceError):
        return {"problem": item_problem(one)}
    return {
        "token": one.token,
        "type": one.item.field_type,
        "subject": one.item.subject,
        "masked": one.item.masked,
        "receipt": one.receipt,
    }
