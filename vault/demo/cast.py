"""Who plays in the demonstration: services and people of the office, each with no more rights than needed."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from vault.cli.access import Access
from vault.cli.home import Home, read_json
from vault.cli.http import Api, Problem
from vault.model.secret import Secret


@dataclass(frozen=True, slots=True)
class Role:
    """A service, the human answerable for it, and what it may do."""

    name: str
    person: str
    grants: tuple[str, ...]


ROLES = (
    Role("signup", "Asha Rao, sign-up team", ("tokenize",)),
    Role("payout", "Vikram Shah, payments", ("detokenize:payment@payment", "inspect")),
    Role("marketing", "Neha Gowda, marketing", ("detokenize:marketing_display",)),
    Role("auditor", "Farah Khan, data protection", ("events",)),
    Role(
        "office",
        "Ravi Iyer, customer service",
        ("consent", "erase", "holds", "notices", "recipients", "replace", "retention", "subjects"),
    ),
    Role("officer", "Farah Khan, data protection", ("cases",)),
    Role("approver", "Dev Mehta, legal", ("release",)),
)


Tell = Callable[[str, str], None]
"""Told (role, proposal) of each credential that took two persons."""


def gather(home: Home, url: str, stack: ExitStack, tell: Tell) -> Mapping[str, Api]:
    """A connection for each role; credentials that are not there yet are made. Raises: Problem."""
    kept = read_json(home.admin)
    access = Access(url, kept["client_id"], Secret(kept["client_secret"]))
    with Api(access) as admin, Api(_access(home, "admin2", url)) as second:
        for role in ROLES:
            if not home.credential(role.name).exists():
                made = _create(admin, second, role, tell)
                home.keep_credential(role.name, made["credential"], made["client_secret"])
    return {role.name: stack.enter_context(Api(_access(home, role.name, url))) for role in ROLES}


def _create(admin: Api, second: Api, role: Role, tell: Tell) -> dict[str, Any]:
    """The credential, by two persons where its grants take two."""
    made = _order(admin, role)
    if "proposal_id" not in made:
        return made
    tell(role.name, made["proposal_id"])
    path = f"/v1/proposals/{made['proposal_id']}/approve"
    return dict(second.post(path, {"sha256": made["sha256"]}))


def _order(admin: Api, role: Role) -> dict[str, Any]:
    """The credential, or what waits for a second person."""
    body = {"name": role.name, "person": role.person, "grants": list(role.grants)}
    try:
        return dict(admin.post("/v1/credentials", body))
    except Problem as problem:
        if problem.code != "credential_exists":
            raise
        # It was made by a start that ended before its secret was written down.
        return dict(admin.post(f"/v1/credentials/{admin.access.tenant}.{role.name}/rotate", {}))


def _access(home: Home, name: str, url: str) -> Access:
    client, _, secret = home.credential(name).read_text().strip().partition(":")
    return Access(url, client, Secret(secret))
