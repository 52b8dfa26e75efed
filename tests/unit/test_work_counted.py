"""How much work a list costs, counted: decisions, calls to the key server, connections."""

import asyncio
import json
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
import pytest_asyncio
from urllib3.connection import HTTPConnection

from keys.errors import Refused, Unreachable
from keys.methods import AppRole
from keys.nodes import Server
from keys.ring import WrappedDek
from keys.session import Session
from keys.transit import OPENING_CHUNK, Transit
from tests.fakes.inside import FIELDS, SHIPPED, caller, inside
from tests.fakes.key_server import FakeKeyServer
from vault.model.ask import Ask
from vault.model.secret import Secret
from vault.model.token import mint
from vault.policy import decide as deciding
from vault.service import asked, tokenize

DEK = b64encode(bytes(32)).decode()


def opens(connection, request) -> None:
    """As many DEKs as were asked for; everything in one answer."""
    results = [{"plaintext": DEK} for _ in json.loads(request.body or b"{}").get("batch_input", [])]
    raw = json.dumps({"data": {"batch_results": results}}).encode()
    connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(raw) + raw)


@pytest.fixture
def server() -> Iterator[FakeKeyServer]:
    fake = FakeKeyServer(opens)
    yield fake
    fake.close()


@pytest_asyncio.fixture
async def transit(server: FakeKeyServer) -> AsyncIterator[Transit]:
    ring = Transit(Server(server.addr), AppRole("role", "secret"))
    yield ring
    await ring.aclose()


async def test_a_long_list_is_opened_in_few_calls_over_kept_connections(server, transit):
    """1,000 DEKs take five calls, none of more than OpenBao reads, over four connections for ever."""
    wrapped = [WrappedDek(bytes([n % 256]) * 16, f"vault:v1:{DEK}") for n in range(1000)]
    lines = set()
    for done in range(1, 4):
        assert await transit.unwrap("acme", wrapped, batch="lst_x") == [bytes(32)] * 1000
        assert server.asked("strongroom/decrypt/kek-acme") == 5 * done
        lines |= {id(line) for line in server.open}
    assert max(request.body.count(b'"ciphertext"') for request in server.requests) == OPENING_CHUNK
    assert len(lines) <= 4
    assert server.asked("auth/approle/login") == 1


async def test_when_one_call_of_a_list_fails_the_others_are_not_tried_again(transit):
    """A list that failed leaves nothing behind that goes on asking until its deadline."""
    tries: Counter[str] = Counter()

    def work(part: Sequence[str], _: float) -> list[str]:
        tries.update(part)
        raise Refused("no") if part == ["refused"] else Unreachable("for now")

    with pytest.raises(Refused):
        await transit._in_chunks(["away", "refused", "gone"], work, None, 1)
    seen = tries.copy()
    await asyncio.sleep(0.3)
    assert tries == seen


def test_a_request_is_written_in_one_piece(server, monkeypatch):
    """Head and body go out together: whoever reads once has all of it."""
    written = []
    session = Session(Server(server.addr))

    def written_to(connection, data):
        written.append(bytes(data))
        return sent(connection, data)

    sent = HTTPConnection.send
    monkeypatch.setattr(HTTPConnection, "send", written_to)
    body = b'{"batch_input":[]}'
    for _ in range(2):
        answer = session.request(
            method="post", url=f"{server.addr}/v1/x", headers={"X-A": "b"}, data=body, timeout=(1, 1)
        )
        assert (answer.ok, json.loads(answer.raw.read())) == (True, {"data": {"batch_results": []}})
    session.close()
    assert len(written) == 2
    assert all(one.startswith(b"POST /v1/x HTTP/1.1\r\n") and one.endswith(body) for one in written)


@pytest.fixture
def decisions(monkeypatch) -> list[Ask]:
    """Every ask whose grant was looked for."""
    seen: list[Ask] = []
    real = deciding.granted

    def granted(ask):
        seen.append(ask)
        return real(ask)

    monkeypatch.setattr(deciding, "granted", granted)
    monkeypatch.setattr(asked, "granted", granted)
    return seen


async def test_a_list_to_seal_is_decided_once_for_each_kind(tmp_path, decisions):
    """However many values of two types a request brings: two decisions."""
    values = [
        tokenize.NewValue(kind, FIELDS.get(kind).field_class, "cust-1", Secret(b'"x"'), None)
        for kind in ("pan", "email") * 40
    ]
    async with inside(tmp_path) as parts:
        request = tokenize.TokenizeRequest(caller("acme", "signup", "tokenize"), "all", values)
        [answer] = await tokenize.tokenize("acme", [request], parts.ingest)
    assert len(answer) == 80
    assert [ask.field_type for ask in sorted(decisions, key=lambda ask: ask.field_type)] == ["email", "pan"]


def test_a_list_to_open_is_decided_once_for_each_kind(decisions):
    """A grant is looked for once for each type of token, and so is what the policy says."""
    ask = Ask(caller("acme", "pay", "detokenize:payment"), "detokenize", purpose="payment", reference="p-1")
    texts = [mint(kind, bytes([n]) * 17) for n in range(40) for kind in ("bank_account", "upi_vpa")]
    items = asked.asked_each(ask, [*texts, "no token", "nor this"], FIELDS)
    assert len(decisions) == 2
    assert [item.allowed for item in items] == [True] * 80 + [False] * 2
    decide = deciding.Deciding(SHIPPED)
    for item in items[:80]:
        decide(item.ask)
    assert len(decisions) == 4
