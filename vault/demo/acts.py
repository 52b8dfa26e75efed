"""The main job, act by act, over HTTP. Answers what happened; shows nothing and keeps no value."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from typing import Any, TypeVar

from vault.cli.http import Api, Problem
from vault.demo.signups import SignUp

T = TypeVar("T")
R = TypeVar("R")
Advance = Callable[[int], None]
"""Told how many more values are through."""

_AT_ONCE = 4
_SIGNUPS_PER_REQUEST = 40
_TOKENS_PER_REQUEST = 250


@dataclass(slots=True)
class SignedUp:
    """What became of the sign-ups."""

    accounts: dict[str, str] = field(default_factory=dict)
    """Token of each bank account → its owner's reference."""
    numbers: dict[str, str] = field(default_factory=dict, repr=False)
    """Token of each bank account → the number that was sent, to compare with what is opened."""
    kept: int = 0
    refused: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(type, code, rule) → how many."""
    seconds: float = 0.0
    same_tokens: bool = False
    """Whether the first request, sent again under its key, was answered with the same tokens."""


@dataclass(frozen=True, slots=True)
class PaidOut:
    """What a payout run opened."""

    opened: int
    agreed: int
    """How many were equal to what was signed up."""
    refused: Counter[str]
    seconds: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody tried to open a token."""

    who: str
    tried: str
    answer: str
    reason: str


def sign_up(api: Api, signups: Sequence[SignUp], run: str, advance: Advance) -> SignedUp:
    """Tokenize every value in bulk, item by item, each request under its own idempotency key."""
    done, began = SignedUp(), perf_counter()
    batches = list(_in_batches(signups, _SIGNUPS_PER_REQUEST))
    keys = [f"demo-{run}-{number}" for number in range(len(batches))]

    def send(batch: Sequence[SignUp], key: str) -> list[dict[str, Any]]:
        answered = _tokenize(api, batch, key)
        advance(len(answered))
        return answered

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = list(threads.map(send, batches, keys))
    done.seconds = perf_counter() - began
    for batch, answered in zip(batches, answers, strict=True):
        _note(batch, answered, done)
    again = _tokenize(api, batches[0], keys[0])
    done.same_tokens = [one.get("token") for one in again] == [one.get("token") for one in answers[0]]
    return done


def pay_out(api: Api, signed: SignedUp, reference: str, advance: Advance) -> PaidOut:
    """Open every bank account for `payment`; compare, count, forget."""
    began = perf_counter()

    def open_some(tokens: Sequence[str]) -> list[dict[str, Any]]:
        items = reveal(api, tokens, reference)
        advance(len(items))
        return items

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        batches = _in_batches(list(signed.accounts), _TOKENS_PER_REQUEST)
        opened = [item for items in threads.map(open_some, batches) for item in items]
    good = [item for item in opened if "value" in item]
    agreed = sum(item["value"]["number"] == signed.numbers[item["token"]] for item in good)
    refused = Counter(str(item["problem"]["code"]) for item in opened if "problem" in item)
    return PaidOut(len(good), agreed, refused, perf_counter() - began)


def reveal(api: Api, tokens: Sequence[str], reference: str, *, form: str = "plain") -> list[dict[str, Any]]:
    """Open tokens for `payment`."""
    body = {
        "purpose": "payment",
        "reference": reference,
        "reveal": form,
        "mode": "each",
        "items": [{"token": token} for token in tokens],
    }
    return list(api.post("/v1/detokenize", body, plane="reveal", patient=True)["items"])


def trespass(cast: Mapping[str, Api], token: str, reference: str) -> list[Attempt]:
    """Those who have no business with a value try to open it."""
    tries = (
        ("marketing", "reveal", "marketing_display"),
        ("marketing", "reveal", "payment"),
        ("signup", None, "payment"),
    )
    return [_attempt(cast[who], who, plane, purpose, (token, reference)) for who, plane, purpose in tries]


def accesses(api: Api, token: str) -> list[dict[str, Any]]:
    """Everything that was done with one token, the oldest first."""
    return list(api.post("/v1/events/query", {"token": token, "order": "oldest"}, plane="audit")["events"])


def _attempt(api: Api, who: str, plane: str | None, purpose: str, what: tuple[str, str]) -> Attempt:
    token, reference = what
    body = {"purpose": purpose, "reference": reference, "items": [{"token": token}]}
    tried = f"open it for {purpose}"
    try:
        # The sign-up service has a token for its own plane only, and tries with that one.
        api.post("/v1/detokenize", body, plane=plane)
    except Problem as problem:
        return Attempt(who, tried, f"{problem.http_status} {problem.code}", problem.detail or problem.title)
    return Attempt(who, tried, "200", "OPENED: this must not happen")


def _tokenize(api: Api, batch: Sequence[SignUp], key: str) -> list[dict[str, Any]]:
    items = [{**item, "subject": one.reference} for one in batch for item in one.items]
    return list(api.post("/v1/tokenize", {"mode": "each", "items": items}, plane="ingest", key=key)["items"])


def _note(batch: Sequence[SignUp], answers: Sequence[Mapping[str, Any]], done: SignedUp) -> None:
    sent = [(one.reference, item) for one in batch for item in one.items]
    for (reference, item), answer in zip(sent, answers, strict=True):
        problem = answer.get("problem")
        if problem is not None:
            rule = " ".join(str(problem[name]) for name in ("rule", "part") if name in problem)
            done.refused[item["type"], str(problem["code"]), rule] += 1
            continue
        done.kept += 1
        value = item["value"]
        if item["type"] == "bank_account" and not isinstance(value, str):
            done.accounts[answer["token"]] = reference
            done.numbers[answer["token"]] = value["number"]


def _in_batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
