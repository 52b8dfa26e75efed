"""The main job over HTTP: tokenize at sign-up, open for payment, everyone else refused, all on record."""

import pytest

from tests.plugins.world import BANK, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_value_goes_in_and_comes_out_for_payment_only(service: World):
    """What sign-up tokenized, payments opens as it was sealed; the log says so and who else tried."""
    made = await service.tokenize([("bank_account", BANK), ("person_name", "Asha Rao")])
    assert made.status_code == 200
    items = made.json()["items"]
    assert [item["type"] for item in items] == ["bank_account", "person_name"]
    assert all(item["subject"] == "cust-8472" for item in items)
    assert BANK["number"] not in made.text
    tokens = [item["token"] for item in items]

    opened = await service.detokenize(tokens)
    assert [item["value"] for item in opened.json()["items"]] == [BANK, "Asha Rao"]
    assert [item["token"] for item in opened.json()["items"]] == tokens

    for who, purpose in (("marketing", "marketing_display"), ("marketing", "payment"), ("signup", "payment")):
        refused = await service.detokenize(tokens, who=who, purpose=purpose)
        assert refused.status_code == 403
        assert BANK["number"] not in refused.text

    told = await service.events(token=tokens[0], order="oldest")
    seen = [(event["verb"], event["actor"], event["decision"]) for event in told]
    assert seen[0] == ("tokenize", "acme.signup", "allow")
    assert seen[1] == ("detokenize", "acme.payments", "allow")
    assert seen[2:] == [
        ("detokenize", "acme.marketing", "deny"),
        ("detokenize", "acme.marketing", "deny"),
        ("detokenize", "acme.signup", "deny"),
    ]
    assert told[1]["purpose"] == "payment"
    assert told[1]["reference"] == "payout-2026-11-07"
    assert all(len(event["policy"]) == 64 for event in told)
