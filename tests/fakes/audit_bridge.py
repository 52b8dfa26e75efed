"""The auditor's tools against a vault in this process: blocking HTTP on one side, ASGI on the other."""

import asyncio
import json

import httpx
from strongroom.settings import connection
from strongroom_audit.fetch import LogReader
from strongroom_audit.keyring import read_pinned, read_shown
from strongroom_audit.state import State
from strongroom_audit.store import Store
from strongroom_audit.sync import Sync

URL = "http://localhost"


class Bridge(httpx.BaseTransport):
    """Carries blocking requests, from a thread, to an asynchronous client of the event loop."""

    def __init__(self, client, loop):
        self._client, self._loop = client, loop

    def handle_request(self, request):
        return asyncio.run_coroutine_threadsafe(self._send(request), self._loop).result(60)

    async def _send(self, request):
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        url = str(request.url).removeprefix(URL)
        answer = await self._client.request(request.method, url, content=request.read(), headers=headers)
        kept = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return httpx.Response(answer.status_code, headers=kept, content=answer.content)


async def audit(world, folder, *, tenant="acme", who="auditor", client=None):
    """One run of `mirror` against a world; what came of it. Keys are pinned at the first run."""
    bridge = Bridge(client or world.client, asyncio.get_running_loop())
    credential = f"{tenant}.{who}"
    way = connection(URL, credential, world.secrets[credential], {})
    reader, store = LogReader(way, tenant, transport=bridge), Store(folder)
    return await asyncio.to_thread(_run, reader, store, tenant)


def _run(reader, store, tenant):
    try:
        with store.locked():
            if not store.exists:
                store.write("keys.json", read_shown(reader.keys()).write())
            keys = read_pinned(store.read("keys.json"))
            return Sync(reader, store, keys, store.state() or State(tenant, URL)).run()
    finally:
        reader.close()


def bodies_of(folder):
    """The verified bodies of a mirror, as objects."""
    from strongroom_audit.check import check_mirror

    found = []
    assert check_mirror(Store(folder), on_body=lambda _, body: found.append(json.loads(body))).faults == []
    return found
