"""Runs every check, the later ones too when an earlier one fails."""

import os
import ssl

import httpx

from vault.cli.checkup import keyserver, logs, machine, records, stores
from vault.cli.checkup.finding import KNOWN, Check, Finding, failed
from vault.settings import Settings

_CHECKS: dict[str, Check] = {
    "identities": machine.identities,
    "files": machine.files,
    keyserver.NAME: keyserver.serves,
    "privileges": keyserver.privileges,
    "databases": stores.schemas,
    "database roles": stores.roles,
    "clocks": keyserver.clocks,
    "authority": stores.registers,
    "sealed records": records.sealed,
    "keys of records": records.unwrapped,
    "acts of the office": stores.acts,
    "log": logs.consistent,
    "retention": stores.overdue,
    "backup": logs.backups,
}
_NEED_KEYS = frozenset(_CHECKS) - {"identities", "files", keyserver.NAME, "databases", "database roles"}
"""Checks that would each wait in vain for a key server that is away."""


async def examine(
    settings: Settings, url: str | None, *, unwrap: bool = True, token: str | None = None
) -> list[Finding]:
    """Every check. `unwrap`: the keys of sampled records too. `token`: one that may read policies."""
    found: list[Finding] = []
    for name, check in _CHECKS.items():
        if name == "keys of records" and not unwrap:
            continue
        if name in _NEED_KEYS and not any(one.check == keyserver.NAME and one.state == "ok" for one in found):
            found.append(Finding(name, "bad", "not looked at, as it needs the key server"))
            continue
        try:
            found += await check(settings)
        except KNOWN as error:
            found.append(failed(name, error))
    if token is not None:
        found += keyserver.policies(settings, token)
    found += machine.surroundings(os.environ)
    if url is not None:
        found.append(_readiness(url))
    return found


def _readiness(url: str) -> Finding:
    try:
        trusted = ssl.create_default_context(cafile=os.environ.get("STRONGROOM_CA_FILE") or None)
        answer = httpx.get(f"{url.rstrip('/')}/readyz", timeout=10, trust_env=False, verify=trusted)
        planes = dict(answer.json()["planes"])
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding(
            "service", "bad", f"{url} cannot be reached ({type(error).__name__})", "is it running?"
        )
    except (ValueError, KeyError, TypeError):
        return Finding("service", "bad", f"{url} is not this service", "check the address")
    bad = {plane: state for plane, state in planes.items() if state != "ready"}
    if bad:
        return Finding("service", "bad", "; ".join(f"{p}: {s}" for p, s in bad.items()), "see docs/errors")
    return Finding("service", "ok", f"{url}: ready ({', '.join(planes)})")
