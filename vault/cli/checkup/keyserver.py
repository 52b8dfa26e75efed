"""The key server: whether it serves, whether each identity can do its work alone, its policies, its clock."""

import time
from dataclasses import replace
from datetime import UTC, datetime

from keys.admin import Admin
from keys.errors import KeysError
from keys.identity import read_identity
from keys.policies import IDENTITIES, guard, policy, policy_name
from keys.selfcheck import assert_least
from keys.transit import Transit
from vault.cli.checkup.finding import Finding, any_plane, failed, here, tenants_of
from vault.settings import Settings

NAME = "key server"
_HEALTH = {200: "answers, unsealed", 429: "a standby answers", 473: "a performance standby answers"}
_APART, _FAR_APART = 2.0, 30.0
"""Seconds between clocks: past the first, times look odd; past the second, tokens are refused."""


async def serves(settings: Settings) -> list[Finding]:
    """Each node answers and is unsealed."""
    found = []
    for node in settings.server.nodes():
        try:
            status = Admin.with_token(node, "").status("get", "sys/health")
        except KeysError as error:
            failure = failed(NAME, error, "is it running?")
            found.append(replace(failure, says=f"{node.address}: {failure.says}"))
        else:
            found.append(_health(node.address, status))
    return found


def _health(address: str, status: int) -> Finding:
    if status in _HEALTH:
        return Finding(NAME, "ok", f"{address} {_HEALTH[status]}")
    do = {503: "unseal it", 501: "initialise and provision it"}.get(status, "look at its log")
    return Finding(NAME, "bad", f"{address} answers {status}", do)


async def privileges(settings: Settings) -> list[Finding]:
    """Each identity here can do its work and nothing else, and no key can leave."""
    tenants = await tenants_of(settings)
    found = []
    for name in (one for one in IDENTITIES if here(settings, one)):
        transit = Transit(
            settings.server, read_identity(settings.identity_file(name)), mount=settings.vault_mount
        )
        try:
            await assert_least(transit, name, tenants)
            found.append(Finding(f"privileges of {name}", "ok", "exactly its plane's; its keys cannot leave"))
        except KeysError as error:
            found.append(failed(f"privileges of {name}", error, "run `strongroom provision` again"))
        finally:
            await transit.aclose()
    return found


def policies(settings: Settings, token: str) -> list[Finding]:
    """Every policy's text is the one this version provisions. Takes a token that may read policies."""
    admin = Admin.with_token(settings.server, token)
    mount = settings.vault_mount
    wanted = {name: policy(name, mount) for name in IDENTITIES} | {"guard": guard(mount)}
    wrong = []
    for name, text in wanted.items():
        try:
            found = admin.get(f"sys/policies/acl/{policy_name(name, mount)}")
        except KeysError as error:
            return [failed("policies", error, "the token must be one that may read sys/policies/acl")]
        if found is None or found["data"]["policy"] != text:
            wrong.append(policy_name(name, mount))
    if wrong:
        return [
            Finding(
                "policies", "bad", f"not as provisioned: {', '.join(wrong)}", "run `strongroom provision`"
            )
        ]
    return [Finding("policies", "ok", f"all {len(wanted)} are word for word as provisioned")]


async def clocks(settings: Settings) -> list[Finding]:
    """This machine's, the database's and the key server's clock tell the same time."""
    found = []
    async with any_plane(settings) as plane:
        before = time.time()
        theirs = await plane.parts.store.clock() / 1e6
        found.append(_clock("the data database", theirs - (before + time.time()) / 2))
    before = time.time()
    told = Admin.with_token(settings.server, "").get("sys/health?standbyok=true&perfstandbyok=true") or {}
    if isinstance(seconds := told.get("server_time_utc"), int):
        # It tells whole seconds, so half of one is the best guess.
        found.append(_clock("the key server", seconds + 0.5 - (before + time.time()) / 2))
    return found


def _clock(whose: str, ahead: float) -> Finding:
    says = f"{whose} is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine"
    state = "ok" if abs(ahead) <= _APART else "warn" if abs(ahead) <= _FAR_APART else "bad"
    now = f"{datetime.now(UTC):%H:%M:%S} UTC"
    return Finding("clocks", state, says, "" if state == "ok" else f"set the clocks by NTP; it is {now} here")  # type: ignore[arg-type]
