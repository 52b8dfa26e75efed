"""Turns: whoever sends most, in requests or in items, makes nobody else wait for more than about a list."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.service.turns import WORTH_A_LIST, Turns

MOST = 1000


@dataclass(frozen=True)
class Ask:
    """A request of some items; `name` says whose it is and when it came."""

    name: str
    items: int = 1


def desk(lists_at_once: int = 2, **waiting: list[int]) -> Turns[Ask]:
    """Turns in which requests of these many items wait already, one credential after the other."""
    turns: Turns[Ask] = Turns(lists_at_once)
    for credential, sizes in waiting.items():
        for number, items in enumerate(sizes):
            turns.add(credential, Ask(f"{credential}{number}", items))
    return turns


def names(taken: dict[str, list[Ask]]) -> list[str]:
    return sorted(ask.name for some in taken.values() for ask in some)


def items(taken: dict[str, list[Ask]]) -> dict[str, int]:
    return {credential: sum(ask.items for ask in some) for credential, some in taken.items()}


@pytest.mark.parametrize("sizes", [[1] * 8000, [1000] * 8, [1, 1000] * 8], ids=["singles", "bulk", "mixed"])
def test_newcomer_waits_for_no_backlog(sizes):
    """With 8,000 items of another credential waiting, and both its lists under way, a newcomer goes at once;
    with one list more under way he is in the next."""
    turns = desk(abuser=sizes)
    under_way = [turns.next_list(MOST), turns.next_list(MOST)]
    turns.add("quiet", Ask("quiet"))
    first = turns.next_list(MOST)
    assert names(first) == ["quiet"]
    turns.add("other", Ask("other"))
    assert turns.next_list(MOST) == {}
    turns.done(under_way[0])
    assert names(turns.next_list(MOST)) == ["other"]


def test_a_few_wait_for_the_list_under_way():
    """What waits beside a list of its own credential is gathered until it is worth one; others need not."""
    turns = desk(singles=[1])
    under_way = turns.next_list(MOST)
    for number in range(1, WORTH_A_LIST):
        turns.add("singles", Ask(f"more{number}"))
    assert not turns.ready()
    turns.add("singles", Ask("last"))
    assert items(turns.next_list(MOST)) == {"singles": WORTH_A_LIST}
    turns.done(under_way)
    turns.add("other", Ask("other"))
    assert turns.ready()


def test_a_few_do_not_wait_behind_a_long_list():
    """Beside a thousand of its own credential a single request has the second list at once."""
    turns = desk(mixed=[MOST])
    under_way = turns.next_list(MOST)
    turns.add("mixed", Ask("single"))
    short = turns.next_list(MOST)
    assert names(short) == ["single"]
    turns.done(under_way)
    turns.add("mixed", Ask("next"))
    assert not turns.ready()
    turns.done(short)
    assert turns.ready()


def test_nobody_takes_every_door():
    """However much of one credential waits, it has no more lists under way than its two."""
    turns = desk(abuser=[1000] * 8)
    assert [bool(turns.next_list(MOST)) for _ in range(4)] == [True, True, False, False]
    assert not turns.ready()
    turns.add("quiet", Ask("quiet"))
    assert turns.ready()


def test_beside_others_a_credential_has_one_list_at_a_time():
    """Each of two busy ones has one list under way, not two, and its next when that has run."""
    turns = desk(one=[1000] * 4, other=[1000] * 2)
    under_way = [turns.next_list(MOST) for _ in range(3)]
    assert [list(taken) for taken in under_way] == [["one"], ["other"], []]
    turns.done(under_way[0])
    assert list(turns.next_list(MOST)) == ["one"]
    assert turns.next_list(MOST) == {}


def test_two_that_send_too_much_share_by_items():
    """Singles in thousands and lists of 100: of what is taken each has half, although one sent 100 times the
    requests."""
    turns = desk(singles=[1] * 4000, lists=[100] * 40)
    got = {"singles": 0, "lists": 0}
    for _ in range(5):
        taken = turns.next_list(MOST)
        turns.done(taken)
        got = {name: got[name] + items(taken)[name] for name in got}
    assert sum(got.values()) == 5 * MOST
    assert abs(got["singles"] - got["lists"]) <= 100


def test_who_got_a_thousand_lets_others_have_a_thousand_first():
    """A credential whose queue is empty between its bulk requests does not begin anew with each."""
    turns = desk(lists_at_once=1, abuser=[1000], singles=[1] * 3000)
    turns.done(turns.next_list(MOST))
    turns.add("abuser", Ask("again", 1000))
    passed = 0
    while "abuser" not in (taken := turns.next_list(MOST)):
        passed += items(taken)["singles"]
        turns.done(taken)
    assert passed >= MOST


def test_large_request_is_not_put_off_for_ever():
    """While another sends singles without end, 1,000 at once have their turn after about as many."""
    turns = desk(lists_at_once=1, bulk=[1000], singles=[1] * 10)
    passed = 0
    while "bulk" not in (taken := turns.next_list(MOST)):
        passed += items(taken)["singles"]
        turns.done(taken)
        for number in range(10):
            turns.add("singles", Ask(f"more{passed + number}"))
    assert passed <= 2 * MOST


def test_silence_earns_nothing():
    """Who was away while others were served is not owed what they got meanwhile."""
    turns = desk(lists_at_once=1, busy=[1] * 5000)
    turns.add("away", Ask("first"))
    for _ in range(3):
        turns.done(turns.next_list(MOST))
    for number in range(3000):
        turns.add("away", Ask(f"back{number}"))
    assert abs(items(turns.next_list(MOST))["away"] - MOST // 2) <= 1


def test_a_visitor_halves_nobody_for_long():
    """One that sent a single request and is gone leaves both lists to the one that is busy all along."""
    turns = desk(busy=[1] * 8000)
    under_way = [turns.next_list(MOST)]
    turns.add("visitor", Ask("visitor"))
    under_way.append(turns.next_list(MOST))
    assert names(under_way[1]) == ["visitor"]
    assert turns.next_list(MOST) == {}, "while the visitor is there, the other has one list"
    for taken in under_way:
        turns.done(taken)
    turns.done(turns.next_list(MOST))  # by now the other has had its turn, too
    assert [items(turns.next_list(MOST)) for _ in range(2)] == [{"busy": MOST}] * 2


def test_who_has_been_served_is_forgotten():
    """Nothing is kept of credentials that come and go."""
    turns = desk()
    for number in range(50):
        turns.add(f"c{number}", Ask("one"))
        turns.done(turns.next_list(MOST))
    assert turns._lines == {}


@given(
    st.lists(
        st.one_of(st.tuples(st.sampled_from("abc"), st.integers(1, 40)), st.just("take"), st.just("done")),
        max_size=80,
    )
)
def test_everyone_is_served_once_in_order_and_within_the_bounds(steps):
    """Whatever comes in whatever order: each request is taken once, those of a credential in their order, no
    list is too long unless it is one request, no credential has too many, and nobody is left behind."""
    turns: Turns[Ask] = Turns(2)
    sent: dict[str, list[Ask]] = {"a": [], "b": [], "c": []}
    got: dict[str, list[Ask]] = {"a": [], "b": [], "c": []}
    under_way: list[dict[str, list[Ask]]] = []

    def take() -> bool:
        ready, taken = turns.ready(), turns.next_list(30)
        assert ready == bool(taken)
        if taken:
            under_way.append(taken)
            for name, some in taken.items():
                got[name] += some
                assert sum(name in one for one in under_way) <= 2
            whole = [ask for some in taken.values() for ask in some]
            assert sum(ask.items for ask in whole) <= 30 or len(whole) == 1
            assert len(under_way) <= 3
        return bool(taken)

    for step in steps:
        if step == "take":
            take()
        elif step == "done":
            if under_way:
                turns.done(under_way.pop(0))
        else:
            name, count = step
            sent[name].append(Ask(f"{name}{len(sent[name])}", count))
            turns.add(name, sent[name][-1])
    while take() or under_way:
        if under_way:
            turns.done(under_way.pop(0))
    assert got == sent
    assert [turns.items(name) for name in sent] == [0, 0, 0]
