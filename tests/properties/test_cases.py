"""Properties of cases, decisions, disclosures and letters over generated histories, people and texts."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.paperwork import KOLKATA, PAN, TOKENS, act, disclosure, order, receive, released
from vault.cases import decisions
from vault.cases.decisions import ArchiveUntil, EraseNow, ErasureDecision, Proposal, Refuse
from vault.cases.disclosures import RECIPIENT_KINDS, Borders, Recipient, Wanted, may_disclose
from vault.cases.letters import COLUMNS, Heading, Told, erasure_letter
from vault.cases.machine import ACTS, KINDS, Act, CaseError, Ready, fold, late, may
from vault.model.ask import Allowed, Denied
from vault.model.grants import CLASSES
from vault.model.persons import same_person

DAYS = st.dates(date(2020, 1, 1), date(2060, 1, 1))
TEXTS = st.text(max_size=30)
LINES = st.sampled_from(["Companies Act 2013 s. 128(5)", "Why not.", "", "a\nb"]) | TEXTS
VERDICTS = st.one_of(
    st.just(EraseNow()), st.builds(ArchiveUntil, DAYS, LINES), st.builds(Refuse, LINES)
)  # fmt: skip
PROPOSALS = st.builds(
    Proposal, st.sampled_from(TOKENS), st.just("pan"), st.booleans(), st.booleans(), st.none() | DAYS,
    st.just("Companies Act 2013 s. 128(5)"), st.just("Kept for the books."),
)  # fmt: skip
SETS = st.lists(PROPOSALS, min_size=1, max_size=3, unique_by=lambda proposal: proposal.token)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["reason", "decision", "v", "items", "four_eyes"]) | TEXTS, JSON)
PEOPLE = st.sampled_from(["asha", "ravi", "meera"])


@st.composite
def acts(draw) -> Act:
    """Acts that fit now and then: documents of any shape, people of three."""
    proposed = decisions.proposals_document(draw(SETS))
    made = draw(
        st.sampled_from([{}, {}, {"reason": "No."}, {"four_eyes": True}, order(), proposed]) | DOCUMENTS
    )
    if draw(st.booleans()):
        return released(order(), draw(PEOPLE))
    return act(draw(st.sampled_from(ACTS)), draw(PEOPLE), made)


@st.composite
def histories(draw) -> list[Act]:
    """Histories that the machine let happen, act by act; each offered act is taken or not."""
    kind = draw(st.sampled_from(KINDS))
    taken = [receive(kind, draw(PEOPLE), own=draw(st.booleans()))]
    proposed = draw(SETS)
    chosen = decisions.decide(proposed, decisions.as_proposed(proposed))
    decided = decisions.to_document(chosen) if kind == "erasure" else {"four_eyes": draw(st.booleans())}
    fitting = {
        "evaluate": decisions.proposals_document(proposed),
        "decide": order() if kind == "disclosure" else decided,
        "reject": {"reason": "No."},
        "send_back": {"reason": "No."},
    }
    for _ in range(draw(st.integers(0, 12))):
        case = fold(taken, zone=KOLKATA)
        step = draw(st.sampled_from([*case.waits_for, *ACTS]))
        document = {"decision": case.decision} if step == "release" else fitting.get(step, {})
        one = act(step, draw(PEOPLE), document)
        if isinstance(may(case, one), Ready):
            taken.append(one)
    return taken


@given(histories())
def test_what_was_let_happen_folds(history):
    """Every history made of acts that were allowed is a case, as is each beginning of it."""
    for count in range(1, len(history) + 1):
        case = fold(history[:count], zone=KOLKATA)
        assert case.acts == count
        assert late(case, date(2026, 11, 7)) == 0


@given(histories())
def test_nothing_needs_one_pair_of_eyes_where_two_are_due(history):
    """What is carried out and needs two persons was released by another than the one who decided."""
    case = fold(history, zone=KOLKATA)
    carried_out = any(one.kind == "carry_out" for one in history)
    if carried_out and case.needs_release:
        assert case.released.document == {"decision": case.decision}
        assert not same_person(case.released.person, case.decided.person)
        assert not (case.own and same_person(case.released.person, case.opened.person))
    if case.own and case.decided:
        assert not same_person(case.decided.person, case.opened.person)
    if carried_out and case.kind != "disclosure":
        assert [one.kind for one in history][1] == "verify"


@given(st.lists(acts(), max_size=8), st.sampled_from(KINDS), st.booleans())
def test_fold_raises_only_its_own_error(some, kind, opened):
    """Any acts at all are a case or no case: nothing else is raised, whatever their documents hold."""
    try:
        fold([receive(kind), *some] if opened else some, zone=KOLKATA)
    except CaseError as error:
        assert 0 <= error.number <= len(some)


@given(SETS, st.data())
def test_no_decision_erases_what_must_stay(proposals, data):
    """Whatever verdicts are asked for, a decision that passes erases only what is free to go."""
    verdicts = {proposal.token: data.draw(VERDICTS) for proposal in proposals}
    decision = decisions.decide(proposals, verdicts)
    if not isinstance(decision, ErasureDecision):
        return
    by_token = {proposal.token: proposal for proposal in proposals}
    assert [item.token for item in decision.items] == sorted(by_token)
    for item in decision.items:
        proposal, verdict = by_token[item.token], item.verdict
        if isinstance(verdict, EraseNow):
            assert (proposal.may_erase, proposal.held, proposal.keep_until) == (True, False, None)
        if isinstance(verdict, ArchiveUntil) and proposal.keep_until:
            assert verdict.until >= proposal.keep_until
    written = decisions.to_document(decision)
    assert decisions.read_decision(written, proposals) == decision


@given(SETS)
def test_what_is_proposed_passes(proposals):
    """Following the proposals is always a decision."""
    assert isinstance(decisions.decide(proposals, decisions.as_proposed(proposals)), ErasureDecision)


@given(DOCUMENTS | st.fixed_dictionaries({"v": st.just(1), "items": JSON}), SETS)
def test_decisions_are_read_without_raising(document, proposals):
    """No document, however odd, makes reading a decision raise, nor passes by accident."""
    found = decisions.read_decision(document, proposals)
    assert not isinstance(found, ErasureDecision) or decisions.to_document(found) == document


TODAY = date(2026, 11, 7)
BEST = Recipient(
    "cybercell", "Cyber Cell", "authority", "DE", frozenset(CLASSES), "DPA of 2026", "SCC 2021/914", TODAY
)
FITTING = Wanted("cust-8472", PAN, "tax", "BNSS-94-2026-113", disclosure())
COUNTRY = st.sampled_from(["IN", "DE", "KP"])
CASES = st.sampled_from([None, *(disclosure(until) for until in ("receive", "decide", "release", "answer"))])
OF_RECIPIENT = {
    "kind": st.sampled_from(RECIPIENT_KINDS), "country": COUNTRY, "undertaking": st.none(),
    "safeguard": st.none(), "expires": st.none() | DAYS, "ended": st.booleans(),
    "classes": st.frozensets(st.sampled_from(CLASSES)),
}  # fmt: skip
OF_WANTED = {
    "subject": st.just("cust-1"), "token": st.sampled_from(TOKENS), "approved": CASES,
    "field_class": st.sampled_from(CLASSES) | TEXTS, "legal_reference": st.none() | TEXTS,
}  # fmt: skip
RECIPIENTS = st.fixed_dictionaries({}, optional=OF_RECIPIENT).map(lambda some: replace(BEST, **some))
WANTED = st.fixed_dictionaries({}, optional=OF_WANTED).map(lambda some: replace(FITTING, **some))
BORDERS = st.builds(Borders, COUNTRY, st.frozensets(COUNTRY | COUNTRY.map(str.lower), max_size=1))


@given(RECIPIENTS, WANTED, BORDERS, st.just(TODAY) | DAYS)
def test_what_is_disclosed_passed_every_check(recipient, wanted, borders, today):
    """Whatever is allowed goes to no blocked country, to nobody past their day, and is needed to know."""
    decision = may_disclose(recipient, wanted, borders=borders, today=today)
    assert isinstance(decision, Allowed | Denied)
    if isinstance(decision, Denied):
        return
    assert recipient.country not in {one.upper() for one in borders.blocked_countries}
    assert wanted.field_class in recipient.classes
    assert not recipient.ended
    assert recipient.expires is None or today <= recipient.expires
    assert recipient.kind == "authority" or recipient.undertaking
    assert recipient.country == borders.home_country or recipient.safeguard
    assert wanted.legal_reference
    assert recipient.kind != "authority" or wanted.approved.state == "released"


@given(RECIPIENTS, WANTED, DAYS)
def test_nothing_passes_a_blocked_border_or_beyond_need(recipient, wanted, today):
    """Take any recipient at its best: block its country, or take its class, and nothing goes there."""
    best = replace(recipient, ended=False, undertaking="DPA", safeguard="SCC", expires=None)
    blocked = Borders("IN", frozenset({recipient.country.lower()}))
    assert isinstance(may_disclose(best, wanted, borders=blocked, today=today), Denied)
    needless = replace(best, classes=recipient.classes - {wanted.field_class})
    denied = may_disclose(needless, wanted, borders=Borders(recipient.country), today=today)
    assert denied.code == "not_needed_to_know"


@given(TEXTS, TEXTS, TEXTS, st.lists(TEXTS, max_size=2), DAYS)
def test_letters_are_plain_text(title, law, reason, others, day):
    """Whatever text goes in, a letter is short lines of visible characters."""
    fields = [
        Told(title, ArchiveUntil(day + timedelta(1), law)), Told(law, Refuse(reason)),
        *(Told(one, EraseNow()) for one in others),
    ]  # fmt: skip
    letter = erasure_letter(Heading(title, reason, day), fields, final_after=day)
    for line in letter.split("\n"):
        assert len(line) <= COLUMNS
        assert line.replace("\u200c", "").replace("\u200d", "").isprintable()
    letter.encode()
