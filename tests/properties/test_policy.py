"""Properties of decisions, policies, grants and registers over generated ones."""

import contextlib
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import structs

from tests.fakes.authority import POLICY
from vault.model import canonical
from vault.model.ask import PLANES, PURPOSEFUL, Allowed, Ask, Caller, Denied, Grant
from vault.model.grants import CLASSES, CLASSFUL, GrantError, check_together, parse_grant
from vault.model.register import CredentialEntry, Register, RegisterError, from_bytes, sort_grants, to_bytes
from vault.policy.decide import decide, granted
from vault.policy.diff import diff
from vault.policy.load import from_canonical, parse_toml
from vault.policy.rules import BASES, CustomType, Policy, PolicyError, Purpose, Transfers, to_canonical
from vault.retention.load import profiles
from vault.retention.rules import to_canonical as retention_bytes

PURPOSES = ("payment", "analytics", "communication", "marketing_display")
TYPES = ("pan", "bank_account", "email", "staff_no")
LINE = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=40)


@st.composite
def grants(draw, purposes=PURPOSES) -> Grant:
    verb = draw(st.sampled_from(sorted(PLANES)))
    purpose = draw(st.sampled_from(purposes)) if verb in PURPOSEFUL else None
    classes = draw(st.frozensets(st.sampled_from(CLASSES))) if verb in CLASSFUL else frozenset()
    return Grant(verb, purpose, classes)


@st.composite
def policies(draw) -> Policy:
    names = draw(st.sets(st.sampled_from(PURPOSES), min_size=1))
    cells = [(c, p) for c in CLASSES for p in names if c != "payment" or p == "payment"]
    return Policy(
        purposes={n: Purpose(n, draw(LINE), draw(st.sampled_from(BASES)), draw(LINE)) for n in names},
        matrix=draw(st.dictionaries(st.sampled_from(cells), st.sampled_from(["plain", "masked"])))
        if cells
        else {},
        searchable=draw(st.frozensets(st.sampled_from(TYPES))),
        types=draw(
            st.sampled_from([{}, {"staff_no": CustomType("staff_no", "No", "identity", "[0-9]{6}", "none")}])
        ),
        transfers=Transfers(
            draw(st.sampled_from(["IN", "DE"])), draw(st.frozensets(st.sampled_from(["KP", "IR"])))
        ),
    )


@st.composite
def asks(draw) -> Ask:
    """Asks that hit often, with now and then something that nobody should send."""
    held = tuple(draw(st.lists(grants(), max_size=5)))
    odd = st.text(max_size=5)
    return Ask(
        Caller("acme", "acme.x", "Asha", held, "client_secret_post", "::1", "r"),
        draw(st.sampled_from(sorted(PLANES)) | odd),
        draw(st.sampled_from(TYPES) | odd),
        draw(st.sampled_from(CLASSES) | odd),
        purpose=draw(st.none() | st.sampled_from(PURPOSES) | odd),
        form=draw(st.sampled_from(["plain", "masked"]) | odd),
        reference=draw(st.sampled_from(["payout-1"]) | st.none() | odd),
    )


@st.composite
def openings(draw) -> tuple[Ask, Policy]:
    """An ask and a policy that nearly always agree, give or take one thing."""
    policy, ask = draw(policies()), draw(asks())
    field_class, purpose = draw(st.sampled_from(sorted(policy.matrix) or [("payment", "payment")]))
    verb = draw(st.sampled_from(["detokenize", "detokenize", "search"]))
    held = (*ask.caller.grants, Grant(verb, purpose, frozenset(draw(st.sampled_from([[], [field_class]])))))
    return structs.replace(
        ask,
        caller=replace(ask.caller, grants=held),
        verb=verb,
        field_class=field_class,
        purpose=purpose,
        field_type=draw(st.sampled_from(TYPES)),
        form=draw(st.sampled_from(["plain", "masked", "masked"])),
        reference=draw(st.sampled_from(["payout-1", "payout-1", None])),
    ), policy


CASES = openings() | st.tuples(asks(), policies())


def allows(ask: Ask, policy: Policy) -> bool:
    return isinstance(decide(ask, policy), Allowed)


@given(CASES)
def test_every_ask_gets_an_answer_with_its_reason(case):
    """`decide` and `granted` are total, and no answer is without a rule."""
    ask, policy = case
    for decision in (granted(ask), decide(ask, policy)):
        assert isinstance(decision, Allowed | Denied)
        assert decision.rule
    if isinstance(granted(ask), Denied):
        assert decide(ask, policy) == granted(ask)


@given(CASES, st.data())
def test_taking_something_away_never_allows_more(case, data):
    """Without one grant, one right, one purpose or one searchable type, what was denied stays denied."""
    ask, policy = case
    assume(not allows(ask, policy))
    held = ask.caller.grants
    for index in range(len(held)):
        fewer = replace(ask.caller, grants=held[:index] + held[index + 1 :])
        assert not allows(structs.replace(ask, caller=fewer), policy)
    for cell in policy.matrix:
        rest = {c: form for c, form in policy.matrix.items() if c != cell}
        assert not allows(ask, replace(policy, matrix=rest))
    for name in policy.searchable:
        assert not allows(ask, replace(policy, searchable=policy.searchable - {name}))
    gone = data.draw(st.sampled_from(sorted(policy.purposes)))
    purposes = {n: p for n, p in policy.purposes.items() if n != gone}
    if purposes:
        matrix = {c: form for c, form in policy.matrix.items() if c[1] != gone}
        assert not allows(ask, replace(policy, purposes=purposes, matrix=matrix))


@given(CASES)
def test_masking_a_right_never_allows_more(case):
    """A policy that shows less allows less."""
    ask, policy = case
    assume(not allows(ask, policy))
    assert not allows(ask, replace(policy, matrix=dict.fromkeys(policy.matrix, "masked")))


@given(openings())
def test_what_is_opened_is_granted_and_opened(case):
    """An independent reading of the rules agrees with every permission to open a value."""
    ask, policy = case
    assume(ask.verb == "detokenize" and allows(ask, policy))
    right = policy.matrix[ask.field_class, ask.purpose]
    assert right == "plain" or ask.form == "masked"
    assert any(
        g.verb == "detokenize"
        and g.purpose == ask.purpose
        and (not g.classes or ask.field_class in g.classes)
        for g in ask.caller.grants
    )
    assert ask.purpose == "payment" or ask.field_class != "payment"
    assert ask.purpose != "payment" or ask.reference


@given(asks())
def test_the_shipped_policy_opens_for_payment_only(ask):
    """Whatever the grants: under the policy as shipped only the purpose payment opens."""
    if ask.verb in PURPOSEFUL and allows(ask, POLICY):
        assert ask.purpose == "payment"
        assert ask.verb == "detokenize"


@given(openings(), policies())
def test_diff_misses_no_widening(case, old):
    """When the new policy allows what the old one denied, the diff says that it widens access."""
    ask, new = case
    assume(allows(ask, new) and not allows(ask, old))
    assert "widens" in {change.effect for change in diff(old, new)}


@given(policies(), policies())
def test_diff_is_empty_for_equal_policies_only(old, new):
    """Policies differ exactly when their hashes do, and when the diff says so."""
    assert (old == new) == (old.hash == new.hash) == (not diff(old, new))


@given(policies())
def test_a_policy_survives_its_canonical_text(policy):
    """Printing and reading give the same policy and hash."""
    assert from_canonical(to_canonical(policy)) == policy
    assert from_canonical(to_canonical(policy)).hash == policy.hash


@given(grants())
def test_a_grant_survives_its_text(grant):
    """Printing and reading give the same grant."""
    assert parse_grant(str(grant)) == grant


@given(
    st.text() | st.from_regex(r"[a-z]{1,10}(:[a-z_]{1,9})?(@[a-z]{1,8}(,[a-z]{1,8}){0,3})?", fullmatch=True)
)
def test_a_grant_has_one_spelling(text):
    """Any text is a grant that prints the same, or is refused with our error."""
    with contextlib.suppress(GrantError):
        assert str(parse_grant(text)) == text


@given(st.text())
def test_any_text_is_a_policy_or_a_policy_error(text):
    """The TOML reader raises nothing foreign."""
    with contextlib.suppress(PolicyError):
        parse_toml(text)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SLOTS = st.sampled_from(
    ["purposes", "searchable", "types", "v", "payment", "title", "basis", "law", "opens", "consent", "plain"]
)
NEAR = st.recursive(
    SLOTS | st.integers(0, 2) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SLOTS, inner, max_size=5),
    max_leaves=16,
)


@given(TREES | NEAR)
def test_any_tree_is_a_policy_or_a_policy_error(tree):
    """Canonical JSON of any shape is refused with our error, or is a policy that prints the same."""
    try:
        data = canonical.dump(tree)
    except ValueError:
        return
    with contextlib.suppress(PolicyError):
        assert to_canonical(from_canonical(data)) == data


@st.composite
def registers(draw) -> Register:
    def entry(name: str) -> CredentialEntry:
        held = draw(st.lists(grants(), max_size=3))
        try:
            check_together(held)
        except GrantError:
            held = []
        return CredentialEntry(
            id=f"acme.{name}",
            person=draw(st.sampled_from(["Asha", "रवि", "O'Neil"])),
            grants=sort_grants(held),
            created_at=draw(st.integers(0, 2**53 - 1)),
            expires_at=draw(st.none() | st.integers(0, 2**53 - 1)),
            status=draw(st.sampled_from(["active", "revoked"])),
            secret_sha256=draw(st.none() | st.just("0f" * 32)),
            public_key=draw(st.none() | st.binary(min_size=32, max_size=32)),
        )

    names = sorted(draw(st.sets(st.from_regex(r"[a-z0-9_-]{1,8}", fullmatch=True), max_size=4)))
    ids = sorted(f"acme.{name}" for name in names)
    entries = tuple(entry(i.partition(".")[2]) for i in ids)
    rules = draw(st.sampled_from([None, *map(retention_bytes, profiles().values())]))
    return Register("acme", draw(st.integers(1, 2**53 - 1)), entries, to_canonical(draw(policies())), rules)


@given(registers())
def test_a_register_survives_its_bytes(register):
    """Printing and reading give the same register."""
    assert from_bytes(to_bytes(register)) == register


@given(registers(), st.data())
def test_a_register_has_one_spelling(register, data):
    """Any cut or changed byte gives another register that prints so, or our error."""
    good = to_bytes(register)
    at = data.draw(st.integers(0, len(good) - 1))
    byte = data.draw(st.binary(max_size=2))
    bad = good[:at] + byte + good[at + 1 :]
    with contextlib.suppress(RegisterError):
        assert to_bytes(from_bytes(bad)) == bad


@given(st.binary() | (TREES | NEAR).map(lambda tree: repr(tree).replace("'", '"').encode("utf-8", "replace")))
def test_any_bytes_are_a_register_or_a_register_error(data):
    """The reader raises nothing foreign."""
    with contextlib.suppress(RegisterError):
        from_bytes(data)
