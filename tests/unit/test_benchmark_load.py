"""The load generator counts what a server really did, and its pictures are pictures."""

import socket
import threading
import xml.etree.ElementTree as ET
from argparse import Namespace
from contextlib import contextmanager

import pytest

from benchmarks.hot.cases import CASES
from benchmarks.hot.fair import CASES as FAIR
from benchmarks.hot.fair import Seen, ratios, table
from benchmarks.hot.flame import by_function, by_itself, by_package, flame
from benchmarks.hot.load import Plan, _whole, drive
from benchmarks.hot.measure import Stretch
from benchmarks.hot.plot import Axis, Plot
from benchmarks.hot.report import Report
from benchmarks.hot.wire import accounts, pans, request
from vault.fields.catalogue import BUILT_IN

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"


@contextmanager
def answering(*answers):
    """A server that gives these answers in turn, in two pieces each; its port, and how many it gave."""
    given = []

    def serve(connection):
        with connection:
            while connection.recv(65536):
                answer = answers[len(given) % len(answers)]
                given.append(answer)
                connection.sendall(answer[:9])
                connection.sendall(answer[9:])

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], given
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (GOOD, True),
        (GOOD[:-1], False),
        (GOOD[:20], False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nX: content-length: 9\r\nContent-Length: 2\r\n\r\nok", True),
    ],
)
def test_an_answer_is_whole_when_its_last_byte_is_there(answer, whole):
    """Neither a part of an answer nor a length in another header ends a request."""
    assert _whole(answer) is whole


def test_what_is_counted_is_what_was_answered():
    """Every answer is counted once, failures apart and with the first one's text."""
    with answering(GOOD, GOOD, BAD) as (port, given):
        taken = drive(Plan(port, [request("/", b"{}")], connections=1, seconds=0.8, warm=0))
    assert taken.answered == len(given) >= 4
    assert taken.served == given.count(GOOD)
    counted = len(taken.latencies) + taken.failed
    assert len(given) - 1 <= counted <= len(given)  # the last one may come after the end
    assert taken.failed == given[:counted].count(BAD)
    assert taken.first_failure.startswith("HTTP/1.1 503")
    assert 0 < taken.quantile(0.5) <= taken.quantile(0.99) < 300


def test_requests_arrive_at_their_rate():
    """Under a given rate the generator neither waits for answers nor sends more than arrive."""
    with answering(GOOD) as (port, given):
        taken = drive(Plan(port, [request("/", b"{}")], connections=8, seconds=0.5, rate=200, warm=0))
    assert taken.answered == len(given)
    assert 60 <= len(given) <= 140


def test_values_sent_are_valid():
    """Every value that the load sends is one the vault takes."""
    known = BUILT_IN
    assert all(known["bank_account"].normalise(one) for one in accounts(50))
    assert all(known["pan"].normalise(one) == one for one in pans(50))


def test_pictures_are_drawn():
    """Plots and flame graphs are well-formed, and a function's share is its own and what it called."""
    stacks = {("a/x:f", "vault/api/edge:g"): 3.0, ("a/x:f",): 1.0}
    assert (by_function(stacks)[0], by_itself(stacks)[0]) == (("a/x:f", 4.0), ("vault/api/edge:g", 3.0))
    assert dict(by_package(stacks)) == {"vault/api": 3.0, "a": 1.0}
    lines = {"ours <&>": [(1, 10.0), (64, 500.0)], "theirs": [(1, 0.0), (64, 90.0)]}
    pictures = (
        flame(stacks, "<&>"),
        Plot("t", Axis("x", base=2), Axis("y"), lines).svg(),
        Plot("t", Axis("x"), Axis("y", base=10), {"p99": [(10.0, 3.5), (90.0, 250.0)]}).svg(),
    )
    assert [ET.fromstring(one).tag for one in pictures] == ["{http://www.w3.org/2000/svg}svg"] * 3


def test_a_failed_request_voids_the_ratio_beside_an_abuser():
    """A p99 that leaves out refusals is held against nothing: neither of that case nor of one alone."""
    beside = FAIR[1]
    seen = [_seen("alone", 10.0), _seen(beside.name, 20.0)]
    assert ratios(seen, "tokenize", beside) == [2.0]
    for spoilt in ([seen[0], _seen(beside.name, 20.0, failed=1)], [_seen("alone", 10.0, failed=1), seen[1]]):
        assert ratios(spoilt, "tokenize", beside) == []
        assert "void" in [
            cell for column in table(spoilt, Namespace(rate=100)).columns for cell in column.cells
        ]


def _seen(case, p99, failed=0):
    return Seen("tokenize", case, 0, 100, failed, p99 / 2, p99, p99, 0.0, 0.0, "", 1.0, 0.0)


def test_ratios_are_within_a_round():
    """A slow round is held against itself; long lists against single calls; a given rate against nothing."""
    rounds = [("transit", (1000.0, 500.0, 800.0)), ("ours", (900.0, 600.0, 800.0))]
    single = [_stretch("tokenize", who, n, rate) for who, rates in rounds for n, rate in enumerate(rates)]
    bulk = [_stretch("tokenize, 1,000 at once", "ours", n, rate) for n, rate in enumerate((3000.0, 3000.0))]
    half = [_stretch("tokenize, half load", who, 0, 400.0) for who in ("transit", "ours")]
    report = Report({}, [*single, *bulk, *half], {})
    found = {case.name: report.ratios(case) for case in CASES if case.name.startswith("tokenize,")}
    assert report.ratios(CASES[0]) == {"transit": [0.9, 1.2, 1.0]}
    assert found["tokenize, 1,000 at once"] == {"transit": [3.0, 6.0]}
    assert found["tokenize, half load"] == {}


def _stretch(case, contender, number, rate):
    figures = dict.fromkeys(Stretch.__dataclass_fields__, 1.0)
    named = {"case": case, "contender": contender, "round": number, "values_per_second": rate, "failed": 0}
    return Stretch(**figures | named)
