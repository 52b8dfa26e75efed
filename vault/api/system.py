"""What every process answers about itself: health, readiness, metrics, fields, policy, error pages."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from keys.errors import KeysError
from vault import metrics
from vault.api import edge
from vault.api.control import policy_document
from vault.errors import Forbidden, NotFound, ServiceError, Unauthenticated
from vault.fields.rule import FieldType
from vault.model.names import FIELD_TYPE
from vault.service.authenticate import Authenticator
from vault.service.catalogue import catalogue
from vault.service.registers import Authority, Registers

log = structlog.get_logger()
Check = Callable[[], Awaitable[None]]
READY_SECONDS = 1.0


class SystemApi:
    """`/healthz`, `/readyz`, `/metrics`, `/v1/fields`, `/v1/policy`, `/docs/errors/{code}`"""

    def __init__(
        self,
        planes: Mapping[str, tuple[Authenticator, Registers]],
        checks: Mapping[str, Check],
        details: Sequence[Callable[[], Mapping[str, object]]] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`details`: what readiness says beside its states, and does not depend on. `clock` is in seconds."""
        self._planes = planes
        self._checks = checks
        self._details = details
        self._clock = clock
        self._turn = asyncio.Lock()
        self._looked = float("-inf")
        self._states: Mapping[str, str] = {}

    async def health(self, _: Request) -> Response:
        """The process runs. Says nothing about anything it needs."""
        return edge.answer({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Whether each plane of this process can serve, by a canary through the real path.

        Looked at once a second, whoever asks: strangers must not order calls to what payments wait for.
        """
        async with self._turn:
            if self._clock() - self._looked >= READY_SECONDS:
                # All at once: what is down for several planes costs one deadline, not the sum of them.
                looks = (_state(plane, check) for plane, check in self._checks.items())
                self._states = dict(zip(self._checks, await asyncio.gather(*looks), strict=True))
                self._looked = self._clock()
        found = self._states
        bad = any(state != "ready" for state in found.values())
        answer: dict[str, object] = {"status": "not_ready" if bad else "ready", "planes": found}
        for detail in self._details:
            answer |= detail()
        return edge.answer(answer, 503 if bad else 200)

    async def metrics(self, _: Request) -> Response:
        """Prometheus text."""
        return Response(generate_latest(metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST})

    async def fields(self, request: Request) -> Response:
        """The field types of the caller's tenant."""
        authority = await self._authority(request)
        searchable = authority.policy.searchable
        known = catalogue(authority.policy)
        return edge.answer({"fields": [_field(kind, kind.name in searchable) for kind in known]})

    async def policy(self, request: Request) -> Response:
        """The policy in force for the caller's tenant."""
        return edge.answer(policy_document((await self._authority(request)).policy))

    async def error_page(self, request: Request) -> Response:
        """What a problem's `type` resolves to."""
        text = error_page(request.path_params["code"])
        if text is None:
            raise NotFound("no_such_operation")
        return Response(text, media_type="text/markdown")

    async def _authority(self, request: Request) -> Authority:
        """The authority of whoever calls, with a token for any plane of this process."""
        refusal = Unauthenticated()
        for authenticator, registers in self._planes.values():
            try:
                caller = await edge.caller(request, authenticator)
            except Unauthenticated as error:
                refusal = error
                continue
            if caller.frozen:
                raise Forbidden("credential_frozen")
            return await registers.of(caller.tenant)
        raise refusal


def error_page(code: str) -> str | None:
    """The page of a problem code, from the package or, in a checkout, from docs/errors/."""
    if FIELD_TYPE.fullmatch(code) is None:
        return None
    packaged = files("vault") / "error_pages"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "docs" / "errors"
    page = folder / f"{code}.md"
    return page.read_text("utf-8") if page.is_file() else None


async def _state(plane: str, check: Check) -> str:
    try:
        await check()
    except (ServiceError, KeysError) as error:
        log.warning("not_ready", plane=plane, code=error.code)
        return error.code
    return "ready"


def _field(kind: FieldType, searchable: bool) -> dict[str, object]:  # noqa: FBT001  # a column of the answer
    parts: Sequence[str] = kind.parts
    return {
        "type": kind.name,
        "class": kind.field_class,
        "title": kind.title,
        "parts": parts,
        "example": kind.example,
        "normalisation": kind.normalisation,
        "validation": kind.validation,
        "masking": kind.masking,
        "searchable": searchable,
        "disabled": kind.disabled,
    }
