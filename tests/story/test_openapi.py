"""Fuzzing from the OpenAPI document over a real socket: no 500, no echo, no answer that is not in it."""

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from tests.plugins.ports import free_port
from tests.plugins.process import ended
from tests.plugins.world import World

PEOPLE = {
    "ingest": "signup",
    "reveal": "payments",
    "office": "office",
    "audit": "auditor",
    "control": "admin",
}
EXAMPLES, MANY_EXAMPLES = 10, 100
OWN_WORDS = re.compile(r".{0,7}|[a-z_ ]*", re.ASCII | re.DOTALL)
"""Short and plain texts may well be words of our own sentences."""

pytestmark = pytest.mark.timeout(300)


@contextlib.contextmanager
def serving(world: World) -> Iterator[str]:
    """`strongroom serve` as its users run it, on the world's databases."""
    port = free_port()
    told = world.settings
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")},
        "STRONGROOM_DATA_URL": told.data_url,
        "STRONGROOM_KEYSTORE_URL": str(told.keystore_url),
        "STRONGROOM_VAULT_ADDR": told.vault_addr,
        "STRONGROOM_IDENTITIES": str(told.identities),
    }
    command = [sys.executable, "-m", "vault.cli", "serve", "--plane", "all", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_ready(url, process)
        yield url
    finally:
        ended(process)


def wait_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "the service ended at its start"
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        time.sleep(0.2)
    pytest.fail("the service did not become ready")


@pytest.mark.parametrize(
    "examples",
    [EXAMPLES, pytest.param(MANY_EXAMPLES, marks=(pytest.mark.campaign, pytest.mark.timeout(1800)))],
)
async def test_no_request_the_document_allows_or_forbids_breaks_the_service(found_world, examples):
    """Valid and invalid requests to every operation: never a 500, never a value sent back in an error."""
    world = await found_world("sqlite")
    bearers = {plane: await world.bearer(who, scope=plane) for plane, who in PEOPLE.items()}
    await world.hire("desk", ["notices", "consent", "subjects", "holds"])
    bearers |= dict.fromkeys(("people", "subjects", "holds"), await world.bearer("desk", scope="office"))
    with serving(world) as url:
        await asyncio.to_thread(fuzz, url, bearers, examples)


def fuzz(url: str, bearers: dict[str, dict[str, str]], examples: int) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 20
    for operation in operations:
        headers = bearers.get(operation.tags[0], bearers["audit"])
        for mode in schemathesis.GenerationMode:
            # An operation that takes nothing cannot be called wrongly.
            with contextlib.suppress(Unsatisfiable):
                fuzz_one(operation.as_strategy(generation_mode=mode), headers, examples)


def fuzz_one(strategy, headers: dict[str, str], examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def check(case):
        response = case.call(headers=headers)
        case.validate_response(
            response, checks=[not_a_server_error, status_code_conformance, content_type_conformance]
        )
        if response.status_code >= 400:
            echoed = [text for text in texts(case.body) if text in response.text]
            assert not echoed, (case.path, response.status_code)

    check()


def texts(value: object) -> Iterator[str]:
    """Every text in a body that cannot be a word of our own."""
    if isinstance(value, str) and OWN_WORDS.fullmatch(value) is None:
        yield value
        yield json.dumps(value)[1:-1]
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
