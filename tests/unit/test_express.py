"""The way past the framework: what takes it, what does not, and that no net is missing there."""

import asyncio
import os
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from vault.api.express import Express
from vault.api.operations import OPERATIONS, add_operations
from vault.api.problems import Net, Netted, on_http_error, on_service_error
from vault.api.within import Within
from vault.errors import BadRequest, ServiceError

SECRET = "4012888888881881"


class Api:
    """One plane's operations, each answering as told."""

    def __init__(self, does: Any) -> None:
        self._does = does

    def __getattr__(self, name: str) -> Any:
        return self._does


def service(does: Any) -> FastAPI:
    """The ingest plane, its operation answered by `does`."""
    app, net = FastAPI(redirect_slashes=False), Net(random=os.urandom)
    app.add_exception_handler(ServiceError, on_service_error)
    app.add_exception_handler(HTTPException, on_http_error)
    lanes = add_operations(app, {"ingest": Api(does), "log": Api(does)})
    app.add_middleware(Netted, net=net)
    app.middleware_stack = Express(app.build_middleware_stack(), lanes, net)
    return app


def client_of(app: FastAPI) -> httpx.AsyncClient:
    """A client that speaks to it."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://vault.test")


async def good(_: Request) -> Response:
    """An answer."""
    return Response(b"{}", media_type="application/json")


async def test_both_ways_answer_with_the_same_headers():
    """With and without a parameter in the path: an id of its own, nothing kept, nothing guessed."""
    async with client_of(service(good)) as client:
        direct, routed = await client.post("/v1/tokenize"), await client.get("/v1/log/acme/checkpoint")
    assert set(direct.headers) == set(routed.headers)
    assert direct.headers["cache-control"] == "no-store"
    assert direct.headers["x-request-id"] != routed.headers["x-request-id"]


async def test_a_bug_on_either_way_says_nothing(capfd: pytest.CaptureFixture[str]):
    """500 as a problem document with the request's id; the message is neither answered nor logged."""

    async def broken(_: Request) -> Response:
        raise LookupError(SECRET)

    async with client_of(service(broken)) as client:
        for answer in (await client.post("/v1/tokenize"), await client.get("/v1/log/acme/checkpoint")):
            assert answer.status_code == 500
            assert answer.json()["request_id"] == answer.headers["x-request-id"]
            assert SECRET not in answer.text
    said = capfd.readouterr()
    assert SECRET not in said.out + said.err


async def test_a_refusal_is_the_same_problem_on_either_way():
    """A service error becomes its document whichever way it takes."""

    async def refusing(_: Request) -> Response:
        raise BadRequest("no_items", "The list is empty.")

    async with client_of(service(refusing)) as client:
        direct = (await client.post("/v1/tokenize")).json()
        routed = (await client.get("/v1/log/acme/checkpoint")).json()
    assert {**direct, "request_id": ""} == {**routed, "request_id": ""}
    assert direct["code"] == "no_items"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/tokenize", 405), ("POST", "/v1/tokenize/", 404), ("POST", "//v1/tokenize", 404)],
)
async def test_what_is_not_exactly_an_operation_is_none(method, path, status):
    """Another method or another spelling of the path reaches no endpoint."""
    async with client_of(service(good)) as client:
        assert (await client.request(method, path)).status_code == status


def test_every_operation_without_parameters_is_direct_and_documented():
    """None is left to the slow way, and each stands in the document."""
    app = FastAPI()
    planes = {one.plane: Api(good) for one in OPERATIONS}
    lanes = add_operations(app, planes)
    plain = {(one.method, one.path) for one in OPERATIONS if "{" not in one.path}
    assert set(lanes) == plain
    documented = app.openapi()["paths"]
    assert all(method.lower() in documented[path] for method, path in plain)


async def test_what_takes_too_long_is_ended():
    """The work inside is cancelled, and the caller told."""
    with pytest.raises(TimeoutError), Within(0.01):
        await asyncio.Event().wait()


@pytest.mark.parametrize("first", ["the time is up", "the caller goes"])
async def test_a_cancellation_from_outside_stays_one(first: str):
    """A caller that went away is not mistaken for a slow body, even when both happen at once."""
    limits: list[Within] = []

    async def slow() -> None:
        with Within(3600.0) as limit:
            limits.append(limit)
            await asyncio.Event().wait()

    task = asyncio.create_task(slow())
    await asyncio.sleep(0)
    ends = [limits[0]._expire, task.cancel]
    for end in ends if first == "the time is up" else reversed(ends):
        end()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelling() == 1, "and the one from outside is all that is left"


async def test_work_in_time_leaves_no_timer_behind():
    """What ended within its limit is not cancelled later."""
    with Within(0.02):
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
