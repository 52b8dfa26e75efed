"""Erasure certificates in every spelling but the right one: what both readers of them must refuse."""

import json

import rfc8785

from tests.vectors import certificates_by_the_page

CASES = json.loads(certificates_by_the_page.FILE.read_text("utf-8"))["cases"]
WHOLE = CASES[0]["file"].encode()
DOCUMENT = json.loads(CASES[0]["document"])


def rewritten(**changes):
    """The document with members changed, or left out where None, in canonical spelling."""
    return rfc8785.dumps({n: v for n, v in {**DOCUMENT, **changes}.items() if v is not None})


def with_item(which, changes):
    """The document with the item of one outcome changed."""
    changed = [{**one, **changes} if one["outcome"] == which else one for one in DOCUMENT["items"]]
    return rewritten(items=[{n: v for n, v in one.items() if v is not None} for one in changed])


FILES = [
    b"", WHOLE[:-1], WHOLE + b"\n", WHOLE.replace(b"\n", b"\r\n"), b"\n" + WHOLE, WHOLE + WHOLE,
    WHOLE.replace(b" v1", b" v2"), WHOLE.replace(b"\n2 ", b"\n02 "), WHOLE.replace(b"\n2 ", b"\n0 "),
    WHOLE.replace(b"\n2 ", b"\n2  "), WHOLE.replace(b"==\n", b"=\n"), WHOLE.replace(b'"v":1', b'"v": 1'),
    WHOLE.replace(b'"v":1', b'"v":1.0'), WHOLE.replace(b'"v":1', b'"v":true'), b"\xff" + WHOLE,
    WHOLE.replace(b'"v":1', b'"v":1,"v":1'), WHOLE[:-4] + bytes([WHOLE[-4] + 1]) + WHOLE[-3:],
    WHOLE.replace(b"strongroom", b"Strongroom", 1), WHOLE.replace(b"\n2 ", b"\n1234567890 "),
]  # fmt: skip
"""Line ends, spaces, versions, padding, stray bits of base64."""

WRONG = [
    {"v": 2}, {"tenant": "Acme"}, {"tenant": "other"}, {"case": ""}, {"subject": "asha@example.in"},
    {"items": []}, {"items": {}}, {"items": [1]}, {"items": DOCUMENT["items"][::-1]},
    {"items": DOCUMENT["items"] + DOCUMENT["items"][-1:]}, {"decided_by": "Meera Nair"},
    {"decided_by": "MEERA  nair"}, {"decided_by": "Meera\tNair"}, {"released_by": ""},
    {"decision": "0" * 63}, {"decision": "F" * 64}, {"log": "log.example.in/other"}, {"log": "x\u001b/acme"},
    {"final_after": None}, {"final_after": "2027-02-29"}, {"final_after": "20270415"}, {"final_after": 5},
    {"issued_at": "2027-01-15T08:00:00Z"}, {"issued_at": "2027-01-15T08:00:00.123456+00:00"},
    {"issued_at": 1}, {"released_by": "x" * 129}, {"issued_at": "2027-01-15T24:00:00.000000Z"},
    {"more": "x"}, {"subject": None}, {"tenant": 7},
]  # fmt: skip
WRONG_ITEMS = [
    ("erased", {"at": None}), ("erased", {"at": "2027-13-01T00:00:00.000000Z"}), ("erased", {"law": "x"}),
    ("erased", {"outcome": "lost"}), ("erased", {"outcome": []}), ("erased", {"commitment": "00"}),
    ("erased", {"event_id": "evt_0"}), ("erased", {"token": "tok_x"}), ("erased", {"field_type": "pan"}),
    ("erased", {"field_type": None}), ("erased", {"outcome": "archived"}), ("erased", {"commitment": None}),
    ("archived", {"until": None}), ("archived", {"law": "a\u2028b"}), ("archived", {"until": "2035-3-31"}),
    ("archived", {"law": "x" * 201}), ("archived", {"until": "2035-02-30"}), ("archived", {"reason": "x"}),
    ("refused", {"reason": ""}), ("refused", {"reason": "\u202ex"}), ("refused", {"outcome": "erased"}),
    ("refused", {"reason": "\u001b[2J"}), ("refused", {"reason": " x"}), ("refused", {"reason": "e\u0301"}),
]  # fmt: skip
DOCUMENTS = [
    *(rewritten(**changes) for changes in WRONG),
    *(with_item(which, changes) for which, changes in WRONG_ITEMS),
    b"[]", b"7", b"{}", b"", b"null",
]  # fmt: skip
"""One person for both, another tenant's log, an outcome without its date, and so on."""
