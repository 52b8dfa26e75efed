"""Bodies at the edge: too large, too slow, too deep, or written to be quoted; and always a plain refusal."""

import asyncio
import json
import os
import time
from dataclasses import dataclass, replace

import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests.unit.test_gather import settle
from vault import metrics
from vault.api import edge
from vault.api.bodies import DetokenizeBody, TokenizeBody, decode
from vault.api.edge import LARGEST_BODY, read_body
from vault.api.ingest import idempotency_key
from vault.api.metered import metered
from vault.api.problems import Net, Netted, end_visit
from vault.errors import BadRequest, ServiceError, Throttled, TooLarge
from vault.model.ask import Caller
from vault.service.allowance import Allowance
from vault.service.doors import BODIES_AT_ONCE, BYTES_AT_ONCE
from vault.service.visit import Admission

JSON = (b"content-type", b"application/json")
SOMEBODY = Caller("acme", "acme.signup", "Ravi", (), "client_secret_basic", "203.0.113.7", "req_1")


class Gate:
    """Knows everybody by the name in his header, and counts who was asked for his body."""

    def __init__(self, admission: Admission | None = None) -> None:
        self.admission = admission or Admission.unlimited(clock=lambda: 0.0)

    async def authenticate(self, name: str | None, *, address: str, request_id: str) -> Caller:
        return replace(SOMEBODY, credential=name or "", address=address, request_id=request_id)

    def come(self, name: str, *parts: bytes, ends: bool = True) -> "Visitor":
        """A request of a credential that is on its way in."""
        sent = request(*parts, headers=(JSON, (b"authorization", name.encode())), ends=ends)
        sent.scope["state"] = {"request_id": "req_1"}
        return Visitor(sent, asyncio.create_task(edge.received(sent, self)))


@dataclass
class Visitor:
    """A request, and what became of it."""

    request: Request
    task: "asyncio.Task[tuple[Caller, bytes]]"

    async def go(self) -> None:
        """Whether it was let in or not."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        end_visit(self.request.scope)


def request(*parts: bytes, headers: tuple[tuple[bytes, bytes], ...] = (JSON,), ends: bool = True) -> Request:
    """A request whose body comes in these parts and then ends, or never does."""
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]

    async def receive() -> dict[str, object]:
        sent.scope["asked"] = sent.scope.get("asked", 0) + 1
        if waiting:
            return waiting.pop(0)
        if not ends:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    sent = Request({"type": "http", "method": "POST", "headers": list(headers)}, receive)
    return sent


async def test_a_stalled_upload_shuts_nobody_out():
    """While one body does not come, short and long ones of the same credential are worked on."""
    gate = Gate()
    stalled = [gate.come("quiet", b"{}"), *(gate.come("busy", b"{", ends=False) for _ in range(3))]
    await settle()
    for body in (b"{}", bytes(LARGEST_BODY)):
        other = gate.come("busy", body)
        await settle()
        assert other.task.done()
        assert (await other.task)[1] == body
        await other.go()
    for one in stalled:
        await one.go()
    assert gate.admission.bodies._doors == gate.admission.work._doors == {}


async def test_bodies_are_asked_for_only_as_fast_as_they_are_worked_on():
    """Beside another a credential has one long list under way, so many bodies held that wait, and the rest of
    them unread, whether they have arrived or not."""
    gate, long = Gate(), bytes(BYTES_AT_ONCE + 1)
    quiet = gate.come("quiet", b"{}")
    await settle()
    come = [gate.come("busy", long, ends=n % 2 == 0) for n in range(3 * BODIES_AT_ONCE)]
    await settle()
    assert [n for n, one in enumerate(come) if one.task.done()] == [0]
    assert [n for n, one in enumerate(come) if "asked" in one.request.scope] == list(
        range(1 + BODIES_AT_ONCE)
    )
    await come[0].go()
    await settle()
    assert [n for n, one in enumerate(come) if one.task.done()] == [0, 2]
    assert sum("asked" in one.request.scope for one in come) == 2 + BODIES_AT_ONCE
    for one in (quiet, *come):
        await one.go()
    assert gate.admission.bodies._doors == gate.admission.work._doors == {}


@pytest.mark.parametrize("ends", [True, False])
async def test_who_is_refused_waits_for_his_answer(monkeypatch: pytest.MonkeyPatch, ends: bool):  # noqa: FBT001
    """Past the rate the answer stays away although all of the body is here, or whatever of it comes, and all
    of that is thrown away."""
    # So long that no machine is slow enough to see it end; then none at all.
    monkeypatch.setattr(edge, "LINGER_SECONDS", 3600.0)
    gate = Gate(Admission.by(Allowance(1, 1, workers=1, clock=lambda: 0.0), clock=lambda: 0.0))
    good = gate.come("busy", b"{}")
    await settle()
    assert good.task.done()
    refused = gate.come("busy", b"[", b"1", b"]", ends=ends)
    await settle()
    assert (refused.request.scope.get("asked"), refused.task.done()) == (4, False)
    monkeypatch.setattr(edge, "LINGER_SECONDS", 0.0)
    last = gate.come("busy", b"{}", ends=ends)
    with pytest.raises(Throttled, match="rate_limited"):
        await last.task
    for one in (good, refused, last):
        await one.go()


async def test_what_a_refused_caller_is_kept_waiting_is_no_time_of_the_service(monkeypatch):
    """An abuser's answers stay away, and nobody reads in the metrics that the service has become slow."""
    # Long enough to be told from the rest, and short to wait for.
    monkeypatch.setattr(edge, "LINGER_SECONDS", 0.4)
    gate = Gate(Admission.by(Allowance(1, 1, workers=1, clock=lambda: 0.0), clock=lambda: 0.0))
    first, refused = gate.come("busy", b"{}"), gate.come("busy", b"{}")

    async def endpoint(_: Request) -> Response:
        await refused.task
        raise AssertionError

    began = time.perf_counter()
    with pytest.raises(Throttled):
        await metered("lingers", endpoint)(refused.request)
    took = time.perf_counter() - began
    seen = metrics.registry.get_sample_value("strongroom_request_seconds_sum", {"operation": "lingers"})
    assert took >= 0.2
    assert 0 <= seen <= took - 0.2
    for one in (first, refused):
        await one.go()


async def test_a_body_that_never_ends_is_refused():
    """A client that sends a byte and waits holds neither memory nor a connection for long: 400."""
    with pytest.raises(BadRequest) as refusal:
        await read_body(request(b"{", ends=False), seconds=0.05)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    "twice",
    [
        '{"subject":"cust-1","subject":"cust-2","items":[]}',
        '{"items":[{"type":"pan","value":"%B4111111111111111^A/B^2912101?","value":"ABCPE1234F"}]}',
        '{"items":[{"type":"pan","v\\u0061lue":"SECRET","value":"ABCPE1234F"}]}',
        '{"items":[{"type":"bank_account","value":{"cvv":"123","cvv":"123"}}]}',
    ],
)
def test_a_member_that_stands_twice_is_refused(twice):
    """No value hides behind another of the same name, at any depth, however the name is spelt."""
    with pytest.raises(BadRequest) as refusal:
        decode(twice.encode(), TokenizeBody)
    assert refusal.value.detail == "A member stands twice in one object."


def test_numbers_of_any_size_are_read():
    """What counts members trips over no number that JSON allows."""
    body = b'{"items":[{"type":"pan","value":[' + b"9" * 400 + b",1e300,-0.0]}]}"
    assert decode(body, TokenizeBody).items[0].type == "pan"
    with pytest.raises(BadRequest):
        decode(body.replace(b"1e300", b"9" * 5000), TokenizeBody)


async def test_a_client_that_goes_away_is_no_bug():
    """A connection lost within the body is a refusal like any other, not an error in the log."""

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    with pytest.raises(BadRequest):
        await read_body(Request({"type": "http", "method": "POST", "headers": [JSON]}, receive))


async def test_a_body_without_length_is_cut_off_at_the_limit():
    """Whatever the headers say, one byte over the limit is 413; the limit itself passes."""
    assert len(await read_body(request(bytes(LARGEST_BODY)))) == LARGEST_BODY
    with pytest.raises(TooLarge, match="too_large"):
        await read_body(request(bytes(LARGEST_BODY), b"1"))
    with pytest.raises(TooLarge):
        await read_body(request(b"12345"), most=4)


@pytest.mark.parametrize("length", [b"\xb2", b"9" * 5000, b"-1", b"0" * 5000 + b"2", b""])
async def test_a_strange_length_is_no_bug(length: bytes):
    """A Content-Length that is no length, or a very long one, never ends in a bug."""
    headers = (JSON, (b"content-length", length))
    try:
        assert await read_body(request(b"{}", headers=headers)) == b"{}"
    except TooLarge:
        assert length.startswith(b"9")


@pytest.mark.parametrize(
    "value", ["[" * 300 + "]" * 300, "[" * 900 + "]" * 900, '{"a":' * 260 + "1" + "}" * 260, "9" * 500]
)
def test_a_key_with_a_body_nobody_can_spell_is_refused(value: str):
    """With an idempotency key, JSON nested too deeply or with a huge number is 400, not a bug."""
    body = f'{{"mode":"each","items":[{{"type":"pan","value":{value}}}]}}'.encode()
    sent = request(headers=((b"idempotency-key", b"k1"),))
    with pytest.raises(BadRequest):
        idempotency_key(sent, SOMEBODY, "tokenize", body)


@pytest.mark.parametrize(
    "name",
    [
        "ABCPE1234F",
        "x` - at `$ABCPE1234F",
        "x - at `$.abcpe",
        "x - at `$.items[0].asha",
        "x - at `$.items[123456789]",
        "- at `$.9876543210",
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_an_unknown_member_is_not_quoted(name: str, inside: bool):  # noqa: FBT001
    """The name of a member we do not know may be a value: no spelling of it comes back."""
    body = {"purpose": "payment", "items": [{"token": "t", name: 1}]} if inside else {name: 1}
    with pytest.raises(ServiceError) as refusal:
        decode(json.dumps(body).encode(), DetokenizeBody)
    told = refusal.value.detail or ""
    assert not any(part in told for part in ("ABCPE", "asha", "abcpe", "9876", "1234"))


def test_the_place_of_an_error_is_told():
    """A wrong member is found by its path, which consists of our own names."""
    body = b'{"subject":"cust-1","items":[{"type":"pan","value":"x"},{"type":7,"value":"x"}]}'
    with pytest.raises(BadRequest) as refusal:
        decode(body, TokenizeBody)
    assert refusal.value.detail == "$.items[1].type is not as expected."


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ([], "127.0.0.1"),
        ([b"203.0.113.9"], "203.0.113.9"),
        ([b"10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        ([b"10.9.9.9", b"203.0.113.9"], "203.0.113.9"),
        ([b"not an address"], "127.0.0.1"),
        ([b"2001:db8::7"], "2001:db8::7"),
    ],
)
@pytest.mark.parametrize("behind_proxy", [True, False])
async def test_only_the_proxy_says_who_the_client_is(lines, client, behind_proxy):
    """Behind a proxy the last forwarded address counts, the one a client cannot write; else none does."""
    seen = []

    async def app(scope, _receive, _send):
        seen.append(scope["client"][0])

    net = Netted(app, Net(random=os.urandom, behind_proxy=behind_proxy))
    headers = [(b"x-forwarded-for", line) for line in lines]
    await net({"type": "http", "client": ("127.0.0.1", 1), "headers": headers}, None, None)
    assert seen == [client if behind_proxy else "127.0.0.1"]
