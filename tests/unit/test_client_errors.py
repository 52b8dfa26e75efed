"""Errors of the client: the right class for each code, and not one value in any of them."""

import logging
import pickle
import traceback
from contextlib import suppress

import httpx
import pytest
import strongroom
from strongroom import (
    BadRequest,
    ClientError,
    Conflict,
    Erased,
    Faulty,
    InvalidValue,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    OutcomeUnknown,
    PolicyDenied,
    Problem,
    Strongroom,
    Tampered,
    Throttled,
    Unavailable,
    Value,
)
from strongroom.errors import refusal

from tests.fakes.server import FakeVault, answer, busy, dropped, slow, unreachable

CANARY = "CANARY50100012345678"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "reference_required", BadRequest),
        (413, "too_large", BadRequest),
        (422, "invalid_value", InvalidValue),
        (422, "malformed_token", InvalidValue),
        (422, "idempotency_key_reused", KeyReused),
        (401, "token_expired", NotAuthenticated),
        (403, "no_grant", NotAllowed),
        (403, "policy_denied", PolicyDenied),
        (404, "token_not_found", NotFound),
        (409, "record_changed", Conflict),
        (409, "record_tampered", Tampered),
        (410, "erased", Erased),
        (429, "throttled", Throttled),
        (500, "internal", Faulty),
        (503, "transit_sealed", Unavailable),
        (503, "outcome_unknown", OutcomeUnknown),
        (None, "record_tampered", Tampered),
    ],
)
def test_code_and_status_choose_the_class(status, code, kind):
    """Each problem becomes the most specific class there is for it, and keeps its code."""
    error = refusal(Problem(code, status=status))
    assert type(error) is kind
    assert error.code == code


def test_the_tree_at_the_top_is_the_tree():
    """The drawing in the docstring names every error there is, and every error has one root."""
    errors = {name for name in strongroom.__all__ if isinstance(getattr(strongroom, name), type)}
    errors = {name for name in errors if issubclass(getattr(strongroom, name), Exception)}
    drawn = strongroom.errors.__doc__
    assert all(f"─ {name} " in drawn or name == "ClientError" for name in errors)
    assert all(issubclass(getattr(strongroom, name), ClientError) for name in errors)


def test_error_survives_pickling():
    """A task queue may carry an error to another process without losing what it says."""
    error = refusal(Problem("policy_denied", rule="marketing: class tax is closed", status=403))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is PolicyDenied
    assert str(again) == str(error)
    assert again.rule == error.rule


ECHO = answer(422, f'{{"detail":[{{"input":"{CANARY}"}}]}}'.encode(), content_type="application/json")
FAULTS = [
    unreachable,
    dropped,
    slow,
    busy(status=503),
    ECHO,
    answer(200, f"<html>{CANARY}</html>".encode()),
    answer(200, f'{{"items":[{{"value":"{CANARY}"}}]}}'.encode()),
    answer(200, f'{{"items":[{{"token":"tok_x","type":7,"value":"{CANARY}"}}]}}'.encode()),
    answer(502, CANARY.encode()),
]


@pytest.mark.parametrize("path", ["/v1/tokenize", "/v1/detokenize"])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_error_carries_a_value(path, fault, caplog):
    """Message, arguments, attributes, chain and the locals of every frame of ours are free of values."""
    fake = FakeVault()
    transport = httpx.MockTransport(fake.handle)
    vault = Strongroom("https://vault.test", fake.client_id, fake.secret, transport=transport, attempts=2)
    token = vault.tokenize("cust-1", {"pan": Value(CANARY)})["pan"].token
    fake.fail(path, fault, fault)
    with caplog.at_level(logging.DEBUG), pytest.raises(ClientError) as caught:
        vault.tokenize("cust-2", {"pan": Value(CANARY)}) if path == "/v1/tokenize" else _open(vault, token)
    assert CANARY not in caplog.text
    assert CANARY not in _everything(caught.value)
    vault.close()


def _open(vault, token):
    with vault.payment("payout-1") as p:
        p.open(token)


def _everything(error):
    """What an error reporter would send home."""
    told = []
    while error is not None:
        told += [repr(error), str(error), repr(error.args), repr(vars(error))]
        for frame in traceback.TracebackException.from_exception(error, capture_locals=True).stack:
            if "test_client" not in frame.filename:
                told.append(repr(frame.locals))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            for name, held in frame.f_locals.items():
                if name not in {"vault", "caught", "fault", "transport", "fake"}:
                    with suppress(TypeError):
                        told.append(repr(getattr(held, "content", "")) + repr(getattr(held, "__dict__", "")))
        error = error.__cause__ or error.__context__
    return "\n".join(told)


def test_invalid_value_says_where_and_why_and_not_what():
    """The message names field and rule, so that a log line is enough to act on."""
    fake = FakeVault()
    with (
        Strongroom(
            "https://vault.test", fake.client_id, fake.secret, transport=httpx.MockTransport(fake.handle)
        ) as v,
        pytest.raises(InvalidValue) as caught,
    ):
        v.tokenize("cust-1", {"email": "a@b.in", "pan": "bad"})
    assert str(caught.value) == (
        "invalid_value: Title of invalid_value. (format) [0] pan: invalid_value (format) [request req_1]"
    )


def test_words_of_a_problem_cannot_break_a_log_line():
    """Control characters and endless texts in a problem do not reach the message."""
    fake = FakeVault()
    body = b'{"code":"x","title":"line\\nbreak \\u001b[31m red ' + b"z" * 5_000 + b'"}'
    fake.fail("/v1/fields", answer(403, body, content_type="application/problem+json"))
    with (
        Strongroom(
            "https://vault.test", fake.client_id, fake.secret, transport=httpx.MockTransport(fake.handle)
        ) as v,
        pytest.raises(NotAllowed) as caught,
    ):
        v.fields()
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400
