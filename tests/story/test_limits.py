"""Bodies that are too large, too many, or not what they claim: a clear refusal, and nothing stored."""

import json

import pytest
from sqlalchemy import func, select

from tests.plugins.world import World
from vault.store.schema import record

pytestmark = pytest.mark.asyncio(loop_scope="module")
CANARY = "Zyxgarb Plaintext"
ITEM = {"type": "person_name", "value": CANARY}


async def refused(service: World, path: str, body: bytes, *, who: str, media: str = "application/json"):
    """Send bytes; answer the problem, having checked that nothing was echoed and nothing kept."""
    before = await stored(service)
    headers = await service.bearer(who) | {"content-type": media}
    answer = await service.client.post(path, content=body, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in answer.text
    assert await stored(service) == before
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


async def stored(service: World) -> int:
    async with service.owner.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(record))


async def test_a_thousand_items_go_in_and_come_out_at_once(service: World):
    """A bulk call of 1,000 keeps its order, and each item has an event of its own."""
    names = [f"Asha Rao {chr(97 + n // 26 % 26)}{chr(97 + n % 26)}" for n in range(1000)]
    made = await service.tokenize([("person_name", name) for name in names], subject="cust-bulk")
    assert made.status_code == 200
    tokens = [item["token"] for item in made.json()["items"]]
    assert len(set(tokens)) == 1000
    opened = await service.detokenize(tokens)
    assert [item["value"] for item in opened.json()["items"]] == names
    told = await service.events(subject="cust-bulk", verb="detokenize")
    assert {event["token"] for event in told} == set(tokens)


async def test_a_path_that_is_nearly_right_is_not_redirected(service: World):
    """With a slash too many the answer is 404; nobody is sent, with a value, to the Host he named."""
    body = {"subject": "cust-1", "items": [ITEM]}
    answer = await service.post("/v1/tokenize/", body, who="signup", host="elsewhere.example")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_operation")
    assert "elsewhere" not in answer.text + str(answer.headers)


async def test_one_item_more_is_too_many(service: World):
    """1,001 items are refused as a whole, for every verb that takes a list."""
    body = json.dumps({"subject": "cust-1", "items": [ITEM] * 1001}).encode()
    problem = await refused(service, "/v1/tokenize", body, who="signup")
    assert (problem["status"], problem["code"]) == (413, "too_many_items")
    tokens = ["tok_pan_x"] * 1001
    for path, who, body in (
        ("/v1/detokenize", "payments", {"purpose": "payment", "items": [{"token": t} for t in tokens]}),
        ("/v1/inspect", "payments", {"tokens": tokens}),
        ("/v1/erase", "office", {"tokens": tokens, "reason": "case-1"}),
    ):
        problem = await refused(service, path, json.dumps(body).encode(), who=who)
        assert (problem["status"], problem["code"]) == (413, "too_many_items")


async def test_a_body_over_one_mebibyte_is_refused(service: World):
    """Whether its length is declared or it just keeps coming."""
    body = json.dumps({"subject": "cust-1", "items": [ITEM], "x": "y" * (1 << 20)}).encode()
    problem = await refused(service, "/v1/tokenize", body, who="signup")
    assert (problem["status"], problem["code"]) == (413, "too_large")

    async def parts():
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    headers = await service.bearer("signup") | {"content-type": "application/json"}
    answer = await service.client.post("/v1/tokenize", content=parts(), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"]
)
async def test_another_content_type_is_refused(service: World, media):
    """Only application/json is read."""
    body = json.dumps({"subject": "cust-1", "items": [ITEM]}).encode()
    problem = await refused(service, "/v1/tokenize", body, who="signup", media=media)
    assert (problem["status"], problem["code"]) == (415, "unsupported_media_type")


NONSENSE = {
    "empty": b"",
    "not json": b"{" + CANARY.encode(),
    "not utf-8": b'{"subject": "\xff\xfe"}',
    "nan": b'{"subject": NaN}',
    "deep": b"[" * 100_000,
    "deep object": b'{"items":' * 50_000,
    "huge number": b'{"subject":"c","items":[{"type":"pan","value":1' + b"0" * 5000 + b"}]}",
    "lone surrogate": b'{"subject":"c","items":[{"type":"pan","value":"\\ud800"}]}',
    "array": b"[1,2]",
    "null": b"null",
    "text": json.dumps(CANARY).encode(),
    "no items": json.dumps({"subject": "cust-1"}).encode(),
    "empty items": json.dumps({"subject": "cust-1", "items": []}).encode(),
    "items null": json.dumps({"subject": "cust-1", "items": None}).encode(),
    "item text": json.dumps({"subject": "cust-1", "items": [CANARY]}).encode(),
    "unknown member": json.dumps({"subject": "c", "items": [ITEM], CANARY: 1}).encode(),
    "unknown in item": json.dumps({"subject": "c", "items": [ITEM | {CANARY: CANARY}]}).encode(),
    "mode": json.dumps({"subject": "c", "items": [ITEM], "mode": CANARY}).encode(),
    "subject number": json.dumps({"subject": 5, "items": [ITEM]}).encode(),
    "subject e-mail": json.dumps({"subject": "zyx@example.com", "items": [ITEM]}).encode(),
    "subject phone": json.dumps({"subject": "9876543210", "items": [ITEM]}).encode(),
    "no subject": json.dumps({"items": [ITEM]}).encode(),
    "type": json.dumps({"subject": "c", "items": [{"type": CANARY, "value": "x"}]}).encode(),
    "value list": json.dumps({"subject": "c", "items": [{"type": "pan", "value": [[CANARY]]}]}).encode(),
    "value object": json.dumps({"subject": "c", "items": [{"type": "pan", "value": {"a": CANARY}}]}).encode(),
    "value null": json.dumps({"subject": "c", "items": [{"type": "pan", "value": None}]}).encode(),
    "cvv": json.dumps({"subject": "c", "items": [ITEM | {"value": {"cvv": "123"}}]}).encode(),
    "bank parts": json.dumps(
        {"subject": "c", "items": [{"type": "bank_account", "value": {"number": CANARY}}]}
    ).encode(),
    "nul": json.dumps({"subject": "c", "items": [{"type": "person_name", "value": "a\0b"}]}).encode(),
}


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_is_refused_and_not_repeated(service: World, body):
    """Whatever is wrong with a body: 400 or 422, no word of it in the answer, nothing stored."""
    problem = await refused(service, "/v1/tokenize", body, who="signup")
    assert problem["status"] in (400, 422)


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_at_detokenize_opens_nothing(service: World, body):
    """The same at the other end."""
    problem = await refused(service, "/v1/detokenize", body, who="payments")
    assert problem["status"] in (400, 422)


async def test_one_bad_item_stops_all_and_is_named(service: World):
    """In mode `all` the problem says which items, and by which rule, and nothing is stored."""
    items = [ITEM, {"type": "pan", "value": "ABCDE1234"}, ITEM, {"type": "nope", "value": "x"}]
    body = json.dumps({"subject": "cust-1", "items": items}).encode()
    problem = await refused(service, "/v1/tokenize", body, who="signup")
    assert problem["status"] == 422
    assert [(one["index"], one["code"]) for one in problem["errors"]] == [
        (1, "invalid_value"),
        (3, "unknown_type"),
    ]


async def test_each_keeps_the_good_items(service: World):
    """In mode `each` the good items are kept and the bad ones say why."""
    bad = [("person_name", "Asha Rao"), ("pan", "ABCDE1234"), ("card_number", "4111111111111111")]
    items = (await service.tokenize(bad, mode="each")).json()["items"]
    assert "token" in items[0]
    assert items[1]["problem"]["code"] == "invalid_value"
    assert items[2]["problem"]["code"] == "type_disabled"
    assert "4111111111111111" not in json.dumps(items)
