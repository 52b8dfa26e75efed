"""Every way a detokenize is refused, in the order that tells a stranger nothing."""

import pytest

from tests.plugins.world import BANK, World
from vault.model.token import mint

pytestmark = pytest.mark.asyncio(loop_scope="module")
UNKNOWN = mint("bank_account", bytes(range(17)))


def without_id(answer):
    """A problem's bytes, less the one member that differs with every request."""
    return answer.content.replace(answer.json()["request_id"].encode(), b"")


async def test_a_stranger_is_refused_before_any_lookup(service: World):
    """Without the grant, a token that exists and one that does not are refused with the same bytes."""
    token = (await service.tokenize([("bank_account", BANK)])).json()["items"][0]["token"]
    answers = [await service.detokenize([one], who="marketing") for one in (token, UNKNOWN)]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert without_id(answers[0]) == without_id(answers[1])


async def test_another_tenants_token_is_an_unknown_token(service: World):
    """A foreign token, an unknown one and one never made are told apart by no byte of the answer."""
    foreign = await service.tokenize([("bank_account", BANK)], tenant="globex")
    tokens = [foreign.json()["items"][0]["token"], UNKNOWN]
    answers = [await service.detokenize([token]) for token in tokens]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["code"] == "token_not_found"
    assert without_id(answers[0]) == without_id(answers[1])
    looks = [await service.post("/v1/inspect", {"tokens": [token]}, who="payments") for token in tokens]
    problems = [look.json()["items"][0]["problem"] for look in looks]
    assert problems[0] == problems[1]
    assert problems[0]["code"] == "token_not_found"


async def test_tenants_do_not_see_each_others_log(service: World):
    """What one tenant did is in its own log and in no other."""
    made = await service.tokenize([("bank_account", BANK)], tenant="globex")
    token = made.json()["items"][0]["token"]
    await service.detokenize([token])
    mine = await service.events(token=token)
    theirs = await service.events(token=token, tenant="globex")
    assert {event["actor"] for event in mine} == {"acme.payments"}
    assert {event["actor"] for event in theirs} == {"globex.signup"}


async def test_the_policy_speaks_after_the_lookup(service: World):
    """With the grant but against the policy the answer is 403 with the rule, for a token that exists."""
    token = (await service.tokenize([("bank_account", BANK)])).json()["items"][0]["token"]
    refused = await service.detokenize([token], who="marketing", purpose="marketing_display")
    assert refused.status_code == 403
    assert refused.json()["code"] == "policy_denied"
    assert "marketing_display" in refused.json()["detail"]
    gone = await service.detokenize([UNKNOWN], who="marketing", purpose="marketing_display")
    assert gone.status_code == 404


async def test_the_log_says_for_what_a_stranger_to_a_purpose_asked(service: World):
    """A denial for want of a grant names the purpose asked for where the policy has it, and no other text."""
    token = (await service.tokenize([("bank_account", BANK)])).json()["items"][0]["token"]
    for purpose in ("payment", "asharao"):
        assert (await service.detokenize([token], who="marketing", purpose=purpose)).status_code == 403
    tries = [event for event in await service.events(token=token) if event["actor"] == "acme.marketing"]
    assert [event.get("purpose") for event in tries] == [None, "payment"]


async def test_payment_without_a_reference_is_refused(service: World):
    """A payment names what it pays."""
    token = (await service.tokenize([("bank_account", BANK)])).json()["items"][0]["token"]
    refused = await service.detokenize([token], reference=None)
    assert refused.status_code == 400
    assert refused.json()["code"] == "reference_required"


async def test_an_erased_value_is_gone(service: World):
    """After an erase every read answers 410, and inspect says shredded."""
    token = (await service.tokenize([("bank_account", BANK)])).json()["items"][0]["token"]
    assert (await service.erase([token])).status_code == 200
    gone = await service.detokenize([token])
    assert gone.status_code == 410
    assert gone.json()["code"] == "erased"
    look = await service.post("/v1/inspect", {"tokens": [token]}, who="payments")
    assert look.json()["items"][0]["state"] == "shredded"


async def test_one_bad_token_keeps_all_values_back(service: World):
    """In mode `all` one refused token refuses the request, names its place, and nothing is opened."""
    token = (await service.tokenize([("bank_account", BANK)])).json()["items"][0]["token"]
    refused = await service.detokenize([token, UNKNOWN])
    assert refused.status_code == 404
    assert [(one["index"], one["code"]) for one in refused.json()["errors"]] == [(1, "token_not_found")]
    assert BANK["number"] not in refused.text
    last = (await service.events(token=token, verb="detokenize"))[0]
    assert (last["decision"], last["result"]) == ("allow", "withheld")


async def test_each_answers_for_each(service: World):
    """In mode `each` the good tokens open and the bad ones say why, in the order they came."""
    kept = (await service.tokenize([("bank_account", BANK), ("person_name", "Asha Rao")])).json()["items"]
    await service.erase([kept[1]["token"]])
    swapped = kept[0]["token"][:-1] + ("0" if kept[0]["token"][-1] != "0" else "1")
    asked = [kept[0]["token"], UNKNOWN, kept[1]["token"], swapped]
    items = (await service.detokenize(asked, mode="each")).json()["items"]
    assert items[0]["value"] == BANK
    assert [item["problem"]["status"] for item in items[1:]] == [404, 410, 422]
    assert [item["problem"]["code"] for item in items[1:]] == ["token_not_found", "erased", "malformed_token"]


async def test_a_slip_in_a_token_is_told_from_an_unknown_token(service: World):
    """One wrong character fails the check characters: 422, and the text is not repeated."""
    refused = await service.detokenize([UNKNOWN[:-1] + ("0" if UNKNOWN[-1] != "0" else "1")])
    assert refused.status_code == 422
    assert UNKNOWN[:-1] not in refused.text


async def test_masked_is_a_reveal_that_shows_less(service: World):
    """`reveal: masked` shows the masked form, and is an event like any other."""
    token = (await service.tokenize([("bank_account", BANK)])).json()["items"][0]["token"]
    shown = await service.detokenize([token], reveal="masked")
    assert shown.status_code == 200
    assert BANK["number"] not in shown.text
    assert shown.json()["items"][0]["value"]["number"].endswith("9012")
    assert (await service.events(token=token, verb="detokenize"))[0]["form"] == "masked"


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer x.y.z"}, {"authorization": "Basic eDp5"}])
async def test_who_does_not_say_who_he_is_gets_nowhere(service: World, header):
    """Without a valid access token every operation answers 401, whatever the body."""
    for path in ("/v1/tokenize", "/v1/detokenize", "/v1/erase", "/v1/events/query", "/v1/credentials"):
        answer = await service.client.post(path, json={"items": []}, headers=header)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
