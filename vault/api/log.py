"""The provable log over HTTP: C2SP `tlog-tiles` and `tlog-proof`, readable by any client of those formats.

Tiles, checkpoints and proofs tell counts and commitments, nothing else, and need no grant unless the settings
ask for one. Bodies need one always.
"""

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import BodiesBody, decode
from vault.errors import BadRequest, Forbidden, NotFound
from vault.log.malformed import LARGEST, Malformed
from vault.log.tiles import WIDTH, Tile, read_tile
from vault.model.names import TENANT, read_id
from vault.service.authenticate import Authenticator
from vault.service.gather import Gather
from vault.service.log_reads import BodiesRequest, LogReader

MOST_BODIES = 4096
TEXT, BYTES = "text/plain; charset=utf-8", "application/octet-stream"
_FOREVER = "max-age=31536000, immutable"


class LogApi:
    """`GET /v1/log/{tenant}/…`, `POST /v1/events/bodies`"""

    def __init__(
        self,
        authenticator: Authenticator,
        reader: LogReader,
        bodies: Gather[BodiesRequest, bytes],
        *,
        grant: bool,
    ) -> None:
        """`grant`: whether the log's public part takes the grant `events` here."""
        self._authenticator = authenticator
        self._reader = reader
        self._bodies = bodies
        self._grant = grant

    async def checkpoint(self, request: Request) -> Response:
        """The newest signed head of the tree."""
        return Response(await self._reader.checkpoint(await self._tenant(request)), media_type=TEXT)

    async def tile(self, request: Request) -> Response:
        """Hashes of the tree."""
        tenant, tile = await self._tenant(request), _tile(request, request.path_params["level"])
        return self._bytes(await self._reader.tile(tenant, tile), tile)

    async def entries(self, request: Request) -> Response:
        """Entries of the log: version, event id, commitment."""
        tenant, tile = await self._tenant(request), _tile(request, "0")
        return self._bytes(await self._reader.entries(tenant, tile), tile)

    async def proof(self, request: Request) -> Response:
        """That one event is in the log."""
        tenant = await self._tenant(request)
        try:
            event_id = read_id("evt", request.path_params["event_id"])
        except ValueError:
            raise NotFound("event_not_found") from None
        return Response(await self._reader.proof(tenant, event_id), media_type=TEXT)

    async def keys(self, request: Request) -> Response:
        """The public keys that checkpoints and workers verify under."""
        return edge.answer(await self._reader.keys(await self._tenant(request)))

    async def bodies(self, request: Request) -> Response:
        """What numbered events say, with all that proves it. Reading is an event too."""
        caller, raw = await edge.received(request, self._authenticator)
        body: BodiesBody = decode(raw, BodiesBody)
        if not 1 <= body.limit <= MOST_BODIES:
            raise BadRequest("bad_request", f"limit is 1 to {MOST_BODIES}.")
        if not 0 <= body.first <= LARGEST - MOST_BODIES:
            raise BadRequest("bad_request", "from is the index of an event.")
        asked = BodiesRequest(caller, body.first, body.limit)
        bundle = await self._bodies.submit(caller.tenant, caller.credential, asked, items=1)
        return Response(bundle, media_type=BYTES)

    async def _tenant(self, request: Request) -> str:
        """Whose log. Raises: NotFound; Unauthenticated or Forbidden where a grant is asked for."""
        tenant: str = request.path_params["tenant"]
        if TENANT.fullmatch(tenant) is None:
            raise NotFound("tenant_not_found")
        if self._grant:
            caller = await edge.caller(request, self._authenticator)
            if caller.tenant != tenant or not caller.may("events"):
                raise Forbidden("no_grant", "Reading this log takes the grant events.")
        return tenant

    def _bytes(self, content: bytes, tile: Tile) -> Response:
        """A full tile never changes; a partial one is soon of no use to anyone."""
        kept = {"cache-control": f"{'private' if self._grant else 'public'}, {_FOREVER}"}
        return Response(content, media_type=BYTES, headers=kept if tile.width == WIDTH else None)


def _tile(request: Request, level: str) -> Tile:
    try:
        return read_tile(level, request.path_params["place"])
    except Malformed:
        raise NotFound("no_such_tile") from None
